"""What Talos checks after it has read a configuration, as data and small pure functions for each kind and field.

``report`` is what a check writes to, ``forms`` are the shared checks of texts.
"""
