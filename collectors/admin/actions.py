"""Actions of the admin. Unfold's own are not used: they are plain GETs and reach objects past the scoped queryset.

An action is a method `method(self, row, actor)` on one row, decorated with `scoped_action`. It then appears among the list's
actions and as a button on the object's page. Both ways lead through the same gate.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any, Final

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from collectors.access import permitted
from collectors.admin import refusals, signed_in
from collectors.domain.roles import Permission
from collectors.services.errors import Refused

# One request works through this many rows, each in a transaction of its own.
MAX_ROWS: Final = 500
_REFUSALS_SHOWN: Final = 5
# A form sends this to be asked first; where a table always asks, what was confirmed sends the other.
ASK: Final = "ask"
CONFIRMED: Final = "confirmed"
# What will happen: words, or lines that are made for whoever asks and the rows.
Asks = str | Promise | Callable[[Any, list[Any]], list[str]]
_ROWS_NAMED: Final = 30
# What the form that is confirmed sends again.
_SENT_AGAIN: Final = ("action", "index", "list")


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
    # Whether it is asked first, also where the table does not always ask.
    is_asked: bool = False


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
        asks: Asks,
        undone_by: str,
    ) -> None:
        self.method = method
        self.permission = permission
        self.button = button
        self.done = done
        self.page = page
        self.offered = offered
        self.asks = asks
        self.undone_by = undone_by
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
            refusals.record_each(request, visible.exclude(pk__in=[row.pk for row in rows]).order_by("pk").iterator())
            text = ngettext(
                "%(count)d left out: your role does not permit it there.",
                "%(count)d left out: your role does not permit it there.",
                left_out,
            )
            messages.warning(request, text % {"count": left_out})
        if rows and self.asks and self._is_to_ask(model_admin, request):
            return confirm_page(model_admin, request, self, rows)
        outcomes = self._run(model_admin, request, rows)
        if outcomes and self.page:
            response: HttpResponse = getattr(model_admin, self.page)(request, outcomes)
            return response
        if outcomes:
            if self.undone_by:
                model_admin.offer_undo(request, self.undone_by, [outcome.row for outcome in outcomes])
            text = self.done.format(names=_named(outcomes), count=len(outcomes))
            model_admin.message_user(request, text, messages.SUCCESS)
        return None

    def _is_to_ask(self, model_admin: Any, request: HttpRequest) -> bool:
        if model_admin.always_asks:
            return CONFIRMED not in request.POST
        return ASK in request.POST

    def _run(self, model_admin: Any, request: HttpRequest, rows: Iterable[Model]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        refused: list[str] = []
        for row in rows:
            try:
                outcomes.append(Outcome(row, self.method(model_admin, row, signed_in.actor(request))))
            except Refused as refusal:
                refusals.record_refused(request, refusal, row=row)
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
    asks: Asks = "",
    undone_by: str = "",
) -> Callable[[Callable[..., Any]], ScopedAction]:
    """Make an action of a method on one row.

    `done` is the message afterwards, with `{names}` and `{count}`; or `page` names a method that answers with a page made
    of the outcomes. `offered` tells whether the button makes sense on a row's page; it guards nothing.

    `asks` says what will happen, in words or by a function of the principal and the rows: a form that sends ASK is answered
    with it first, and with the same form without ASK; in a table that `always_asks`, one that does not send CONFIRMED. It is
    a courtesy, no guard. `undone_by` names the action that the list offers afterwards.
    """

    def decorate(method: Callable[..., Any]) -> ScopedAction:
        is_asked = bool(asks) and variant == "danger"
        button = ActionButton(name=method.__name__, label=label, icon=icon, variant=variant, is_asked=is_asked)
        return ScopedAction(
            method,
            permission=permission,
            button=button,
            done=done,
            page=page,
            offered=offered,
            asks=asks,
            undone_by=undone_by,
        )

    return decorate


def confirm_page(model_admin: Any, request: HttpRequest, action: ScopedAction, rows: list[Any]) -> HttpResponse:
    """Say what will happen to which rows, and let it be confirmed. What is confirmed is done to these rows and no others."""
    again = [(name, request.POST[name]) for name in _SENT_AGAIN if name in request.POST]
    if "action" in request.POST:
        again += [(ACTION_CHECKBOX_NAME, row.pk) for row in rows]
    again.append((CONFIRMED, "1"))
    lines = action.asks(signed_in.principal(request), rows) if callable(action.asks) else [action.asks]
    context = {
        **model_admin.admin_site.each_context(request),
        "title": action.button.label,
        "opts": model_admin.opts,
        # Not the action itself, which a template would call.
        "button": action.button,
        "lines": lines,
        "one": rows[0] if len(rows) == 1 and "action" not in request.POST and "list" not in request.POST else None,
        "named": rows[:_ROWS_NAMED],
        "more": max(0, len(rows) - _ROWS_NAMED),
        "count": len(rows),
        "again": again,
        "back": request.POST.get("list", ""),
    }
    return render(request, "admin/dbpower/confirm.html", context)


def ask_page(
    model_admin: Any, request: HttpRequest, *, title: str, row: Model, lines: list[str], again: list[tuple[str, Any]]
) -> HttpResponse:
    """Say what will happen to one row that a form changes, and let the form be sent again, confirmed."""
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "opts": model_admin.opts,
        "button": ActionButton(name="", label=title, icon="check", variant="danger"),
        "lines": lines,
        "one": row,
        "named": [row],
        "count": 1,
        "again": [*again, (CONFIRMED, "1")],
    }
    return render(request, "admin/dbpower/confirm.html", context)


def _named(outcomes: list[Outcome]) -> str:
    """Return the names of a few rows, or how many there are."""
    if len(outcomes) <= _REFUSALS_SHOWN:
        return ", ".join(str(outcome.row) for outcome in outcomes)
    return str(len(outcomes))
