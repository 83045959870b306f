"""What agents' endpoints are built on."""

from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView


class JsonWhateverIsAsked(DefaultContentNegotiation):
    """Answers JSON also to a browser: a page about the request would ask once more for the key that is not good."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        """Return the only renderer."""
        return renderers[0], renderers[0].media_type


class AgentView(APIView):
    """One address that agents call, in JSON alone."""

    renderer_classes = [JSONRenderer]
    content_negotiation_class = JsonWhateverIsAsked
