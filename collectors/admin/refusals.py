"""What the console does not do for whoever is signed in: each such attempt is written into the audit."""

from collections.abc import Iterable
from typing import Final

from django.db.models import Model
from django.http import HttpRequest

from collectors.admin import signed_in
from collectors.domain import limits
from collectors.services import audit, key_failures
from collectors.services.errors import Refused, TooManyAttempts

# Codes that tell why, where it is not a role that is too small.
NOT_FOUND: Final = "not_found"
NOT_OFFERED: Final = "action_not_offered"
CSRF: Final = "csrf"


def record(request: HttpRequest, *, row: Model | None = None, number: object = "", reason: str = "") -> None:
    """Write down that whoever is signed in was refused. `row` is a row that they may see, `number` one that they asked for."""
    actor = signed_in.actor(request)
    if actor.user_id is None:
        return
    match = request.resolver_match
    audit.record_refusal(
        actor=actor,
        method=request.method or "",
        path=request.path,
        view=match.view_name if match else "",
        row=row,
        number=str(number),
        reason=reason,
    )


def record_refused(request: HttpRequest, refusal: Refused, *, row: Model | None = None) -> None:
    """Write down that a service refused. Too many attempts, the service has written down itself."""
    if not isinstance(refusal, TooManyAttempts):
        record(request, row=row, reason=refusal.code)


def record_each(request: HttpRequest, rows: Iterable[Model]) -> None:
    """Write down which rows were left out, as far as the audit takes so many of one person."""
    for _written, row in zip(range(limits.REFUSALS_WRITTEN_PER_MINUTE + 1), rows, strict=False):
        record(request, row=row)


def record_void_invitation(request: HttpRequest) -> None:
    """Write down that somebody came with a link that is not good, or not any more."""
    key_failures.note_refused(refused="invitation", actor=signed_in.actor(request), path=request.path)


def record_form_without_token(request: HttpRequest) -> None:
    """Write down that a form came without the token of its session, which another site may have sent."""
    if signed_in.actor(request).user_id is not None:
        record(request, reason=CSRF)
    else:
        key_failures.note_refused(refused="form", actor=signed_in.actor(request), path=request.path)
