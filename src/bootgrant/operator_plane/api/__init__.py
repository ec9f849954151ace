"""The same by program: JSON over ``data/admin.sock``."""
