"""The audit as CSV, for people with spreadsheets, and as JSON for programs."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import QuerySet

from collectors.domain.csv_cells import safe
from collectors.models import AuditEntry

COLUMNS: Final = (
    *("id", "created_at", "organization_id", "user_id", "collector_id", "actor", "action", "object_type", "object_id"),
    *("object_label", "before", "after", "address", "position", "seal"),
)
MAX_ROWS: Final = 100_000
FILE_NAME: Final = "dbpower-audit.csv"


class _Line:
    """A file that gives back what is written to it."""

    def write(self, text: str) -> str:
        """Return the text."""
        return text


def lines(entries: QuerySet[AuditEntry]) -> Iterator[str]:
    """Return the newest `MAX_ROWS` entries as lines of CSV after a line of names. No cell is a formula."""
    writer = csv.writer(_Line())
    yield writer.writerow(COLUMNS)
    for entry in _newest(entries):
        yield writer.writerow([safe(_text(getattr(entry, name))) for name in COLUMNS])


def json_lines(entries: QuerySet[AuditEntry]) -> Iterator[str]:
    """Return the newest `MAX_ROWS` entries as one JSON object, in pieces: `{"at_most": …, "entries": […]}`."""
    yield f'{{"at_most": {MAX_ROWS}, "entries": ['
    for number, entry in enumerate(_newest(entries)):
        record = {name: getattr(entry, name) for name in COLUMNS}
        record["created_at"] = entry.created_at.isoformat()
        yield (",\n" if number else "\n") + json.dumps(record, ensure_ascii=False)
    yield "\n]}\n"


def _newest(entries: QuerySet[AuditEntry]) -> Iterable[AuditEntry]:
    return entries.order_by("-pk")[:MAX_ROWS].iterator(chunk_size=500)


@dataclass(frozen=True)
class Form:
    """One form that the file comes in."""

    file_name: str
    content_type: str
    lines: Callable[[QuerySet[AuditEntry]], Iterator[str]]


FORMS: Final = {
    "csv": Form(FILE_NAME, "text/csv; charset=utf-8", lines),
    "json": Form("dbpower-audit.json", "application/json", json_lines),
}


def _text(value: Any) -> Any:
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return value.isoformat() if hasattr(value, "isoformat") else value
