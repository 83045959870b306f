"""What an examination found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `remedy` is a statement, a setting or an act; None where all is well."""

    name: str
    ok: bool
    detail: str
    remedy: str | None = None


def good(name: str, detail: str) -> Finding:
    return Finding(name, ok=True, detail=detail)


def bad(name: str, detail: str, remedy: str | None) -> Finding:
    return Finding(name, ok=False, detail=detail, remedy=remedy)
