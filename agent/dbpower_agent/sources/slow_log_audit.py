"""What stands in the slow log, summed by statement, for the backend to compare with what it has stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dbpower_agent.fingerprint import fingerprint, fingerprint_id
from dbpower_agent.payload import Part, encode_member
from dbpower_agent.sources.slow_log_rows import clean_text, parse_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from dbpower_agent.sources.slow_log_rows import RawRow


def totals_of(rows: Iterable[RawRow], still_alive: Callable[[], None]) -> dict[str, list[int]]:
    """Calls, nanoseconds and rows sent by `database:fingerprint id`; each execution rounded as an upload of it is."""
    totals: dict[str, list[int]] = {}
    for number, raw in enumerate(rows):
        if number % 500 == 0:
            still_alive()
        execution = parse_row(raw)
        text = clean_text(fingerprint(execution.sql_text, dialect="mysql"))
        sums = totals.setdefault(f"{execution.database}:{fingerprint_id(text)}", [0, 0, 0])
        sums[0] += 1
        sums[1] += round(execution.query_time * 1_000_000) * 1_000
        sums[2] += execution.rows_sent
    return totals


def parts_of(totals: dict[str, list[int]]) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Uploads of the totals, each with all keys behind `after_key` up to `last_key` (null: to the end)."""
    after, part, last = "", Part("totals"), ""
    for key in sorted(totals):
        calls, time_ns, rows = totals[key]
        member = encode_member({"key": key, "calls": calls, "total_time_ns": time_ns, "rows": rows})
        if not part.fits(member):
            yield {"after_key": after, "last_key": last}, part.finish()
            after, part = last, Part("totals")
        part.add(member)
        last = key
    yield {"after_key": after, "last_key": None}, part.finish()
