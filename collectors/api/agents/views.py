"""What the views for agents have in common."""

from typing import Any

from rest_framework.response import Response
from rest_framework.views import APIView

from collectors.api.authentication import CollectorAuthentication, key_refused
from collectors.services.errors import KeyRefused


class AgentView(APIView):
    """Asks for a collector key, and refuses one that a service no longer takes like any other."""

    authentication_classes = [CollectorAuthentication]
    permission_classes: list[Any] = []

    def handle_exception(self, exc: Exception) -> Response:
        """Return the answer to what a handler raised."""
        return super().handle_exception(key_refused() if isinstance(exc, KeyRefused) else exc)
