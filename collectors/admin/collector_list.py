"""The list of collectors: pages that cost the same however many there are, and rows that can be asked for again and again."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, Final

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ORDER_VAR, PAGE_VAR, SEARCH_VAR
from django.core.paginator import Paginator
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, QueryDict
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from unfold.views import ChangeList

from collectors.access import visible_to
from collectors.admin import collector_columns, signed_in
from collectors.admin.actions import MAX_ROWS, ScopedAction
from collectors.admin.collector_columns import BY_NAME, COLUMNS, Column, Listed
from collectors.admin.display import UNITS, number
from collectors.domain import commands, limits
from collectors.models import Command, ControlPlane, ListColumns, SavedFilter
from collectors.services import query_rates

_COMMAND_SHOWN: Final = timedelta(seconds=limits.COMMAND_SHOWN_SECONDS)
# What a row's own buttons do; the bar above the list has all actions.
_ON_A_ROW: Final = ("start", "stop", "collect", "rotate_key_by_agent")
# What is written between the tags of a moment changes every second, and says nothing new.
_TICKING: Final = re.compile(r"(<time[^>]*>)[^<]*")


@dataclass(frozen=True)
class Header:
    """A column's head: its words, where ordering by it leads, and how it is ordered by now."""

    column: Column
    address: str
    sort: str


@dataclass(frozen=True)
class Chip:
    """A filter that is active, with the address of the list without it."""

    title: str | Promise
    value: str
    without: str


@dataclass(frozen=True)
class Segment:
    """One saved filter above the list, or everything."""

    title: str
    address: str
    chosen: bool
    is_default: bool = False


