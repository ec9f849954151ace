"""Machine configurations: from an entry over its layers and their rendering to the bytes that a machine downloads.

``CurrentRevision`` watches an origin (ports.origins) and keeps the last valid ``Snapshot``. ``SiteConfigurations``
answers from it, behind ports.configurations. The room does not decide which machine may have a configuration, and does
not know where the files come from.
"""
