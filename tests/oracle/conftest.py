"""The programs to compare with are built from source, so only `make test-oracle` runs these tests."""

from __future__ import annotations

import os

collect_ignore_glob = [] if os.environ.get("ORACLE_TEST") == "1" else ["test_*.py"]
