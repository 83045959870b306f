"""`python -m tests.chaos --seconds 600 --seed 7`: run, print what happened and the ledger; exit 1 unless it balances."""

import argparse
import secrets
import sys
import time

from tests.chaos.play import Chaos
from tests.chaos.table import table


def main() -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="how long the load runs (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="repeat the schedule of another run (default: a new one)")
    arguments = parser.parse_args()
    began = time.monotonic()

    def tell(line: str) -> None:
        print(f"[{time.monotonic() - began:5.0f} s] {line}", flush=True)

    chaos = Chaos(seed=arguments.seed or secrets.randbelow(10**6), seconds=arguments.seconds, tell=tell)
    verdicts = chaos.run()
    print(table(chaos, verdicts), flush=True)
    return 1 if any(verdict.faults for verdict in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
