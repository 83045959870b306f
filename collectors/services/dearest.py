"""What costs most, where there may be very many databases. Reading only; callers pass querysets that are already scoped."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from django.db.models import QuerySet, Sum

from collectors.models import Cost
from collectors.services import queries

# So many of the busiest databases are looked through first: mostly the dearest statements are theirs.
_FIRST: Final = 20


def databases(*, rows: QuerySet[Any], since: datetime, until: datetime) -> QuerySet[Any, tuple[int, int]]:
    """Return the ids of databases with their time in statements, the busiest first, of rows of Cost or DatabaseCost."""
    period = queries.counted_in(rows, since=since, until=until)
    found: QuerySet[Any, tuple[int, int]] = period.order_by().values_list("database_id").annotate(Sum("total_time_ns"))
    return found.order_by("-total_time_ns__sum", "database_id")


def statements(
    *, costs: QuerySet[Cost], busiest: Sequence[tuple[int, int]], since: datetime, until: datetime, most: int
) -> list[dict[str, Any]]:
    """Return the first `most` rows of `queries.top_fingerprints`, looked for in the busiest databases (`databases`).

    No statement costs more than its database. So the others need not be read once the last row found costs more than the
    busiest of them; where `busiest` does not reach so far, everything is read.
    """
    looked_through = min(_FIRST, len(busiest))
    while looked_through < len(busiest):
        theirs = costs.filter(database_id__in=[pk for pk, _ in busiest[:looked_through]])
        rows = list(queries.top_fingerprints(costs=theirs, since=since, until=until)[:most])
        least = rows[-1]["sum_time_ns"] if len(rows) == most else 0
        wanted = sum(total >= least for _, total in busiest)
        if wanted <= looked_through:
            return rows
        looked_through = wanted
    return list(queries.top_fingerprints(costs=costs, since=since, until=until)[:most])
