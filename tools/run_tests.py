"""Run the tests in several processes; tests that fail run once more by themselves, and the end says what came of it.

    python tools/run_tests.py ARGUMENTS-OF-PYTEST

On a busy computer a browser or a server may need longer than a test waits. A test that passes then is named at the
end and does not fail the run; more than FEW of them do, because then it is the change and not the computer.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

FEW = 5
TESTS_FAILED = 1  # pytest's exit status; any other than 0 means that the run itself went wrong
SECOND_TRY = ("-n", "0", "--tb=long")


def main() -> int:
    arguments = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        names = Path(folder, "failed")
        # Python 3.11 may stop with an internal error when it parses a file for a traceback next to Playwright.
        status = pytest(["--tb=native", *arguments], BOOTGRANT_FAILED_TESTS=str(names))
        failed = names.read_text().splitlines() if names.exists() else []
    if status != TESTS_FAILED or not 0 < len(failed) <= FEW:
        return status
    print(f"\nOnce more, by themselves: {', '.join(failed)}\n", flush=True)
    status = pytest([*SECOND_TRY, *failed])
    verdict = "passed by themselves. Each is a fault of the test or of the computer" if status == 0 else "failed again"
    print(f"\nFailed next to others, and {verdict}:\n  " + "\n  ".join(failed), flush=True)
    return status


def pytest(arguments: list[str], **variables: str) -> int:
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(command, env={**os.environ, **variables}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
