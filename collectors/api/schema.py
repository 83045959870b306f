"""The OpenAPI schema's finishing touch."""

from typing import Any


def without_trailing_slashes(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Return the schema with the addresses as they are documented; a slash at their end is accepted, never needed."""
    result["paths"] = {path.rstrip("/"): operations for path, operations in result["paths"].items()}
    return result
