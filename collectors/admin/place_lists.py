"""The lists of organizations and teams: how much is in each row of the page, as far as whoever looks may see it."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Count, Model
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from collectors.access import Principal, visible_to
from collectors.admin import signed_in
from collectors.admin.base import ScopedModelAdmin
from collectors.admin.display import number
from collectors.admin.lists import BoundedList
from collectors.domain.roles import Permission
from collectors.models import Collector, Membership, MonitoredDatabase, Organization, Team

_COUNTED: Any = {
    "teams": (Team, "pk", Permission.TEAM_VIEW),
    "people": (Membership, "user", Permission.MEMBERSHIP_VIEW),
    "databases": (MonitoredDatabase, "pk", Permission.DATABASE_VIEW),
    "collectors": (Collector, "pk", Permission.COLLECTOR_VIEW),
}


class PlaceList(BoundedList):
    """Rows with how much is in each: counted for the page alone."""

    def get_results(self, request: HttpRequest) -> None:
        """Fetch the page, and count."""
        super().get_results(request)
        rows: list[Any] = list(self.result_list)
        table: Any = self.model_admin
        asking = signed_in.principal(request)
        for name in table.counted:
            found = counts(table.place, rows, name, asking)
            for row in rows:
                told = found.get(row.pk, 0) if holds_at(asking, _COUNTED[name][2], row) else None
                row.__dict__.setdefault("counted", {})[name] = told


def holds_at(asking: Principal, permission: Permission, place: Organization | Team) -> bool:
    """Tell whether the permission holds on anything in the place: what a role there does not show is not told to be none."""
    if isinstance(place, Team):
        return asking.holds_in(permission, organization_id=place.organization_id, team_id=place.pk)
    return asking.holds_within(permission, organization_id=place.pk)


def counts(place: str, rows: list[Any], name: str, asking: Any) -> dict[int, int]:
    """Return how many there are in each of the places that the principal may see."""
    model: type[Model]
    model, what, _permission = _COUNTED[name]
    inside = visible_to(model._default_manager.filter(**{f"{place}__in": [row.pk for row in rows]}), asking)
    return dict(inside.order_by().values_list(place).annotate(count=Count(what, distinct=what != "pk")))


class PlaceAdmin(ScopedModelAdmin):
    """A table of places. `place` is what they are to what is in them, `counted` what of that the list counts."""

    place: ClassVar[str]
    counted: ClassVar[tuple[str, ...]]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:  # noqa: ARG002
        """Return the list that counts."""
        return PlaceList

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Leave out the numbers of what the role sees nowhere."""
        asking = signed_in.principal(request)
        hidden = {name for name in self.counted if not asking.holds(_COUNTED[name][2])}
        return [name for name in super().get_list_display(request) if name not in hidden]

    @admin.display(description=_("Teams"))
    def teams(self, row: Any) -> str:
        """Return how many teams there are."""
        return number(row.__dict__["counted"]["teams"])

    @admin.display(description=_("People"))
    def people(self, row: Any) -> str:
        """Return how many people have a role there."""
        return number(row.__dict__["counted"]["people"])

    @admin.display(description=_("Databases"))
    def databases(self, row: Any) -> str:
        """Return how many databases there are."""
        return number(row.__dict__["counted"]["databases"])

    @admin.display(description=_("Collectors"))
    def collectors(self, row: Any) -> str:
        """Return how many collectors there are."""
        return number(row.__dict__["counted"]["collectors"])
