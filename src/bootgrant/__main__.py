"""`python -m bootgrant` is the `bootgrant` command."""

import sys

from bootgrant.cli import main

sys.exit(main())
