"""The command line of ``tools.deb``; see the package."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import tools.deb
from tools.deb.build_root import build_root
from tools.deb.environment import ROOT, make_environment
from tools.deb.packages import RELEASES, Release, build_packages


def main() -> None:
    """Build the packages of one release."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.deb", description=tools.deb.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("release", choices=RELEASES)
    parser.add_argument("out", type=Path, help="the folder for the packages")
    parser.add_argument("--wheel", type=Path, required=True, help="bootgrant's wheel")
    parser.add_argument("--suffix", default="", help="what follows the version, such as +1 for newer dependencies")
    parser.add_argument("--homepage", default="https://bootgrant.example")
    parser.add_argument("--maintainer", default="the bootgrant developers <developers@bootgrant.example>")
    parser.add_argument("--level", type=int, default=2, help="of compression by xz; 0: none, for tests")
    args = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("tools.deb: packages are built in a chroot, which needs root: sudo make deb")
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    release = Release(args.release, args.suffix, args.homepage, args.maintainer, args.level)
    with build_root(ROOT / f".cache/roots/{args.release}.tar", epoch) as root:
        make_environment(root, args.wheel, ROOT / ".cache/wheels" / args.release)
        for file in build_packages(root, release, args.out):
            print(f"{file.stat().st_size / 1e6:6.1f} MB  {file}")


if __name__ == "__main__":
    main()
