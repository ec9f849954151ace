"""What people call: the approval pages, and the API for programs and for ``data/admin.sock``.

The room owns sign-in cookies, forms, pages and their wording. What a decision means is in workflows and approval; where
data is stored is behind the ports. RFC 8628 section 3.3 (the person's part) and sections 5.1 and 5.4 (its threats).
"""
