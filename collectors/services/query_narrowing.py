"""Which part of the load is asked for: the same filters for costs, sketches, slow queries and gaps."""

from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from django.db.models import Model, Q, QuerySet

from collectors.domain.sources import Source
from collectors.models import Fingerprint, FingerprintTag, Gap, SlowQuery

Row = TypeVar("Row", bound=Model)

# Of a text that is searched for.
MOST_CHARACTERS: Final = 200


@dataclass(frozen=True)
class Narrowing:
    """What was chosen; None and empty texts leave a side open. `search` is looked for in texts and as the beginning of ids."""

    organization_id: int | None = None
    team_id: int | None = None
    database_id: int | None = None
    fingerprint: int | None = None
    engine: str = ""
    source: str = ""
    schema: str | None = None
    user: str | None = None
    tag: str = ""
    search: str = ""

    @property
    def of_databases(self) -> bool:
        """Whether some of the databases were chosen."""
        return any((self.organization_id, self.team_id, self.database_id, self.engine))

    @property
    def of_statements(self) -> bool:
        """Whether some of the statements were chosen, wherever they run."""
        texts = (self.fingerprint, self.schema, self.user)
        return bool(self.source or self.tag or self.search) or any(text is not None for text in texts)

    def unsearched(self) -> "Narrowing":
        """Return the same without the search."""
        return replace(self, search="")


def narrowed(rows: QuerySet[Row], narrowing: Narrowing) -> QuerySet[Row]:
    """Return those rows of Cost, DatabaseCost, Latency or SlowQuery that were chosen."""
    if rows.model is SlowQuery and narrowing.source not in {"", Source.SLOW_LOG}:
        return rows.none()
    lookups: dict[str, Any] = {
        "organization_id": narrowing.organization_id,
        "database__team_id": narrowing.team_id,
        "database_id": narrowing.database_id,
        "database__type": narrowing.engine or None,
        "statement__fingerprint_id": narrowing.fingerprint,
        "statement__source": narrowing.source or None,
        "statement__schema_name": narrowing.schema,
        "user_name" if rows.model is SlowQuery else "statement__user_name": narrowing.user,
    }
    rows = rows.filter(**{name: value for name, value in lookups.items() if value is not None})
    if narrowing.tag:
        tagged = FingerprintTag.objects.order_by().filter(name=narrowing.tag).values("fingerprint_id")
        rows = rows.filter(statement__fingerprint_id__in=tagged)
    return rows.filter(statement__fingerprint_id__in=_found(narrowing.search)) if narrowing.search else rows


def narrowed_gaps(gaps: QuerySet[Gap], narrowing: Narrowing) -> QuerySet[Gap]:
    """Return the gaps of what was chosen: nobody knows which statements are missing, so those filters do not narrow them."""
    lookups: dict[str, Any] = {
        "organization_id": narrowing.organization_id,
        "database__team_id": narrowing.team_id,
        "database_id": narrowing.database_id,
        "database__type": narrowing.engine or None,
        "source": narrowing.source or None,
    }
    return gaps.filter(**{name: value for name, value in lookups.items() if value is not None})


def _found(text: str) -> "QuerySet[Fingerprint, int]":
    """Return the fingerprints that hold the text. Which of them may be seen, the rows that they are compared with tell."""
    matches = Q(text__icontains=text) | Q(fingerprint_id__istartswith=text)
    return Fingerprint.objects.order_by().filter(matches).values_list("pk", flat=True)
