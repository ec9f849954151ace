"""Booting takes a minute and Debian's tools: `make test-boot` does it, `make test` does not."""

from __future__ import annotations

import os

collect_ignore = [] if os.environ.get("BOOT_TEST") == "1" else ["test_ipxe_script.py", "test_real_boot.py"]
