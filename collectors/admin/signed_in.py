"""What the admin asks of a request: who makes it, and as whom the audit names them."""

from typing import Final

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from collectors.access import Principal, principal_of
from collectors.domain.actors import Actor
from collectors.models import User
from collectors.services import second_factors

_KEPT: Final = "_dbpower_principal"
_KEPT_FACTOR: Final = "_dbpower_second_factor"


def principal(request: HttpRequest) -> Principal:
    """Return who asks. Read once a request, since one page asks for permissions dozens of times."""
    kept = request.__dict__.get(_KEPT)
    user_id = getattr(request.user, "pk", None)
    # Signing in changes the user in the middle of a request.
    if isinstance(kept, Principal) and kept.user_id == user_id:
        return kept
    found = principal_of(request.user)
    request.__dict__[_KEPT] = found
    return found


def user(request: HttpRequest) -> User:
    """Return who is signed in. Raises `PermissionDenied` when nobody is."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def with_second_factor(request: HttpRequest) -> bool:
    """Tell whether the session proved enough for whoever is signed in. Asked once a request."""
    user = request.user
    kept = request.__dict__.get(_KEPT_FACTOR)
    if kept is None or kept[0] != user.pk:
        enough = isinstance(user, User) and second_factors.is_satisfied(user, request.session)
        kept = request.__dict__[_KEPT_FACTOR] = (user.pk, enough)
    return bool(kept[1])


def actor(request: HttpRequest) -> Actor:
    """Return who acts, for the audit."""
    user = request.user
    label = user.email if isinstance(user, User) else "anonymous"
    return Actor(label=label, user_id=user.pk, address=request.META.get("REMOTE_ADDR", ""))
