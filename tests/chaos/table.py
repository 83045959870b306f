"""The table at the end of a run."""

import math
from collections import Counter

from tests.chaos.play import Chaos
from tests.chaos.sites import Verdict, told

COLUMNS = ("", "run", "counted by it", "stored", "missing", "explained", "told by gaps", "")


def table(chaos: Chaos, verdicts: list[Verdict]) -> str:
    """Return what was done, and for each server its ledger."""
    rows = [COLUMNS, *(_row(verdict) for verdict in verdicts)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    ledger = [
        "  ".join(_aligned(cell, width, n) for n, (cell, width) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]
    acts = [f"  {count:>3} x {act}" for act, count in sorted(chaos.done.items())]
    uploads: Counter[str] = Counter()
    for verdict in verdicts:
        uploads.update({str(fault): count for fault, count in verdict.site.world.proxy.seen.items()})
    sent = [f"  {count:>5} uploads: {fault}" for fault, count in uploads.items()]
    faults = [f"  {verdict.site.target.name}: {fault}" for verdict in verdicts for fault in verdict.faults]
    end = ["", "The ledger does not balance:", *faults] if faults else ["", "The ledger balances."]
    return "\n".join(["", f"Seed {chaos.seed}, {chaos.seconds:.0f} s", *acts, *sent, "", *ledger, *end])


def _row(verdict: Verdict) -> tuple[str, ...]:
    numbers = (verdict.site.load.answered.total(), verdict.counted, verdict.stored.calls, verdict.missing)
    cells = ["forgot" if number is None else f"{number:,}" for number in (*numbers, verdict.site.explained)]
    said = told(verdict.gaps)
    gaps = f"{len(verdict.gaps)}: {'?' if math.isinf(said) else f'{said:,.0f}'}"
    return (verdict.site.target.name, *cells, gaps, "wrong" if verdict.faults else "ok")


def _aligned(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column in {0, len(COLUMNS) - 1} else cell.rjust(width)
