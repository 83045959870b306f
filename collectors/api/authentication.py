"""Who calls: people by JWT, agents by collector key."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import ExpiredTokenError, InvalidToken, TokenError
from rest_framework_simplejwt.tokens import AccessToken, Token

from collectors.domain.actors import Actor
from collectors.domain.keys import ParsedKey, parse_key
from collectors.domain.personal_tokens import PREFIX
from collectors.models import Collector, LoginSession, User
from collectors.services import heartbeats, personal_tokens, second_factors
from collectors.services.errors import KeyRefused

SESSION_CLAIM = "session_id"
KEY_NOT_VALID = "key_not_valid"
ENROLMENT_REFUSED = "enrolment_refused"
_KEY_HEADER = "HTTP_X_COLLECTOR_API_KEY"


class TokenRefused(AuthenticationFailed):
    """A personal token or a token of a login that is not good: whose it is, if that is known, and whether it merely ran out."""

    def __init__(self, message: str, *, holder: User | None = None, expired: bool = False) -> None:
        super().__init__(message, code="token_not_valid")
        self.holder, self.expired = holder, expired


class PeopleAuthentication(JWTAuthentication):
    """A personal token, or the access token of a login, which is good until logout, a new password, or the account's end."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        """Return the person and the token. Raises `AuthenticationFailed` for a token that is not good."""
        header = self.get_header(request)
        raw = self.get_raw_token(header) if header else None
        if raw is None or not raw.startswith(PREFIX.encode()):
            return super().authenticate(request)
        address = request.META.get("REMOTE_ADDR", "")
        token = raw.decode("ascii", "replace")
        user = personal_tokens.user_of(token, address=address)
        if user is None:
            holder, expired = personal_tokens.holder_of_ended(token)
            raise TokenRefused("The token is not valid.", holder=holder, expired=expired)
        return user, raw

    def get_validated_token(self, raw_token: bytes) -> Token:
        """Return the token of a login, if it was signed here and has not run out."""
        try:
            return super().get_validated_token(raw_token)
        except InvalidToken as error:
            raise TokenRefused("The token is not valid.", expired=_has_run_out(raw_token)) from error

    def get_user(self, validated_token: Token) -> User:  # type: ignore[override]
        """Return the person who signed in."""
        session = open_session(validated_token)
        if session is None:
            raise TokenRefused("This login has ended.", holder=holder_of(validated_token))
        return session.user


class ConsoleAuthentication(SessionAuthentication):
    """The session of somebody signed in to the console, for the browsable API: with the second factor, where there is one."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        """Return the person, unless the second factor was not proven yet."""
        found = super().authenticate(request)
        if found is None or not second_factors.is_satisfied(found[0], request._request.session):  # noqa: SLF001
            return None
        return found


class CollectorAuthentication(BaseAuthentication):
    """`X-Collector-API-Key` names the collector and proves it. Every refusal reads the same."""

    def authenticate(self, request: Request) -> tuple[Collector, None]:
        """Return the collector in the place of a user."""
        parsed = presented_key(request)
        named = (request.parser_context or {}).get("kwargs", {}).get("collector_pk")
        if named is not None and named != str(parsed.collector_id):
            # Another collector's key is not even looked up: nothing is noted of it.
            raise key_refused()
        address = request.META.get("REMOTE_ADDR", "")
        try:
            found = heartbeats.authenticate(collector_id=parsed.collector_id, key_digest=parsed.digest, address=address)
        except KeyRefused as error:
            raise key_refused() from error
        return found, None

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme, which makes a refusal 401."""
        return "CollectorKey"


def holder_of(token: Token) -> User | None:
    """Return whose login a token, which was signed here, was made for."""
    user_id = token.get("user_id")
    return User.objects.filter(pk=user_id).first() if type(user_id) is int else None


def _has_run_out(raw_token: bytes) -> bool:
    try:
        AccessToken(raw_token)  # type: ignore[arg-type]
    except ExpiredTokenError:
        return True
    except TokenError:
        return False
    return False


def open_session(token: Token) -> LoginSession | None:
    """Return the login that a token belongs to, or None when it has ended."""
    session_id = token.get(SESSION_CLAIM)
    if type(session_id) is not int:
        return None
    open_sessions = LoginSession.objects.filter(ended_at=None, expires_at__gt=timezone.now(), user__is_active=True)
    session = open_sessions.select_related("user").filter(pk=session_id, user_id=token.get("user_id")).first()
    if session is None or not constant_time_compare(session.auth_hash, session.user.get_session_auth_hash()):
        return None
    if not second_factors.is_satisfied(session.user, {second_factors.SESSION_KEY: session.second_factor}):
        return None
    return session


def presented_key(request: Request) -> ParsedKey:
    """Return the collector key of a request. Raises `AuthenticationFailed` when there is none."""
    parsed = parse_key(request.META.get(_KEY_HEADER, ""))
    if parsed is None:
        raise key_refused()
    return parsed


def key_refused() -> AuthenticationFailed:
    """Return the refusal of a collector key, whatever is wrong with it."""
    return AuthenticationFailed("The collector key is not valid.", code=KEY_NOT_VALID)


def enrolment_refused() -> AuthenticationFailed:
    """Return the refusal of an enrolment token, whatever is wrong with it."""
    return AuthenticationFailed("The enrolment token is not good, or not any more.", code=ENROLMENT_REFUSED)


def actor_of(request: Request | HttpRequest) -> Actor:
    """Return who makes the request, for the audit."""
    user = request.user
    address = request.META.get("REMOTE_ADDR", "")
    if isinstance(user, User):
        return Actor(label=user.email, user_id=user.pk, address=address)
    if isinstance(user, Collector):
        return Actor(label=f"collector {user.pk}", collector_id=user.pk, address=address)
    return Actor(label="anonymous", address=address)


class PeopleScheme(OpenApiAuthenticationExtension):
    """Describes the JWT for the OpenAPI schema."""

    target_class = PeopleAuthentication
    name = "people"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """Return the scheme."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class ConsoleScheme(OpenApiAuthenticationExtension):
    """Describes the console's session for the OpenAPI schema."""

    target_class = ConsoleAuthentication
    name = "cookieAuth"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """Return the scheme."""
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}


class CollectorScheme(OpenApiAuthenticationExtension):
    """Describes the collector key for the OpenAPI schema."""

    target_class = CollectorAuthentication
    name = "collector"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """Return the scheme."""
        return {"type": "apiKey", "in": "header", "name": "X-Collector-API-Key"}
