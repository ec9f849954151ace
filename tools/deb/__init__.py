"""Build the packages for a release of Debian, in a new Debian of that release (docs/decisions/0042-debian-packages.md).

    python -m tools.deb bookworm --wheel dist/bootgrant-0.2.0-py3-none-any.whl dist

The same sources, wheels, and SOURCE_DATE_EPOCH give the same bytes, in whatever folder and at whatever time. It needs
root, for chroot; and the network, unless the wheels of requirements/run.txt are in .cache/wheels from an earlier run.
"""
