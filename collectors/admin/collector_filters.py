"""What the list of collectors can be narrowed by. No filter reads choices for the page: long ones are completed as one types."""

from collections.abc import Iterator
from datetime import timedelta
from functools import cached_property
from typing import Any, Final

from django.contrib.admin import SimpleListFilter
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from collectors.access import visible_to
from collectors.admin import signed_in
from collectors.domain import limits
from collectors.domain.leases import HaRole
from collectors.domain.liveness import Status
from collectors.domain.sources import Engine
from collectors.models import Collector, CollectorTag, ControlPlane, Heartbeat, Lease, Organization, Team
from collectors.models.heartbeats import clock_is_wrong

Options = tuple[tuple[str, str | Promise], ...]
LATE: Final = "LATE"
_MAX_ID_DIGITS: Final = 18


class CollectorListFilter(SimpleListFilter):
    """A filter that the list's own panel draws: some options to choose from, or a word that is completed."""

    options: Options = ()
    # What `choices_of` is asked for; empty where `options` are all there is.
    completed: str = ""
    is_row = False

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        self.request = request
        super().__init__(request, params, model, model_admin)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[Any]:  # noqa: ARG002
        """Return the fixed options."""
        return list(self.options)

    @property
    def offered(self) -> list[Any]:
        """What the panel offers, read when it is drawn and not when rows are asked for again."""
        return self.lookup_choices

    def has_output(self) -> bool:
        """Be there even where nothing can be chosen now: an address may name it."""
        return True

    def choices(self, changelist: Any) -> Iterator[Any]:  # noqa: ARG002
        """Leave drawing to the panel."""
        return iter(())

    def said(self) -> str:
        """Return what is chosen, in words."""
        return str(dict(self.options).get(self.value() or "", self.value() or ""))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        """Return the rows that fit what is chosen."""
        value = self.value()
        return self.narrowed(queryset, value) if value else queryset

    def narrowed(self, rows: Any, value: str) -> QuerySet[Any]:
        """Return the rows that fit the value; none for a value that means nothing."""
        raise NotImplementedError


class StatusFilter(CollectorListFilter):
    """By status, or those that are late, who are then in no other choice: each collector is in one, as on the home page."""

    title = _("Status")
    parameter_name = "heartbeat__status__exact"
    options = (*((status.value, status.value) for status in Status), (LATE, _("late")))

    def narrowed(self, rows: Any, value: str) -> QuerySet[Any]:
        """Return those of the status."""
        when = {"now": timezone.now(), "accepting_since": ControlPlane.objects.accepting_since()}
        found: QuerySet[Any] = rows.late(**when) if value == LATE else rows.in_status(value, **when)
        return found


class _RowFilter(CollectorListFilter):
    """By a row of another table, of those that may be seen: another tenant's is like one that is not there."""

    table: type[Model]
    field = ""
    is_row = True

    def rows(self) -> QuerySet[Any]:
        """Return what may be chosen."""
        return visible_to(self.table._default_manager.all(), signed_in.principal(self.request))

    @cached_property
    def offered(self) -> list[Any]:
        """The first few rows by name; typing finds others."""
        return [(str(row.pk), str(row)) for row in self.rows().order_by("name")[: limits.MAX_CHOICES]]

    def said(self) -> str:
        """Return the name of the row, if it may be seen."""
        value = self.value() or ""
        known = dict(self.offered).get(value)
        row = self.rows().filter(pk=int(value)).first() if known is None and _is_id(value) else None
        return str(known or row or value)

    def narrowed(self, rows: Any, value: str) -> QuerySet[Any]:
        """Return those that belong to the row."""
        found: QuerySet[Any] = rows.filter(**{f"{self.field}_id": int(value)}) if _is_id(value) else rows.none()
        return found


def _is_id(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) <= _MAX_ID_DIGITS


class TeamFilter(_RowFilter):
    """By team."""

    title = _("Team")
    parameter_name = "team__id__exact"
    completed = "team"
    table, field = Team, "team"


class OrganizationFilter(_RowFilter):
    """By organization."""

    title = _("Organization")
    parameter_name = "organization__id__exact"
    completed = "organization"
    table, field = Organization, "organization"


class TypeFilter(CollectorListFilter):
    """By the type of database."""

    title = _("Type")
    parameter_name = "type__exact"
    options = ((Engine.MYSQL.value, "MySQL, MariaDB"), (Engine.POSTGRES.value, "PostgreSQL"))

    def narrowed(self, rows: Any, value: str) -> QuerySet[Any]:
        """Return those of the type."""
        return rows.filter(type=value)  # type: ignore[no-any-return]


