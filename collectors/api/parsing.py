"""JSON as it comes from strangers: bounded before it is read, and free of what a database cannot hold."""

import json
import zlib
from collections.abc import Mapping
from typing import IO, Any, Final

from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser

from collectors.api.errors import TooLarge
from collectors.domain import limits

_CHUNK: Final = 64 << 10
# Python refuses to make an int of more digits than 4,300, slowly; nothing here needs more than a bigint has.
_MAX_DIGITS: Final = 25


class StrictJSONParser(BaseParser):
    """Read an object in UTF-8. Refused: other encodings, NaN and infinities, repeated names, NUL, lone surrogates, deep nesting."""

    media_type = "application/json"
    max_bytes = limits.MAX_BODY_BYTES

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the object. Raises `ParseError` (400), `TooLarge` (413) or `UnsupportedMediaType` (415)."""
        request = (parser_context or {})["request"]
        encoding = request.META.get("HTTP_CONTENT_ENCODING", "identity").strip().lower()
        return _decoded(self.read(stream, encoding))

    def read(self, stream: IO[bytes], encoding: str) -> bytes:
        """Return the body's bytes, at most `max_bytes` of them."""
        if encoding not in {"", "identity"}:
            raise UnsupportedMediaType(f"Content-Encoding: {encoding}")
        return _bounded(stream, self.max_bytes)


class UploadParser(StrictJSONParser):
    """Read an upload, which may be compressed with gzip; what it grows to is bounded while it grows."""

    def read(self, stream: IO[bytes], encoding: str) -> bytes:
        """Return the body's bytes, decompressed."""
        if encoding == "gzip":
            return _gunzipped(_bounded(stream, limits.MAX_BODY_BYTES))
        if encoding in {"", "identity"}:
            return _bounded(stream, limits.MAX_DECOMPRESSED_BYTES)
        raise UnsupportedMediaType(f"Content-Encoding: {encoding}")


def _bounded(stream: IO[bytes], maximum: int) -> bytes:
    content = bytearray()
    while chunk := stream.read(_CHUNK):
        content += chunk
        if len(content) > maximum:
            raise TooLarge(f"The body is larger than {maximum} bytes.")
    return bytes(content)


def _gunzipped(compressed: bytes) -> bytes:
    decompressor = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        content = decompressor.decompress(compressed, limits.MAX_DECOMPRESSED_BYTES + 1)
    except zlib.error as error:
        raise ParseError("The body is not gzip.") from error
    if len(content) > limits.MAX_DECOMPRESSED_BYTES:
        raise TooLarge(f"The body decompresses to more than {limits.MAX_DECOMPRESSED_BYTES} bytes.")
    if not decompressor.eof or decompressor.unused_data:
        raise ParseError("The gzip stream is cut short or followed by something else.")
    return content


def _decoded(content: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_int=_bounded_int,
            parse_float=_finite_float,
        )
    except UnicodeDecodeError as error:
        raise ParseError("The body is not UTF-8.") from error
    except RecursionError as error:
        raise ParseError("The body is nested too deeply.") from error
    except ValueError as error:
        raise ParseError(f"The body is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise ParseError("The body is not a JSON object.")
    _check(parsed)
    return parsed


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice in an object")
    return members


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number in JSON")


def _bounded_int(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError("a number has too many digits")
    return int(digits)


def _finite_float(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    return number


def _check(root: Any) -> None:
    """Walk without recursion: the depth is what is being measured."""
    waiting = [(root, 1)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, str):
            _check_text(value)
        elif isinstance(value, dict | list):
            if depth > limits.MAX_JSON_DEPTH:
                raise ParseError("The body is nested too deeply.")
            if isinstance(value, dict):
                waiting.extend((name, depth) for name in value)
                waiting.extend((inner, depth + 1) for inner in value.values())
            else:
                waiting.extend((inner, depth + 1) for inner in value)


def _check_text(text: str) -> None:
    if text.isascii():
        if "\0" in text:
            raise ParseError("A text has a NUL character, which cannot be stored.")
        return
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ParseError("A text has a NUL character or half a surrogate pair, which cannot be stored.")
