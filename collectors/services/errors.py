"""Why a service refuses. API and admin each say it in their own way.

What the console may show is made where it is raised, in the language of the request: English outside of the console.
"""

from django.utils.translation import ngettext


class Refused(Exception):
    """The act breaks a rule. `code` is for programs, the message for people, `errors` names the members at fault."""

    def __init__(self, message: str, *, code: str, errors: dict[str, list[str]] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.errors = errors or {}


class Conflict(Refused):
    """The act does not fit the present state. `state` tells what that is."""

    def __init__(self, message: str, *, code: str, state: dict[str, object] | None = None) -> None:
        super().__init__(message, code=code)
        self.state = state or {}


class TooManyAttempts(Refused):
    """Somebody tried too often. `retry_after_seconds` says when to try again."""

    def __init__(self, *, retry_after_seconds: int) -> None:
        minutes = -(-retry_after_seconds // 60)
        message = ngettext(
            "Too many attempts to sign in. Try again in %(count)d minute.",
            "Too many attempts to sign in. Try again in %(count)d minutes.",
            minutes,
        )
        super().__init__(message % {"count": minutes}, code="throttled")
        self.retry_after_seconds = retry_after_seconds


class SecondFactorNeeded(Refused):
    """The password was right, and is not enough."""
