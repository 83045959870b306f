"""Everything that a person can read, in API and admin, and what to make of the answers."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any, Final

from django.test import Client

from collectors.admin.site import site
from collectors.api.urls import router
from collectors.models import AuditEntry
from tests.access.oracle import Census, Person
from tests.api.callers import V1, Caller, signed_in

# One for all: each new one would load the middleware anew.
_CLIENT: Final = Client()
# What differs from one answer to the next although nothing else does.
_PASSING: Final = re.compile(r'name="csrfmiddlewaretoken" value="[^"]+"|[0-9.,e-]+ ?seconds?')


@dataclass(frozen=True)
class ApiList:
    """A list of the API, as it is registered: a new one is in here by itself."""

    path: str
    plural: str
    kind: str
    filters: list[str]
    searches: list[str]
    orderings: list[str]

    def at(self, collector: int) -> str:
        """Return the path of the list that belongs to one collector; others have one for all."""
        return re.sub(r"\(\?P<collector_pk>[^/]*\)", str(collector), self.path)

    @property
    def nested(self) -> bool:
        """Whether each collector has a list of its own."""
        return "collector_pk" in self.path


def api_lists() -> list[ApiList]:
    """Return every list whose rows are rows of a table: all but the totals of queries, and what is told of one statement."""
    found = []
    view: Any
    for path, view, _ in router.registry:
        kind = view.queryset.model._meta.model_name
        filters = getattr(view, "filterset_fields", None) or list(
            getattr(getattr(view, "filterset_class", None), "base_filters", {})
        )
        searches, orderings = getattr(view, "search_fields", []), getattr(view, "ordering_fields", [])
        if kind not in {"cost", "plan"}:
            found.append(ApiList(path, view.plural, kind, list(filters), list(searches), list(orderings)))
    return found


ADMIN_KINDS: Final = {str(model._meta.model_name): table for model, table in site._registry.items()}


class Asking:
    """One person, signed in to API and admin."""

    def __init__(self, person: Person) -> None:
        self.person = person
        before = set(AuditEntry.objects.values_list("pk", flat=True))
        self.api: Caller = signed_in(person.user)
        # That somebody signed in is taken back: the world stays as it was counted.
        AuditEntry.objects.exclude(pk__in=before).delete()
        _CLIENT.cookies = SimpleCookie()
        _CLIENT.force_login(person.user)
        self.cookies = {name: morsel.value for name, morsel in _CLIENT.cookies.items()}

    def page(self, path: str, **query: Any) -> Any:
        """Return a page of the admin."""
        _CLIENT.cookies = SimpleCookie(self.cookies)
        return _CLIENT.get(f"/admin/{path}", query)

    def submit(self, path: str, form: dict[str, Any]) -> Any:
        """Send a form of the admin."""
        _CLIENT.cookies = SimpleCookie(self.cookies)
        return _CLIENT.post(f"/admin/{path}", form)

    def listed(self, listed: ApiList, path: str, query: str = "") -> tuple[list[int], str]:
        """Return the ids of one page of up to 500 rows, and the text of the answer. Its count is that of its rows."""
        answer = self.api.get(f"{path}?page_size=500{query}")
        assert answer.status_code == 200, (path, query, answer.content)
        content = json.loads(answer.content)
        ids = [row["id"] for row in content[listed.plural]]
        assert content["count"] == len(ids) == len(set(ids)), (path, query)
        return ids, answer.content.decode()

    def paged(self, listed: ApiList, path: str) -> tuple[list[int], set[int]]:
        """Return the ids of all pages of three rows, and what the pages said was their count."""
        ids: list[int] = []
        counts: set[int] = set()
        following: str | None = f"{V1}{path}?page_size=3"
        while following:
            content = json.loads(self.api.get(following.removeprefix("http://testserver")).content)
            counts.add(content["count"])
            ids += [row["id"] for row in content[listed.plural]]
            following = content["next"]
        return ids, counts

    def everything(self, census: Census, elsewhere: dict[str, int]) -> Iterator[tuple[str, str]]:
        """Yield the name and the text of every answer: lists, objects of the person's own, one foreign object of each table."""
        for listed in api_lists():
            collectors = [row.pk for row in census.visible(self.person, "collector")[:1]] if listed.nested else [0]
            for path in {listed.at(pk) for pk in [*collectors, elsewhere["collector"]]}:
                yield self._api(path)
                if listed.orderings:
                    yield self._api(f"{path}?ordering=-{listed.orderings[-1]}")
                if not listed.nested:
                    yield self._api(f"{path}/{elsewhere[listed.kind]}")
        yield self._api("queries")
        yield self._api("queries?ordering=calls&search=orders")
        yield self._api(f"queries?database_id={elsewhere['monitoreddatabase']}")
        yield self._admin("")
        yield from self._queries(census, elsewhere)
        yield self._admin("search/?s=orders&extended=1")
        table: Any
        for kind, table in ADMIN_KINDS.items():
            yield self._admin(f"collectors/{kind}/" + ("?q=o&o=1" if table.found_everywhere else ""))
            if kind in {"collector", "membership", "team"}:
                yield self._admin(f"collectors/{kind}/add/")
            for pk in [*(row.pk for row in census.visible(self.person, kind)[:1]), elsewhere[kind]]:
                yield self._admin(f"collectors/{kind}/{pk}/change/")

    def _queries(self, census: Census, elsewhere: dict[str, int]) -> Iterator[tuple[str, str]]:
        """Yield the pages and the files of the load."""
        for query in ("group=database&compare=previous", f"period=week&database={elsewhere['monitoreddatabase']}"):
            yield self._admin(f"queries/?{query}")
        for pk in [*(row.pk for row in census.visible(self.person, "fingerprint")[:1]), elsewhere["fingerprint"]]:
            yield self._admin(f"queries/{pk}/?period=day")
        yield self._admin("queries/export/?format=json&group=host&q=orders")

    def _api(self, path: str) -> tuple[str, str]:
        answer = self.api.get(path)
        return f"api {path}", f"{answer.status_code} {answer.content.decode()}"

    def _admin(self, path: str) -> tuple[str, str]:
        answer = self.page(path)
        text = f"{answer.status_code} {answer.headers.get('Location', '')} {answer.getvalue().decode()}"
        return f"admin {path}", _PASSING.sub("", text)
