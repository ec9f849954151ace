"""The evidence port, implemented: the site's networks and inventory, a machine's past, commands of the site.

Each says what it found and never decides. What it does not know is unknown, which counts as nothing.
"""
