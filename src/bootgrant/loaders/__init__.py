"""How a machine gets its kernel parameters: which ones a server needs, and how each boot loader wants them written.

It prints, it boots nothing. What the parameters mean is ``acquire``'s business.
"""
