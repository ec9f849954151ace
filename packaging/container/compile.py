"""Compiles Python's library and bootgrant in an image: with a read-only root, Python could not keep what it compiles.

The compiled files have no times, so that the same sources are the same image.
"""

import compileall
import re
import sys
import sysconfig
from py_compile import PycInvalidationMode

NEVER_RUN = re.compile("/(tests?|site-packages|dist-packages|ensurepip|idlelib|lib2to3|turtledemo)/")
FORM = PycInvalidationMode.UNCHECKED_HASH

for folder, left_out in ((sysconfig.get_path("stdlib"), NEVER_RUN), ("/opt/bootgrant/lib", None)):
    if not compileall.compile_dir(folder, maxlevels=20, force=True, quiet=1, rx=left_out, invalidation_mode=FORM):
        sys.exit(f"{folder} cannot be compiled")
