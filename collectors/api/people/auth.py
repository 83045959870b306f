"""Log in, refresh, log out. Tokens carry the login they belong to and end with it."""

import contextlib
from datetime import timedelta
from typing import Any, Final

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.exceptions import ExpiredTokenError, TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token

from collectors.api.authentication import (
    SESSION_CLAIM,
    PeopleAuthentication,
    TokenRefused,
    actor_of,
    holder_of,
    open_session,
)
from collectors.models import LoginSession
from collectors.services import logins, second_factors
from collectors.services.errors import SecondFactorNeeded

_NOT_VALID: Final = "The token is not valid."


class CredentialsSerializer(serializers.Serializer[Any]):
    """What a person signs in with."""

    email = serializers.CharField(max_length=254)
    password = serializers.CharField(max_length=4096, trim_whitespace=False, write_only=True)
    code = serializers.CharField(
        max_length=40, required=False, write_only=True, help_text="Of the second factor, where the account has one."
    )


class TokensSerializer(serializers.Serializer[Any]):
    """A short-lived access token and a refresh token that is good once."""

    access = serializers.CharField()
    refresh = serializers.CharField()


class RefreshSerializer(serializers.Serializer[Any]):
    """A refresh token."""

    refresh = serializers.CharField(max_length=4096)


class LogoutSerializer(serializers.Serializer[Any]):
    """The refresh token of the login to end; not needed when the access token is sent."""

    refresh = serializers.CharField(max_length=4096, required=False)


class OpenView(APIView):
    """Endpoints that take credentials, so they cannot ask for them first. Refusals are 401."""

    authentication_classes: list[type] = []
    permission_classes: list[Any] = []

    def get_authenticate_header(self, request: Request) -> str:
        """Name the scheme, which makes a refusal 401."""
        return 'Bearer realm="api"'


class TokenView(OpenView):
    """Log in."""

    @extend_schema(request=CredentialsSerializer, responses=TokensSerializer, operation_id="auth_token")
    def post(self, request: Request) -> Response:
        """Return tokens. An unknown address and a wrong password are answered alike, and take as long."""
        serializer = CredentialsSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        body, actor = serializer.validated_data, actor_of(request)
        user = logins.check_credentials(email=body["email"], password=body["password"], actor=actor)
        if user is None:
            raise AuthenticationFailed("No active account has this e-mail and password.", code="no_active_account")
        try:
            proven = second_factors.require(user=user, code=body.get("code", ""), actor=actor)
        except SecondFactorNeeded as needed:
            raise AuthenticationFailed(str(needed), code=needed.code) from needed
        refresh_id = logins.new_refresh_id()
        session = logins.open_login(
            user=user, refresh_id=refresh_id, lifetime=_lifetime(), actor=actor, second_factor=proven
        )
        return _no_store(_tokens(session, refresh_id))


class RefreshView(OpenView):
    """Exchange a refresh token for new tokens."""

    @extend_schema(request=RefreshSerializer, responses=TokensSerializer, operation_id="auth_token_refresh")
    def post(self, request: Request) -> Response:
        """Return new tokens. A refresh token that was used before ends the whole login: somebody else holds it too."""
        serializer = RefreshSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        token = _refresh_token(serializer.validated_data["refresh"])
        session = open_session(token)
        refresh_id = logins.new_refresh_id()
        if session is None or not logins.rotate(
            session=session,
            presented=str(token["jti"]),
            replacement=refresh_id,
            lifetime=_lifetime(),
            actor=actor_of(request),
        ):
            raise _not_valid(token if session is None else None)
        return _no_store(_tokens(session, refresh_id))


class LogoutView(OpenView):
    """Log out."""

    @extend_schema(
        request=LogoutSerializer, responses={204: OpenApiResponse(description="Both tokens are void.")},
        operation_id="auth_logout",
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """End the login of the access token in the header, or of the refresh token in the body."""
        serializer = LogoutSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        session = _session_of(request, serializer.validated_data.get("refresh"))
        if session is None:
            raise _not_valid()
        logins.end_login(session=session, actor=actor_of(request))
        return Response(status=204)


def _session_of(request: Request, refresh: str | None) -> LoginSession | None:
    authentication = PeopleAuthentication()
    header = authentication.get_header(request)
    raw = authentication.get_raw_token(header) if header else None
    if raw is not None:
        # An access token that has run out does not keep anybody from logging out with the refresh token.
        with contextlib.suppress(TokenRefused):
            session = open_session(authentication.get_validated_token(raw))
            if session is not None:
                return session
    return open_session(_refresh_token(refresh)) if refresh else None


def _tokens(session: LoginSession, refresh_id: str) -> dict[str, str]:
    access = AccessToken()
    refresh = RefreshToken()
    refresh["jti"] = refresh_id
    for token in (access, refresh):
        token["user_id"] = session.user_id
        token[SESSION_CLAIM] = session.pk
    return {"access": str(access), "refresh": str(refresh)}


def _refresh_token(raw: str) -> Token:
    try:
        return RefreshToken(raw)  # type: ignore[arg-type]
    except TokenError as error:
        raise TokenRefused(_NOT_VALID, expired=isinstance(error, ExpiredTokenError)) from error


def _lifetime() -> timedelta:
    lifetime: timedelta = api_settings.REFRESH_TOKEN_LIFETIME
    return lifetime


def _not_valid(token: Token | None = None) -> TokenRefused:
    return TokenRefused(_NOT_VALID, holder=holder_of(token) if token is not None else None)


def _no_store(tokens: dict[str, str]) -> Response:
    return Response(tokens)
