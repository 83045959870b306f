"""What the admin asks of a request: who makes it, and as whom the audit names them."""

from typing import Final

from django.http import HttpRequest

from collectors.access import Principal, principal_of
from collectors.domain.actors import Actor
from collectors.models import User

_KEPT: Final = "_dbpower_principal"


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


def actor(request: HttpRequest) -> Actor:
    """Return who acts, for the audit."""
    user = request.user
    label = user.email if isinstance(user, User) else "anonymous"
    return Actor(label=label, user_id=user.pk, address=request.META.get("REMOTE_ADDR", ""))