class CollectorList(ChangeList):
    """A page of collectors. The order and the filters find the ids of one page; only these rows are then read whole."""

    # Whether the page tells how many rows there are.
    counted = True

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:  # noqa: ARG002
        """Return what the address orders by: the name of a column, so that a link means the same whoever opens it."""
        wanted = self.params.get(ORDER_VAR, "")
        column = BY_NAME.get(wanted.removeprefix("-"))
        if column is None or not column.order:
            return ["name", "pk"]
        # By name and id in one direction, for which there is an index.
        turned = wanted.startswith("-")
        if column.order == ("name",):
            return ["-name", "-pk"] if turned else ["name", "pk"]
        lookups = [F(lookup) for lookup in column.order]
        return [*(f.desc(nulls_last=True) if turned else f.asc(nulls_last=True) for f in lookups), "pk"]

    def get_ordering_field_columns(self) -> dict[int, Any]:
        """Return nothing: columns are known by their names."""
        return {}

    def get_results(self, request: HttpRequest) -> None:
        """Find the page's ids, read their rows, and count as far as anybody will turn pages."""
        self.request = request
        last_page = limits.MAX_COUNTED_ROWS // self.list_per_page
        if not 1 <= self.page_num <= last_page:
            raise IncorrectLookupParameters
        start = (self.page_num - 1) * self.list_per_page
        ids = list(self.queryset.values_list("pk", flat=True)[start : start + self.list_per_page])
        found = self._count(start, len(ids)) if self.counted else start + len(ids)
        if not ids and start and self.counted:
            raise IncorrectLookupParameters
        self.has_more = found > limits.MAX_COUNTED_ROWS
        self.result_count = min(found, limits.MAX_COUNTED_ROWS)
        # The page says it below the rows; of the same two numbers its head says nothing.
        self.full_result_count = self.result_count
        self.show_full_result_count = self.can_show_all = False
        self.show_admin_actions = True
        self.paginator = Paginator(range(self.result_count), self.list_per_page)
        self.multi_page = self.paginator.num_pages > 1
        self.listed = self._rows_of(ids)
        self.result_list = [listed.row for listed in self.listed]

    def _count(self, start: int, on_page: int) -> int:
        """Return how many rows there are, up to one more than is told; a page that is not full says it by itself."""
        if on_page < self.list_per_page and (on_page or not start):
            return start + on_page
        counted: int = self.queryset.order_by().values("pk")[: limits.MAX_COUNTED_ROWS + 1].count()
        return counted

    def _rows_of(self, ids: list[int]) -> list[Listed]:
        now, accepting_since = timezone.now(), ControlPlane.objects.accepting_since()
        newest = Command.objects.filter(collector_id=OuterRef("pk")).order_by("-id").values("pk")[:1]
        rows = (
            self.root_queryset.filter(pk__in=ids)
            .order_by()
            .annotate(newest_command=Subquery(newest))
            .select_related("heartbeat", "database__lease", "team", "organization", "query_rate")
            .defer("config", "previous_key_hash")
            .prefetch_related("tags")
        )
        by_id: dict[int, Any] = {row.pk: row for row in rows}
        asked = self._commands([row.newest_command for row in by_id.values()], now - _COMMAND_SHOWN)
        return [
            Listed(
                row=row,
                now=now,
                late=row.is_late(now=now, accepting_since=accepting_since),
                online=row.is_online(now=now, accepting_since=accepting_since),
                per_minute=query_rates.per_minute(
                    getattr(row, "query_rate", None), now=now, interval_minutes=row.collection_interval_minutes
                ),
                command=asked.get(row.pk),
            )
            for row in (by_id[pk] for pk in ids if pk in by_id)
        ]

    def _commands(self, ids: list[int | None], since: Any) -> dict[int, Command]:
        """Return the newest command of each collector, while it is open and for a while after."""
        told = Q(state__in=commands.OPEN) | Q(ended_at__gte=since)
        newest = Command.objects.filter(told, pk__in=[pk for pk in ids if pk is not None])
        shown = visible_to(newest, signed_in.principal(self.request))
        return {command.collector_id: command for command in shown}

    # -- Rows as text --------------------------------------------------------------------------------------------------

    @cached_property
    def chosen_names(self) -> list[str]:
        """The columns that the person chose; empty for those that are shown to everybody."""
        rows = visible_to(ListColumns.objects.all(), signed_in.principal(self.request))
        names: list[str] = rows.values_list("columns", flat=True).first() or []
        return names

    @cached_property
    def columns(self) -> list[Column]:
        """The columns of this page."""
        return collector_columns.chosen(self.chosen_names)

    @cached_property
    def rows(self) -> SafeString:
        """The rows as they stand in the table, and as they are asked for again."""
        actions = self._row_actions()
        # Made once for all rows: the same words would be translated hundreds of times.
        openings = [(column.cell, column.opening) for column in self.columns]
        shown = [
            {
                "pk": listed.row.pk,
                "name": listed.row.name,
                "cells": [(opening, cell(listed)) for cell, opening in openings],
                "actions": [action.button for action, may in actions if action.offered(listed.row) and may(listed.row)],
            }
            for listed in self.listed
        ]
        return render_to_string("admin/dbpower/collector_rows.html", {"rows": shown, "stop_asks": self._asks("stop")})

    def _row_actions(self) -> list[tuple[ScopedAction, Callable[[Any], bool]]]:
        asking = signed_in.principal(self.request)
        table = self.model_admin

        def permitted_by(action: ScopedAction) -> Callable[[Any], bool]:
            return lambda row: asking.holds_in(
                action.permission, organization_id=row.organization_id, team_id=row.team_id
            )

        found = [getattr(table, name) for name in _ON_A_ROW]
        return [(action, permitted_by(action)) for action in found if asking.holds(action.permission)]

    def _asks(self, name: str) -> str:
        return str(getattr(self.model_admin, name).asks)

    @property
    def version(self) -> str:
        """What the rows say, as a short word: the same for the same rows, however much later."""
        return hashlib.sha256(_TICKING.sub(r"\1", self.rows).encode()).hexdigest()[:32]

    # -- Around the rows -----------------------------------------------------------------------------------------------

    @property
    def headers(self) -> list[Header]:
        """The heads of the columns."""
        wanted = self.params.get(ORDER_VAR, "name")
        found = []
        for column in self.columns:
            sort = {column.name: "ascending", f"-{column.name}": "descending"}.get(wanted, "")
            turned = f"-{column.name}" if sort == "ascending" else column.name
            found.append(Header(column, self.get_query_string({ORDER_VAR: turned}) if column.order else "", sort))
        return found

    @property
    def _specs(self) -> list[Any]:
        return list(self.filter_specs)

    @property
    def chips(self) -> list[Chip]:
        """The filters that are active."""
        found = [
            Chip(spec.title, spec.said(), self.get_query_string(remove=[spec.parameter_name]))
            for spec in self._specs
            if spec.value()
        ]
        if self.query:
            found.append(Chip(_("Search"), self.query, self.get_query_string(remove=[SEARCH_VAR])))
        return found

    @property
    def panel(self) -> list[Any]:
        """The filters to choose from: of a single row there is nothing to choose."""
        return [spec for spec in self._specs if not spec.is_row or spec.value() or len(spec.offered) > 1]

    @property
    def kept(self) -> list[tuple[str, str]]:
        """What the address says beside filters and page, for the form of the filters."""
        return [(ORDER_VAR, self.params[ORDER_VAR])] if ORDER_VAR in self.params else []

    @property
    def sought(self) -> list[tuple[str, str]]:
        """What the address says beside the search and the page, for the form of the search."""
        return [(name, value) for name, value in self.params.items() if name not in {SEARCH_VAR, PAGE_VAR}]

    @cached_property
    def saved(self) -> list[SavedFilter]:
        """The person's own filters."""
        return list(visible_to(SavedFilter.objects.all(), signed_in.principal(self.request)))

    @property
    def segments(self) -> list[Segment]:
        """Everything, and each saved filter."""
        present = self.filter_query
        found = [Segment(_("All"), f"?{SEARCH_VAR}=", not present)]
        found += [
            Segment(s.name, f"?{s.query}", bool(present) and s.query == present, s.is_default) for s in self.saved
        ]
        return found

    @property
    def filter_query(self) -> str:
        """The filter as it is saved: what the address says, in a fixed order, without the page."""
        return filter_query(self.params)

    @property
    def full_query(self) -> str:
        """What the address says, for coming back to this page."""
        return self.request.GET.urlencode()

    @property
    def how_many(self) -> str:
        """How many rows there are."""
        return number(self.result_count) + ("+" if self.has_more else "")

    @property
    def too_many(self) -> bool:
        """Whether there are more rows than one act may be asked of."""
        return self.has_more or self.result_count > MAX_ROWS

    @property
    def most(self) -> int:
        """How many rows one act may be asked of."""
        return MAX_ROWS

    @property
    def pages(self) -> dict[str, Any]:
        """Where one is among the pages."""
        last = self.paginator.num_pages
        page = self.page_num
        first_row = (page - 1) * self.list_per_page + 1
        return {
            "page": page,
            "last": last,
            "from": first_row if self.listed else 0,
            "to": first_row + len(self.listed) - 1 if self.listed else 0,
            "earlier": self.get_query_string({PAGE_VAR: page - 1}) if page > 1 else "",
            "later": self.get_query_string({PAGE_VAR: page + 1}) if page < last else "",
        }

    @property
    def words(self) -> dict[str, Any]:
        """What the page's script says."""
        return {
            "live": _("Live"),
            "paused": _("Paused"),
            "lost": _("Connection lost, trying again"),
            "out": _("You are signed out"),
            "pause": _("Pause"),
            "resume": _("Resume"),
            "retry": _("Try now"),
            "signin": _("Sign in"),
            # As `display.ago` says it.
            "ago": _("%(age)s ago") % {"age": "{age}"},
            "units": [[size, str(unit)] for size, unit in UNITS],
            "chosen": _("{count} chosen"),
            "gone": _("No longer in this list"),
            "undo": _("Undo: start again"),
            "failed": _("That did not work. Look at the row, and try again."),
        }

    @property
    def column_choices(self) -> list[tuple[Column, bool]]:
        """All columns, each with whether it is shown."""
        return [(column, column in self.columns) for column in COLUMNS if column.name != collector_columns.ALWAYS]


class LiveCollectorList(CollectorList):
    """The same rows, asked for again: nothing is counted."""

    counted = False


def filter_query(params: dict[str, str]) -> str:
    """Return what an address says of filters, search and order, as a filter is saved: in a fixed order, without the page."""
    query = QueryDict(mutable=True)
    for name in sorted(params):
        if params[name] and name != PAGE_VAR:
            query[name] = params[name]
    return query.urlencode()
