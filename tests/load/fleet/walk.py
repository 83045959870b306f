"""Every kind of address of the console, found by following its links, filling in its filters and searching its lists."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

START: Final = "/admin/"
# Pages that nothing links to.
UNLINKED: Final = (
    "/admin/search/?s=prod",
    "/admin/search/?s=prod&extended=1",
    "/admin/collectors/",
    "/health",
)
# A word of many names, and one of many statements.
_SEARCHED: Final = ("prod", "order_lines")
_LEFT_OUT: Final = re.compile(r"/logout/|/static/|/i18n/|/do/|/login/|jsi18n")
# Downloads are no pages.
DOWNLOAD: Final = re.compile(r"/export/|format=")
# Parts of a page that it is no page without: htmx says so when it asks.
_PARTS: Final = re.compile(r"/queries/\d+/plan/")
_LINKS: Final = ("href", "hx-get", "data-url", "data-live")
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
    "of",
}
# What a download is written in the order of is no kind of its own.
_ORDERS: Final = {"o", "order", "page", "p"}


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
        # Where choosing something else in a selection leads to, and where what is typed is completed from, by scripts.
        self._leads_to = ""
        self._completions = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._by_get = given.get("method", "get").lower() == "get"
        self.page.links += [given[name] for name in _LINKS if given.get(name)]
        self._completions = given.get("data-choices") or given.get("data-dbpower-choices") or self._completions
        if given.get("data-ajax--url"):
            asked = {name: given.get(f"data-{name.replace('_', '-')}", "") for name in _LOOK_UP}
            address = f"{given['data-ajax--url']}?{urlencode({**asked, 'term': _SEARCHED[0][:2]})}"
            self.page.looked_up[given.get("name", "")] = address
        elif of := given.get("data-dbpower-complete") or given.get("data-dbpower-of"):
            self._completed(f"{self._completions}?{urlencode({'of': of, 'term': ''})}", given.get("name", ""))
        elif tag == "select":
            self._select = given.get("name", "") if self._by_get or given.get("hx-get") else ""
            self._leads_to = given.get("hx-get", "")
        elif tag == "option" and self._select and given.get("value"):
            self._offered(given["value"])
        elif tag == "input" and self._by_get and given.get("type", "text") in {"text", "search"} and given.get("name"):
            self.page.texts.append(given["name"])

    def _completed(self, address: str, name: str) -> None:
        if self._by_get and name:
            self.page.looked_up[name] = address
        else:
            self.page.links.append(address)

    def _offered(self, value: str) -> None:
        if self._leads_to:
            self.page.links.append(f"{self._leads_to}?{urlencode({self._select: value})}")
        else:
            self.page.choices.setdefault(self._select, []).append(value)

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
    left_out = _ORDERS if DOWNLOAD.search(address) else set()
    named = sorted(
        f"{name}={_value(name, value)}"
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if value and name not in left_out
    )
    return path + ("?" + "&".join(named) if named else "")


def headers(address: str) -> dict[str, str]:
    """Return what a browser sends beside the address."""
    return {"HX-Request": "true"} if _PARTS.search(address) else {}


def addresses(get: Callable[[str], str], *, first: Iterable[str] = (), skip: str = "") -> dict[str, str]:
    """Return one address of each shape that somebody can get to; `get` returns the text of an answer, empty of none.

    What the regular expression `skip` fits is left out. Of the rows whose pages are named `first` the others of their kind are
    not looked at, unless somebody may not see them.
    """
    found: dict[str, str] = {}
    waiting, tried = [*first, START, *UNLINKED], set(first)
    while waiting:
        address = waiting.pop(0)
        kind = shape(address)
        if kind in found or _LEFT_OUT.search(address) or (skip and re.search(skip, kind)):
            continue
        page = Page()
        if _is_followed(address):
            content = get(address)
            if not content and address in tried:
                continue
            page = read(content)
        found[kind] = address
        waiting += [
            link for link in (*_linked(address, page), *_looked_up(address, page, get)) if shape(link) not in found
        ]
    return dict(sorted(found.items()))


def _is_followed(address: str) -> bool:
    """Tell whether links are looked for: what a list links to that is filtered already is linked from the list itself too."""
    named = {name for name, _ in parse_qsl(urlsplit(address).query)}
    return named <= {"period"} and not DOWNLOAD.search(address)


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
        answer = json.loads(content) if content.startswith("{") else {}
        found = [row.get("id", row.get("value")) for row in answer.get("results", answer.get("choices", []))]
        if found:
            yield f"{urlsplit(address).path}?{urlencode({name: found[-1]})}"


def _value(name: str, value: str) -> str:
    if name == "o":
        return value.split(".", maxsplit=1)[0].lstrip("-")
    if name in {"q", "s", "extended"} or name in _TELLING:
        return value
    return "…"
