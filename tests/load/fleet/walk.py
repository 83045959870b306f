"""Every kind of address of the console, found by following its links, filling in its filters and searching its lists."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

START: Final = "/admin/"
# Pages that nothing links to, or that only a script asks for.
UNLINKED: Final = (
    "/admin/search/?s=prod",
    "/admin/search/?s=prod&extended=1",
    "/admin/collectors/",
    "/health",
)
# A word of many names, and one of many statements.
_SEARCHED: Final = ("prod", "order_lines")
_LEFT_OUT: Final = re.compile(r"/logout/|/static/|/i18n/|/do/|/login/|jsi18n")
_LOOK_UP: Final = ("app_label", "model_name", "field_name")
# The values of these say what kind of page it is; those of others do not.
_TELLING: Final = {
    "app_label",
    "model_name",
    "field_name",
    "o",
    "period",
    "by",
    "group",
    "sort",
    "compare",
    "format",
    "export",
}


@dataclass
class Page:
    """What a page offers: its links, and the controls of its forms that are sent by GET."""

    links: list[str] = field(default_factory=list)
    choices: dict[str, list[str]] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    # Where a script looks up what to choose from, by the name of the control.
    looked_up: dict[str, str] = field(default_factory=dict)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self._by_get = False
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._by_get = given.get("method", "get").lower() == "get"
        if given.get("data-ajax--url"):
            asked = {name: given.get(f"data-{name.replace('_', '-')}", "") for name in _LOOK_UP}
            address = f"{given['data-ajax--url']}?{urlencode({**asked, 'term': _SEARCHED[0][:2]})}"
            self.page.looked_up[given.get("name", "")] = address
        for name in ("href", "hx-get", "data-url"):
            if given.get(name):
                self.page.links.append(given[name])
        if tag == "select":
            self._select = given.get("name", "") if self._by_get else ""
        if tag == "option" and self._select and given.get("value"):
            self.page.choices.setdefault(self._select, []).append(given["value"])
        if tag == "input" and self._by_get and given.get("type", "text") in {"text", "search"} and given.get("name"):
            self.page.texts.append(given["name"])

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._by_get = False
        if tag == "select":
            self._select = ""


def read(content: str) -> Page:
    """Return what an HTML page offers."""
    reader = _Reader()
    reader.feed(content)
    return reader.page


def shape(address: str) -> str:
    """Return what kind of address it is: the same for two rows of one table, and for two values of one filter."""
    parts = urlsplit(address)
    path = re.sub(r"/\d+(?=/|$)", "/{id}", parts.path)
    named = sorted(
        f"{name}={_value(name, value)}" for name, value in parse_qsl(parts.query, keep_blank_values=True) if value
    )
    return path + ("?" + "&".join(named) if named else "")


def addresses(get: Callable[[str], str], *, skip: str = "") -> dict[str, str]:
    """Return one address of each shape that somebody can get to; `get` returns the text of an answer.

    What the regular expression `skip` fits is left out.
    """
    found: dict[str, str] = {}
    waiting = [START, *UNLINKED]
    while waiting:
        address = waiting.pop(0)
        kind = shape(address)
        if kind in found or _LEFT_OUT.search(address) or (skip and re.search(skip, kind)):
            continue
        found[kind] = address
        # What is linked from a list that is filtered already is linked from the list itself too.
        if urlsplit(address).query and "period=" not in address:
            continue
        page = read(get(address))
        waiting += [
            link for link in (*_linked(address, page), *_looked_up(address, page, get)) if shape(link) not in found
        ]
    return dict(sorted(found.items()))


def _linked(address: str, page: Page) -> Iterator[str]:
    here = urlsplit(address).path
    links = [urljoin(address, link.partition("#")[0]) for link in page.links if not link.startswith("#")]
    links = [link for link in links if link.startswith("/admin/")]
    # The last page of a list instead of the second.
    numbered = [(int(number[1]), link) for link in links if (number := re.search(r"[?&](?:p|page)=(\d+)$", link))]
    if numbered:
        yield max(numbered)[1]
    yield from (link for link in links if link not in {other for _, other in numbered})
    if urlsplit(address).query:
        return
    for name, values in page.choices.items():
        yield f"{here}?{urlencode({name: values[len(values) // 2]})}"
    for name in page.texts:
        yield from (f"{here}?{urlencode({name: word})}" for word in _SEARCHED)


def _looked_up(address: str, page: Page, get: Callable[[str], str]) -> Iterator[str]:
    """Yield where choices are looked up, and the page that one of them leads to."""
    for name, where in page.looked_up.items():
        yield where
        content = get(where)
        found = json.loads(content)["results"] if content.startswith("{") else []
        if found:
            yield f"{urlsplit(address).path}?{urlencode({name: found[-1]['id']})}"


def _value(name: str, value: str) -> str:
    if name == "o":
        return value.split(".", maxsplit=1)[0].lstrip("-")
    if name in {"q", "s", "extended"} or name in _TELLING:
        return value
    return "…"
