"""One shape for every error: `{"detail": …, "code": …, "errors": {field: […]}}`."""

import logging
import re
from typing import Any, Final

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions, permissions, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import exception_handler

from collectors.api.authentication import ENROLMENT_REFUSED, KEY_NOT_VALID, TokenRefused, actor_of
from collectors.domain.actors import Actor
from collectors.services import audit, invitations, key_failures
from collectors.services.errors import Conflict, Refused, TooManyAttempts

# What is presented in the place of an account, by the code of its refusal: as it is called in the audit.
_PRESENTED: Final = {KEY_NOT_VALID: "collector", ENROLMENT_REFUSED: "enrolment_token"}
# A member of a body that its sender does not set.
NOT_SETTABLE: Final = "not_settable"
_NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_logger = logging.getLogger(__name__)


class TooLarge(exceptions.APIException):
    """The body is larger than is accepted."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The body is too large."
    default_code = "too_large"


def handle(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Turn an exception of a view into an answer; None leaves it to Django, which answers 500."""
    _record(exc, context["request"])
    if isinstance(exc, Refused):
        return _refused(exc)
    # A row that was there when the request came may be gone when it is locked.
    if isinstance(exc, (Http404, ObjectDoesNotExist)):
        exc = exceptions.NotFound()
    elif isinstance(exc, PermissionDenied):
        exc = exceptions.PermissionDenied()
    if isinstance(exc, exceptions.AuthenticationFailed) and str(exc.get_codes()) in _PRESENTED:
        limited = _after_too_many_wrong_keys(exc, context["request"])
        if limited is not None:
            return limited
    response = exception_handler(exc, context)
    if response is None or not isinstance(exc, exceptions.APIException):
        return response
    response.data = _body(exc)
    return response


def _after_too_many_wrong_keys(exc: exceptions.AuthenticationFailed, request: Request) -> Response | None:
    presented = _PRESENTED[str(exc.get_codes())]
    match = request.resolver_match
    named = match.kwargs.get("collector_pk", "") if match else ""
    wait = key_failures.note(
        presented=presented,
        address=request.META.get("REMOTE_ADDR", ""),
        path=request.path,
        collector_id=int(named) if _NUMBER.fullmatch(named) else None,
    )
    if wait is None:
        return None
    headers = {"Retry-After": str(wait)}
    return Response(_body(exc), status=status.HTTP_429_TOO_MANY_REQUESTS, headers=headers)


def _record(exc: Exception, request: Request) -> None:
    """Write down what was refused: to people, and of what strangers present that is not a key."""
    if isinstance(exc, TokenRefused):
        _record_token(exc, request)
        return
    if isinstance(exc, Refused) and exc.code == invitations.VOID:
        key_failures.note_refused(refused="invitation", actor=actor_of(request), path=request.path)
        return
    reason = _reason(exc, request)
    actor = actor_of(request) if reason is not None else None
    if reason is None or actor is None or actor.user_id is None:
        return
    match = request.resolver_match
    numbers = match.kwargs if match else {}
    audit.record_refusal(
        actor=actor,
        method=request.method or "",
        path=request.path,
        view=match.view_name if match else "",
        row=getattr(exc, "row", None),
        number=numbers.get("pk") or numbers.get("collector_pk") or "",
        reason=reason,
    )


def _reason(exc: Exception, request: Request) -> str | None:
    """Return why it is that something was refused, as a code; nothing for a role that is too small; None for what is no refusal."""
    if isinstance(exc, exceptions.PermissionDenied | PermissionDenied):
        return ""
    if isinstance(exc, Http404):
        # Another tenant's object and an absent one are the same, here too.
        return "not_found" if request.resolver_match and request.resolver_match.kwargs else None
    if request.method in permissions.SAFE_METHODS or isinstance(exc, TooManyAttempts):
        return None
    if isinstance(exc, Refused):
        return exc.code
    is_assigned = isinstance(exc, exceptions.ValidationError) and _holds(exc.get_codes(), NOT_SETTABLE)
    return NOT_SETTABLE if is_assigned else None


def _record_token(exc: TokenRefused, request: Request) -> None:
    """Write down that a token was not good, unless it merely ran out: then whoever has it does nothing wrong."""
    if exc.expired:
        return
    address = request.META.get("REMOTE_ADDR", "")
    if exc.holder is None:
        actor = Actor(label="anonymous", address=address)
        key_failures.note_refused(refused="token", actor=actor, path=request.path)
        return
    # Somebody has it, not for certain its holder: the row is about the holder, and by nobody known.
    audit.record_refused_act(actor=Actor(label="anonymous", address=address), action="token.refused", row=exc.holder)


def _holds(codes: Any, code: str) -> bool:
    if isinstance(codes, dict):
        return any(_holds(inner, code) for inner in codes.values())
    if isinstance(codes, list):
        return any(_holds(inner, code) for inner in codes)
    return bool(codes == code)


def body(detail: str, code: str, errors: dict[str, list[str]] | None = None) -> dict[str, Any]:
    """Return the one error shape."""
    return {"detail": detail, "code": code, "errors": errors or {}}


def bad_request(request: HttpRequest, exception: Exception | None = None) -> JsonResponse:  # noqa: ARG001 - Django's signature
    """Answer a request that Django itself refuses, for example one for another host."""
    return JsonResponse(body("The request is not valid.", "invalid"), status=status.HTTP_400_BAD_REQUEST)


def not_found(request: HttpRequest, exception: Exception | None = None) -> JsonResponse:  # noqa: ARG001 - Django's signature
    """Answer an address that does not exist."""
    return JsonResponse(body("Not found.", "not_found"), status=status.HTTP_404_NOT_FOUND)


def server_error(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - Django's signature
    """Answer when something of ours broke; what it was is in the log."""
    return JsonResponse(
        body("Something went wrong on the server.", "error"), status=status.HTTP_500_INTERNAL_SERVER_ERROR
    )


def _refused(exc: Refused) -> Response:
    if isinstance(exc, TooManyAttempts):
        headers = {"Retry-After": str(exc.retry_after_seconds)}
        return Response(body(str(exc), exc.code), status=status.HTTP_429_TOO_MANY_REQUESTS, headers=headers)
    if isinstance(exc, Conflict):
        return Response({**body(str(exc), exc.code), **exc.state}, status=status.HTTP_409_CONFLICT)
    return Response(body(str(exc), exc.code, exc.errors), status=status.HTTP_400_BAD_REQUEST)


def _body(exc: exceptions.APIException) -> dict[str, Any]:
    if isinstance(exc, exceptions.ValidationError):
        return body("The request is not valid.", "invalid", _flattened(exc.detail))
    codes = exc.get_codes()
    code = codes if isinstance(codes, str) else exc.default_code
    detail = exc.detail if isinstance(exc.detail, str) else exc.default_detail
    return body(str(detail), code)


def _flattened(detail: Any, prefix: str = "") -> dict[str, list[str]]:
    """Return nested messages with the path of each member: `{"config.port": ["…"]}`."""
    if isinstance(detail, dict):
        flat: dict[str, list[str]] = {}
        for name, inner in detail.items():
            flat.update(_flattened(inner, f"{prefix}.{name}" if prefix else str(name)))
        return flat
    if isinstance(detail, list) and any(isinstance(inner, dict | list) for inner in detail):
        flat = {}
        for index, inner in enumerate(detail):
            if inner:
                flat.update(_flattened(inner, f"{prefix}[{index}]"))
        return flat
    messages = detail if isinstance(detail, list) else [detail]
    return {prefix or "non_field_errors": [str(message) for message in messages]}
