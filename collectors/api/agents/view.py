"""What agents' endpoints are built on."""

from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from collectors.api.authentication import CollectorAuthentication, key_refused
from collectors.services.errors import KeyRefused


class JsonWhateverIsAsked(DefaultContentNegotiation):
    """Answers JSON also to a browser: a page about the request would ask once more for the key that is not good."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        """Return the only renderer."""
        return renderers[0], renderers[0].media_type


class AgentView(APIView):
    """One address that agents call, in JSON alone."""

    renderer_classes = [JSONRenderer]
    content_negotiation_class = JsonWhateverIsAsked


class CollectorView(AgentView):
    """One that asks for a collector key, and refuses one that a service no longer takes like any other."""

    authentication_classes = [CollectorAuthentication]
    permission_classes: list[Any] = []

    def handle_exception(self, exc: Exception) -> Response:
        """Return the answer to what a handler raised."""
        return super().handle_exception(key_refused() if isinstance(exc, KeyRefused) else exc)
