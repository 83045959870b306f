"""One person tries everything that the roles do not permit."""

from collections.abc import Iterator
from functools import partial
from random import Random
from typing import Any, Final

from collectors.models import Command
from tests.access.asking import ADMIN_KINDS, Asking, api_lists
from tests.access.oracle import ORG_ADMIN, TEAM_LEAD, Census, Person, Row
from tests.access.reading import ABSENT
from tests.access.rows import State, stored, undone

REFUSED: Final = {302, 400, 401, 403, 404, 405}
Answer = tuple[int, str]


class Attacker:
    """Somebody who asks for what is not theirs. Each refusal leaves everything stored as it was."""

    def __init__(self, census: Census, person: Person, random: Random) -> None:
        self.census, self.person, self.random = census, person, random
        self.asking = Asking(person)
        self.paths = {listed.kind: listed for listed in api_lists()}
        self.before: State = stored()

    def attack_rows(self) -> None:
        """Change, remove and command one unseen row and one that is only seen, of each table."""
        for kind, rows in self.census.rows.items():
            unseen = [row for row in rows if not self.person.sees(row)]
            fixed = [row for row in rows if self.person.sees(row) and not self.person.changes(row)]
            for row in self.random.sample(unseen, min(1, len(unseen))):
                there, absent = (list(self.requests(kind, pk, row)) for pk in (row.pk, ABSENT))
                assert there == absent, (kind, row.pk)
            for row in self.random.sample(fixed, min(1, len(fixed))):
                list(self.requests(kind, row.pk, row))

    def requests(self, kind: str, pk: int, row: Row) -> Iterator[Answer]:
        """Send every request that would change a row, and yield what is answered to each."""
        body = {"role": "USER"} if kind == "membership" else {"name": "stolen"}
        if kind in self.paths:
            path = f"{self.paths[kind].at(row.values.get('collector_id', 0))}/{pk}"
            yield self.refused(partial(self.asking.api.patch, path, body), pk)
            yield self.refused(partial(self.asking.api.delete, path), pk)
            acts = {"collector": ["start", "stop", "collect", "rotate-key"], "command": ["cancel"]}.get(kind, [])
            for act in acts:
                yield self.refused(partial(self.asking.api.post, f"{path}/{act}", {}), pk)
        if kind in ADMIN_KINDS:
            page = f"collectors/{kind}/{pk}/"
            form = {**body, "post": "yes", "email": "x@example.org", "collection_interval_minutes": "9"}
            acts = [str(name) for name in ADMIN_KINDS[kind].actions or ()]
            for view in ("change/", "delete/", *(f"do/{act}/" for act in acts)):
                yield self.refused(partial(self.asking.submit, page + view, form), pk)

    def name_rows_in_bodies(self) -> None:
        """Name rows of others where a body wants one's own, in API and admin."""
        for path, page, body, name, kind, least in self.bodies():
            foreign = [row for row in self.census.rows[kind] if not self.reaches(row, least)]
            for row in self.random.sample(foreign, min(1, len(foreign))):
                answers = []
                for pk in (row.pk, ABSENT):
                    answers.append(self.refused(partial(self.asking.api.post, path, {**body, name: pk}), pk))
                    form = {**body, name: pk}
                    fields = {key.removesuffix("_id"): value for key, value in form.items()}
                    self.refused(partial(self.asking.submit, page, fields), pk, shown_again=True)
                if not self.person.sees(row):
                    assert answers[0] == answers[1], (path, name)

    def bodies(self) -> Iterator[tuple[str, str, dict[str, Any], str, str, int]]:
        """Yield a path, a page, a body, and the member of it that names a row of a table in which a role is needed."""
        team = self.own("team", TEAM_LEAD)
        organization = self.own("organization", ORG_ADMIN)
        collector = {"name": "x", "type": "mysql", "team_id": team, "collection_interval_minutes": 5}
        yield "collectors/register", "collectors/collector/add/", collector, "team_id", "team", TEAM_LEAD
        yield (
            "collectors/register",
            "collectors/collector/add/",
            collector,
            "database_id",
            "monitoreddatabase",
            TEAM_LEAD,
        )
        named = {"name": "x", "organization_id": organization}
        yield "teams", "collectors/team/add/", named, "organization_id", "organization", ORG_ADMIN
        role = {"role": "USER", "organization_id": organization, "email": "x@example.org"}
        yield "memberships", "collectors/membership/add/", role, "team_id", "team", ORG_ADMIN
        yield "memberships", "collectors/membership/add/", role, "organization_id", "organization", ORG_ADMIN

    def own(self, kind: str, least: int) -> int:
        """Return a row in which the person has the role, or one that there is not."""
        return next((row.pk for row in self.census.rows[kind] if self.reaches(row, least)), ABSENT)

    def reaches(self, row: Row, least: int) -> bool:
        """Tell whether the person has the role where the row is."""
        places = {place for own in row.places for place in (own, (own[0], None))}
        return any(self.person.grants.get(place, 0) >= least for place in places)

    def act_on_all_collectors(self) -> None:
        """Choose every collector there is in one action of the admin: it reaches those that are one's own to command."""
        everyones = self.census.rows["collector"]
        chosen = [str(row.pk) for row in everyones] + [str(ABSENT)]
        last = Command.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        with undone():
            form = {"action": "collect", "index": "0", "_selected_action": chosen}
            self.asking.submit("collectors/collector/", form)
            asked = set(Command.objects.filter(pk__gt=last).values_list("collector_id", flat=True))
        assert asked == {row.pk for row in everyones if self.person.changes(row)}

    def refused(self, send: Any, pk: int, *, shown_again: bool = False) -> Answer:
        """Return the answer without the id, after making sure that nothing came of it."""
        with undone():
            answer = send()
            assert answer.status_code in (REFUSED | {200} if shown_again else REFUSED), answer.request
            assert stored() == self.before, answer.request
        text = f"{answer.headers.get('Location', '')} {'' if shown_again else answer.content.decode()}"
        return answer.status_code, text.replace(f"/{pk}/", "/ID/").replace(f'"{pk}"', "ID")
