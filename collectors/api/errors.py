"""One shape for every error: `{"detail": …, "code": …, "errors": {field: […]}}`."""

import logging
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import exception_handler

from collectors.api.authentication import ENROLMENT_REFUSED, KEY_NOT_VALID, actor_of
from collectors.services import audit, key_failures
from collectors.services.errors import Conflict, Refused, TooManyAttempts

# What is presented in the place of an account, by the code of its refusal: as it is called in the audit.
_PRESENTED: Final = {KEY_NOT_VALID: "collector", ENROLMENT_REFUSED: "enrolment_token"}
_logger = logging.getLogger(__name__)


class TooLarge(exceptions.APIException):
    """The body is larger than is accepted."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The body is too large."
    default_code = "too_large"


def handle(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Turn an exception of a view into an answer; None leaves it to Django, which answers 500."""
    if isinstance(exc, Refused):
        return _refused(exc)
    if isinstance(exc, Http404):
        exc = exceptions.NotFound()
    elif isinstance(exc, PermissionDenied):
        exc = exceptions.PermissionDenied()
    if isinstance(exc, exceptions.AuthenticationFailed) and exc.get_codes() in _PRESENTED:
        limited = _after_too_many_wrong_keys(exc, context["request"])
        if limited is not None:
            return limited
    if isinstance(exc, exceptions.PermissionDenied):
        _record(exc, context["request"])
    response = exception_handler(exc, context)
    if response is None or not isinstance(exc, exceptions.APIException):
        return response
    response.data = _body(exc)
    return response


def _after_too_many_wrong_keys(exc: exceptions.AuthenticationFailed, request: Request) -> Response | None:
    presented = _PRESENTED[str(exc.get_codes())]
    wait = key_failures.note(presented=presented, address=request.META.get("REMOTE_ADDR", ""), path=request.path)
    if wait is None:
        return None
    headers = {"Retry-After": str(wait)}
    return Response(_body(exc), status=status.HTTP_429_TOO_MANY_REQUESTS, headers=headers)


def _record(exc: exceptions.PermissionDenied, request: Request) -> None:
    actor = actor_of(request)
    if actor.user_id is not None:
        match = request.resolver_match
        audit.record_refusal(
            actor=actor,
            method=request.method or "",
            path=request.path,
            view=match.view_name if match else "",
            row=getattr(exc, "row", None),
        )


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
