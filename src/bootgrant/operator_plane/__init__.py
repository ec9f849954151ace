"""What people call: the approval pages and the admin API of ``data/admin.sock``.

It owns sign-in cookies, forms, pages and their wording. What a decision means is in workflows and approval; where
things are kept is behind the ports. RFC 8628 section 3.3 (the person's half), sections 5.1 and 5.4 (its threats).
"""
