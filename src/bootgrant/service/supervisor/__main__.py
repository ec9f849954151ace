"""`python -m bootgrant.service.supervisor ARGUMENTS`, where the arguments are those of `bootgrant serve`."""

import sys

from bootgrant.service.supervisor.supervisor import Supervisor

sys.exit(Supervisor(sys.argv[1:]).run())
