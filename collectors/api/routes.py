"""Routers and paths that take an optional trailing slash."""

from django.urls import URLPattern, re_path
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView


class LenientRouter(SimpleRouter):
    """Routes with or without a slash at the end."""

    def __init__(self) -> None:
        super().__init__(trailing_slash=False)
        self.trailing_slash = "/?"


def lenient(route: str, view: type[APIView], name: str) -> URLPattern:
    """Return the route for a view, with or without a slash at the end."""
    return re_path(rf"^{route}/?$", view.as_view(), name=name)
