"""Lists that stay quick however many rows there are: counted up to a bound, and read page by page in two steps."""

from functools import cached_property
from typing import Any, Final

from django.core.paginator import Paginator
from django.http import HttpRequest
from unfold.views import ChangeList

from collectors.domain import limits


class BoundedPaginator(Paginator[Any]):
    """Counts no further than the last page that can be turned to, so that no page has to go through a whole table.

    `is_more` tells that there are more rows than `count` says; what lies beyond is reached by filters and search.
    """

    template_name: Final = "admin/dbpower/pagination.html"
    # With rows that are not a queryset there is nothing to save.
    most = limits.MAX_COUNTED_ROWS

    @cached_property
    def first(self) -> list[Any]:
        """Return the keys of the rows of the first page, and one more where there is another page."""
        rows: Any = self.object_list
        return list(rows.values_list("pk", flat=True)[: self.per_page + 1])

    @cached_property
    def _counted(self) -> int:
        # A search that finds little has gone through everything by then.
        if len(self.first) <= self.per_page:
            return len(self.first)
        rows: Any = self.object_list
        # What is only shown is not needed to count.
        return int(rows.order_by().values("pk")[: self.most + 1].count())

    @cached_property
    def count(self) -> int:
        """Return how many rows can be turned to."""
        return min(self._counted, self.most)

    @property
    def is_more(self) -> bool:
        """Tell whether there are more."""
        return self._counted > self.most


class BoundedList(ChangeList):
    """A list that first finds the rows of a page, by what they are filtered and ordered by alone, then what is shown of them.

    Otherwise related rows are joined, and columns worked out, for every row that is sorted.
    """

    def get_ordering_field(self, field_name: Any) -> Any:
        """Return what a column is ordered by; nothing where its head offers no order, which an address may ask for all the same."""
        offered = self.sortable_by is None or field_name in self.sortable_by
        return super().get_ordering_field(field_name) if offered else None

    def get_results(self, request: HttpRequest) -> None:
        """Fetch the page."""
        super().get_results(request)
        is_first = self.page_num == 1 and not self.show_all
        keys = self.paginator.first[: self.list_per_page] if is_first else self.result_list.values_list("pk", flat=True)
        shown = list(keys)
        found = {row.pk: row for row in self.queryset.filter(pk__in=shown).order_by()}
        # One that was removed in between is left out.
        self.result_list = [found[pk] for pk in shown if pk in found]
