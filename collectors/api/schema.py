"""What the OpenAPI schema says beyond what drf-spectacular finds out by itself."""

from typing import Any, Final

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema

from collectors.api.base import TenantSerializer
from collectors.api.pagination import NamedPagination

_ERROR: Final[dict[str, Any]] = {
    "type": "object",
    "description": "Every refusal has this shape; a conflict tells the present state beside it.",
    "required": ["detail", "code", "errors"],
    "properties": {
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "errors": {
            "type": "object",
            "description": "Messages by the member at fault, with its path.",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
    },
}


class NamedListSchema(AutoSchema):
    """Describes lists with the name that each has in its answer."""

    def _get_paginator(self) -> Any:
        paginator = super()._get_paginator()  # type: ignore[no-untyped-call]
        if isinstance(paginator, NamedPagination):
            paginator.plural = getattr(self.view, "plural", paginator.plural)
        return paginator


class ClosedBody(OpenApiSerializerExtension):
    """Says of bodies that they take no member but those they name."""

    target_class = TenantSerializer
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: Any) -> dict[str, Any]:
        """Return the serializer's schema, closed where it is a request's."""
        described: dict[str, Any] = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)  # noqa: SLF001 - as the extensions of drf-spectacular itself do
        return {**described, "additionalProperties": False} if direction == "request" else described


def without_trailing_slashes(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Return the schema with the addresses as they are documented; a slash at their end is accepted, never needed."""
    result["paths"] = {path.rstrip("/"): operations for path, operations in result["paths"].items()}
    return result


def with_errors(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Return the schema with the one shape of errors at every operation."""
    result["components"]["schemas"]["Error"] = _ERROR
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"]["4XX"] = {"description": "The request is refused.", "content": content}
    return result
