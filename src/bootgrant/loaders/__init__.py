"""Kernel parameters for a machine: which ones a server needs, and how to write them for each boot loader.

What the parameters mean is defined in ``acquire``.
"""
