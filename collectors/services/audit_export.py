"""The audit as CSV, for people with spreadsheets."""

import csv
import json
from collections.abc import Iterable, Iterator
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
    newest: Iterable[AuditEntry] = entries.order_by("-pk")[:MAX_ROWS].iterator(chunk_size=500)
    for entry in newest:
        yield writer.writerow([safe(_text(getattr(entry, name))) for name in COLUMNS])


def _text(value: Any) -> Any:
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return value.isoformat() if hasattr(value, "isoformat") else value
