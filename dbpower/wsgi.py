"""The application. `python -m dbpower.web` serves it; `application` is for any other WSGI server."""

import json
import os
from collections.abc import Callable, Iterable
from typing import IO, Any, Final

from django.core.exceptions import BadRequest
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dbpower.settings")
django_application = get_wsgi_application()

from collectors.services.presence import prove_web, prove_web_now_and_then  # noqa: E402 - the app registry must be ready

__all__ = ["application", "django_application", "prove_web"]

_NO_LENGTH: Final = {"detail": "A body needs a Content-Length.", "code": "length_required", "errors": {}}


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer a request. That it got a thread proves that heartbeats are accepted here, and is recorded every ten seconds.

    A body is taken whole or not at all: Django would take one without a length for none, and one cut short for the whole.
    """
    length = environ.get("CONTENT_LENGTH") or ""
    if environ.get("HTTP_TRANSFER_ENCODING") and not length:
        content = json.dumps(_NO_LENGTH).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(content)))]
        start_response("411 Length Required", [*headers, ("Cache-Control", "no-store"), ("Connection", "close")])
        return [content]
    if length.isascii() and length.isdigit():
        environ["wsgi.input"] = Whole(environ["wsgi.input"], int(length))
    answer: Iterable[bytes] = django_application(environ, start_response)
    prove_web_now_and_then()
    return answer


class Whole:
    """A body of so many bytes. Reading one that ends earlier raises `BadRequest`."""

    def __init__(self, stream: IO[bytes], length: int) -> None:
        self._stream = stream
        self._left = length

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes."""
        return self._took(self._stream.read(self._left if size < 0 else min(size, self._left)), wanted=size != 0)

    def readline(self, size: int = -1) -> bytes:
        """Return the rest of a line, `size` bytes of it at most."""
        return self._took(self._stream.readline(self._left if size < 0 else min(size, self._left)), wanted=size != 0)

    def _took(self, content: bytes, *, wanted: bool) -> bytes:
        self._left -= len(content)
        if wanted and not content and self._left:
            raise BadRequest("The body is shorter than its Content-Length says.")
        return content
