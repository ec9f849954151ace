"""Booting takes a minute and needs Debian's tools, so only `make test-boot` runs these tests."""

from __future__ import annotations

import os

collect_ignore = [] if os.environ.get("BOOT_TEST") == "1" else ["test_ipxe_script.py", "test_real_boot.py"]
