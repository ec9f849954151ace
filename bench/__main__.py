"""Run all measurements, or the named ones."""

from __future__ import annotations

import argparse
import importlib

from bench.measurements import MEASUREMENTS, Options
from bench.processes import pin_to_load_core
from bench.result import Bar


def main() -> int:
    """Return 0 if every target is met, otherwise 1."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MEASUREMENTS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="the number of rounds")
    parser.add_argument("--quick", action="store_true", help="a small, short run to test the benchmark itself")
    args = parser.parse_args()
    if unknown := set(args.names) - set(MEASUREMENTS):
        parser.error(f"no such measurement: {', '.join(sorted(unknown))}")
    pin_to_load_core()
    bars: list[Bar] = []
    for name in args.names or MEASUREMENTS:
        measurement = importlib.import_module(f"bench.measurements.{name}")
        print(f"\n{name}: {measurement.TITLE}", flush=True)
        result = measurement.run(Options(rounds=args.rounds, quick=args.quick))
        result.keep()
        print(f"\n{result.shown()}", flush=True)
        bars += result.bars
    missed = [bar for bar in bars if not bar.met]
    print(f"{len(bars) - len(missed)} of {len(bars)} targets met")
    return 1 if missed else 0


raise SystemExit(main())
