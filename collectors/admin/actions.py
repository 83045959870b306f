"""Actions of the admin. Unfold's own are not used: they are plain GETs and reach objects past the scoped queryset.

An action is a method `method(self, row, actor)` on one row, decorated with `scoped_action`. It then appears among the list's
actions and as a button on the object's page. Both ways lead through the same gate.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any, Final

from django.contrib import messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from collectors.access import permitted
from collectors.admin import signed_in
from collectors.domain.roles import Permission
from collectors.services.errors import Refused

# One request works through this many rows, each in a transaction of its own.
MAX_ROWS: Final = 500
_REFUSALS_SHOWN: Final = 5


@dataclass(frozen=True)
class Outcome:
    """What became of an action on one row."""

    row: Model
    result: Any


@dataclass(frozen=True)
class ActionButton:
    """How an action is offered on an object's page."""

    name: str
    # Translated where it is shown.
    label: Any
    icon: str
    variant: str


class ScopedAction:
    """A method of an admin class that may act only on rows of the scoped queryset on which the permission holds."""

    def __init__(
        self,
        method: Callable[..., Any],
        *,
        permission: Permission,
        button: ActionButton,
        done: Any,
        page: str,
        offered: Callable[[Any], bool],
    ) -> None:
        self.method = method
        self.permission = permission
        self.button = button
        self.done = done
        self.page = page
        self.offered = offered
        # Django reads these two to list the action.
        self.short_description = button.label
        self.__name__ = button.name
        update_wrapper(self, method)

    def __call__(self, model_admin: Any, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Run the action on those rows of the queryset that are visible and permitted. POST only, whoever calls."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        asked = queryset.order_by("pk").values_list("pk", flat=True)[: MAX_ROWS + 1]
        ids = list(asked)
        if len(ids) > MAX_ROWS:
            messages.error(
                request, _("Choose at most %(count)d rows at a time. Nothing was done.") % {"count": MAX_ROWS}
            )
            return None
        visible = model_admin.get_queryset(request).filter(pk__in=ids)
        rows = list(permitted(visible, signed_in.principal(request), self.permission))
        if len(rows) < len(ids):
            left_out = len(ids) - len(rows)
            text = ngettext(
                "%(count)d left out: your role does not permit it there.",
                "%(count)d left out: your role does not permit it there.",
                left_out,
            )
            messages.warning(request, text % {"count": left_out})
        outcomes = self._run(model_admin, request, rows)
        if outcomes and self.page:
            response: HttpResponse = getattr(model_admin, self.page)(request, outcomes)
            return response
        if outcomes:
            messages.success(request, self.done.format(names=_named(outcomes), count=len(outcomes)))
        return None

    def _run(self, model_admin: Any, request: HttpRequest, rows: Iterable[Model]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        refused: list[str] = []
        for row in rows:
            try:
                outcomes.append(Outcome(row, self.method(model_admin, row, signed_in.actor(request))))
            except Refused as refusal:
                refused.append(f"{row}: {refusal}")
        for text in refused[:_REFUSALS_SHOWN]:
            messages.error(request, text)
        if len(refused) > _REFUSALS_SHOWN:
            more = len(refused) - _REFUSALS_SHOWN
            text = ngettext("%(count)d more was refused.", "%(count)d more were refused.", more)
            messages.error(request, text % {"count": more})
        return outcomes


def scoped_action(
    *,
    permission: Permission,
    label: Any,
    icon: str,
    done: Any = "",
    page: str = "",
    variant: str = "default",
    offered: Callable[[Any], bool] = lambda _row: True,
) -> Callable[[Callable[..., Any]], ScopedAction]:
    """Make an action of a method on one row.

    `done` is the message afterwards, with `{names}` and `{count}`; or `page` names a method that answers with a page made
    of the outcomes. `offered` tells whether the button makes sense on a row's page; it guards nothing.
    """

    def decorate(method: Callable[..., Any]) -> ScopedAction:
        button = ActionButton(name=method.__name__, label=label, icon=icon, variant=variant)
        return ScopedAction(method, permission=permission, button=button, done=done, page=page, offered=offered)

    return decorate


def _named(outcomes: list[Outcome]) -> str:
    """Return the names of a few rows, or how many there are."""
    if len(outcomes) <= _REFUSALS_SHOWN:
        return ", ".join(str(outcome.row) for outcome in outcomes)
    return str(len(outcomes))
