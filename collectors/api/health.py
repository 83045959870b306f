"""Health: for balancers without details, for operators with them."""

import dataclasses
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from collectors.services import health


class LiveView(APIView):
    """`GET /health/live`: this process answers."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        """Answer 200."""
        return Response({"status": "ok"})


class ReadyView(APIView):
    """`GET /health/ready`: requests can be served. A dead worker does not take a web replica out of its balancer."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        """Answer 200 when the database is there with all migrations, else 503; never more than that."""
        is_ready = health.ready()
        return Response({"status": "ok" if is_ready else "unavailable"}, status=200 if is_ready else 503)


class DetailView(APIView):
    """`GET /health`: every part with its age, for whoever is signed in."""

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        """Answer 200 when everything lives, 503 with the names of what is dead otherwise."""
        detail = health.detail()
        return Response(
            {"status": "unavailable" if detail.dead else "ok", **dataclasses.asdict(detail)},
            status=503 if detail.dead else 200,
        )