class TagFilter(CollectorListFilter):
    """By tag."""

    title = _("Tag")
    parameter_name = "tag"
    completed = "tag"

    def narrowed(self, rows: Any, value: str) -> QuerySet[Any]:
        """Return those that bear the tag."""
        tagged = CollectorTag.objects.filter(tag=value.strip().lower()).values("collector_id")
        return rows.filter(pk__in=tagged)  # type: ignore[no-any-return]


class RegionFilter(CollectorListFilter):
    """By region."""

    title = _("Region")
    parameter_name = "region"
    completed = "region"

    def narrowed(self, rows: Any, value: str) -> QuerySet[Any]:
        """Return those in the region."""
        return rows.filter(region=value.strip().lower())  # type: ignore[no-any-return]


class VersionFilter(CollectorListFilter):
    """By the agent's version."""

    title = _("Version")
    parameter_name = "version"
    completed = "version"

    def narrowed(self, rows: Any, value: str) -> QuerySet[Any]:
        """Return those whose agents are of that version."""
        return rows.filter(heartbeat__version=value.strip())  # type: ignore[no-any-return]


class RoleFilter(CollectorListFilter):
    """By role in HA."""

    title = _("Role")
    parameter_name = "role"
    options = ((HaRole.ACTIVE.value, _("active")), (HaRole.STANDBY.value, _("standby")))

    def narrowed(self, rows: Any, value: str) -> QuerySet[Any]:
        """Return those of the role."""
        if value == HaRole.ACTIVE:
            return rows.filter(lease__isnull=False)  # type: ignore[no-any-return]
        if value != HaRole.STANDBY:
            return rows.none()  # type: ignore[no-any-return]
        # Asked in this way PostgreSQL knows how few they are. Straight from the database's number to its lease: the database
        # itself says nothing here.
        reading = Exists(Lease.objects.filter(holder_id=OuterRef("pk")))
        read = Exists(Lease.objects.filter(database_id=OuterRef("database_id"), holder__isnull=False))
        return rows.filter(~reading, read)  # type: ignore[no-any-return]


class ErrorsFilter(CollectorListFilter):
    """By whether there were errors."""

    title = _("Errors")
    parameter_name = "errors"
    options = (("day", _("in the last 24 hours")), ("any", _("ever")))

    def narrowed(self, rows: Any, value: str) -> QuerySet[Any]:
        """Return those with errors."""
        if value == "any":
            return rows.filter(heartbeat__errors_count__gt=0)  # type: ignore[no-any-return]
        recent = Q(heartbeat__last_error_at__gte=timezone.now() - timedelta(days=1))
        return rows.filter(recent) if value == "day" else rows.none()  # type: ignore[no-any-return]


class DataFilter(CollectorListFilter):
    """By whether the data is as new as it should be."""

    title = _("Data")
    parameter_name = "data"
    options = (("stale", _("stale")),)

    def narrowed(self, rows: Any, value: str) -> QuerySet[Any]:
        """Return those whose data ought to be newer."""
        return rows.stale(now=timezone.now()) if value == "stale" else rows.none()  # type: ignore[no-any-return]


class ClockFilter(CollectorListFilter):
    """By whether the clock of the agent's host is right."""

    title = _("Clock")
    parameter_name = "clock"
    options = (("wrong", _("wrong")),)

    def narrowed(self, rows: Any, value: str) -> QuerySet[Any]:
        """Return those whose clocks are wrong."""
        return rows.filter(clock_is_wrong("heartbeat__")) if value == "wrong" else rows.none()  # type: ignore[no-any-return]


FILTERS: Final[tuple[type[CollectorListFilter], ...]] = (
    StatusFilter,
    TeamFilter,
    OrganizationFilter,
    TypeFilter,
    TagFilter,
    RegionFilter,
    VersionFilter,
    RoleFilter,
    ErrorsFilter,
    DataFilter,
    ClockFilter,
)
PARAMETERS: Final = tuple(str(spec.parameter_name) for spec in FILTERS)


def choices_of(request: HttpRequest, what: str, term: str) -> list[tuple[str, str]] | None:
    """Return a few values and their words that contain the term, of what the person sees; None for what is no filter."""
    asking = signed_in.principal(request)
    few = slice(limits.MAX_CHOICES)
    if what in {"team", "organization"}:
        table: type[Model] = Team if what == "team" else Organization
        rows: Any = visible_to(table._default_manager.filter(name__icontains=term), asking).order_by("name")[few]
        return [(str(row.pk), str(row)) for row in rows]
    words: dict[str, Any] = {
        "tag": (CollectorTag, "tag"),
        "region": (Collector, "region"),
        "version": (Heartbeat, "version"),
    }
    if what not in words:
        return None
    model, column = words[what]
    found = visible_to(model.objects.filter(**{f"{column}__contains": term.lower()}), asking).exclude(**{column: ""})
    return [(word, word) for word in found.order_by(column).values_list(column, flat=True).distinct()[few]]
