"""What the page of queries shows, as CSV for people with spreadsheets and as JSON for programs."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from collectors.access import Principal
from collectors.admin.pages import queries_table
from collectors.admin.pages.queries_choices import Choices
from collectors.domain.csv_cells import safe
from collectors.domain.metrics import Kind, Metric
from collectors.services import top_queries
from collectors.services.queries import GapLine
from collectors.services.top_queries import Page, Question, Row

MOST: Final = 10_000
FILE_NAME: Final = "dbpower-queries"
# Texts are read for so many rows at once.
_CHUNK: Final = 500
_NANOSECONDS: Final = 1e9
_MILLISECOND: Final = 1e6


@dataclass(frozen=True)
class Export:
    """What is exported: the rows are summed up already, so that nothing fails once lines are on their way."""

    choices: Choices
    question: Question
    principal: Principal
    page: Page
    gaps: Sequence[GapLine]
    whole: Any

    def records(self) -> Iterator[dict[str, Any]]:
        """Return the rows, each as names and values."""
        for start in range(0, len(self.page.rows), _CHUNK):
            rows = self.page.rows[start : start + _CHUNK]
            named = queries_table.names(self.question, rows, self.principal, gaps=False)
            for row in rows:
                yield self._record(row, named)

    def _record(self, row: Row, named: queries_table.Names) -> dict[str, Any]:
        grouping = self.choices.grouping
        found: dict[str, Any] = {}
        if grouping.of_statements:
            fingerprint = named.fingerprints.get(row.key)
            found["fingerprint_id"] = fingerprint.fingerprint_id if fingerprint else None
        found[grouping.value.removesuffix("_database")] = queries_table.plain_title(grouping, row, named) or None
        if grouping.value != "database":
            found["databases"] = queries_table.places(row, named)
        if row.change is not None:
            found["change"] = row.change.value
        told = named.percentiles.get(row.identity, {})
        for metric in self.choices.metrics:
            found[column_name(metric)] = self._value(metric, row.sums, self.whole, told)
            if self.choices.earlier is not None and metric.kind is not Kind.PERCENTILE:
                found[f"earlier_{column_name(metric)}"] = self._value(metric, row.before, self.page.whole_before, {})
        return found

    def _value(self, metric: Metric, sums: Any, whole: Any, percentiles: Any) -> float | None:
        if metric.kind is Kind.PERCENTILE:
            value: float | None = percentiles.get(f"{metric.name}_ns")
        else:
            value = metric.value(sums, seconds=self.choices.shown.length.total_seconds(), whole=whole)
        if value is None:
            return None
        if metric.unit == "ns":
            return value / _MILLISECOND
        return value / _NANOSECONDS if metric.unit == "sessions" else value


def export(choices: Choices, principal: Principal, *, gaps: Sequence[GapLine]) -> Export:
    """Sum up what is exported. Raises `Refused` where that cannot be done."""
    question = choices.question(principal)
    page = top_queries.page(
        question, order=choices.order, descending=choices.descending, offset=0, limit=MOST, change=choices.change
    )
    unsearched = choices.narrowing.search or choices.change
    whole = top_queries.whole(question) if unsearched else page.whole
    return Export(choices, question, principal, page, gaps, whole)


def column_name(metric: Metric) -> str:
    """Return what a metric is called in a file: times are milliseconds there, shares percent."""
    return metric.name + {"ns": "_ms", "percent": "_percent"}.get(metric.unit, "")


class _Line:
    """A file that gives back what is written to it."""

    def write(self, text: str) -> str:
        """Return the text."""
        return text


def _csv(exported: Export) -> Iterator[str]:
    writer = csv.writer(_Line())
    named: list[str] = []
    for record in exported.records():
        if not named:
            named = list(record)
            yield writer.writerow(named)
        yield writer.writerow([safe(record[name]) for name in named])


def _json(exported: Export) -> Iterator[str]:
    choices = exported.choices
    head = {
        "since": choices.shown.since.isoformat(),
        "until": choices.shown.until.isoformat(),
        "compared_with": [choices.earlier.since.isoformat(), choices.earlier.until.isoformat()]
        if choices.earlier
        else None,
        "group_by": choices.grouping.value,
        "order": f"{'-' if choices.descending else ''}{choices.order}",
        "count": exported.page.count,
        "at_most": MOST,
        "completeness": [
            {
                "database": gap.database_name,
                "source": gap.source,
                "kind": gap.kind,
                "amount": gap.amount,
                "gaps": gap.gaps,
                "covered_from": gap.covered_from.isoformat(),
                "covered_to": gap.covered_to.isoformat(),
            }
            for gap in exported.gaps
        ],
    }
    yield json.dumps(head, ensure_ascii=False)[:-1] + ', "rows": ['
    for number, record in enumerate(exported.records()):
        yield (",\n" if number else "\n") + json.dumps(record, ensure_ascii=False)
    yield "\n]}\n"


@dataclass(frozen=True)
class Form:
    """One form that files come in."""

    ending: str
    content_type: str
    lines: Callable[[Export], Iterator[str]]


FORMS: Final = {
    "csv": Form("csv", "text/csv; charset=utf-8", _csv),
    "json": Form("json", "application/json", _json),
}
