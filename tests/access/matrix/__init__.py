"""What each caller is answered on each route: tables that people can read, one file for the API and one for the admin.

The first line of a table names the callers, the ones after it a route and the answers in the same order. Lines that begin
with # and empty lines say nothing. Addresses and bodies name things of the team Shop of Example GmbH, or the organization
itself; the names of callers tell where they stand to it (`callers.py`).
"""

from pathlib import Path
from typing import Final

Table = dict[str, dict[str, str]]


def table(name: str) -> Table:
    """Return a table by route and caller. Raises `ValueError` for a line that is not whole, or a route named twice."""
    lines = [line.split() for line in _lines(name)]
    callers = lines[0]
    found: Table = {}
    for words in lines[1:]:
        route, answers = " ".join(words[: -len(callers)]), words[-len(callers) :]
        if route.count(" ") != 1 or route in found:
            raise ValueError(f"{name}: {' '.join(words)}")
        found[route] = dict(zip(callers, answers, strict=True))
    return found


def _lines(name: str) -> list[str]:
    text = Path(__file__).with_name(f"{name}.txt").read_text()
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


# Statuses alone.
API: Final = {
    route: {caller: int(status) for caller, status in answers.items()} for route, answers in table("api").items()
}
# Statuses and words, which the head of the file explains.
ADMIN: Final = table("admin")
