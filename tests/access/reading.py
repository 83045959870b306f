"""One person reads every list in many ways, and compares it with what the oracle says."""

import json
import re
from random import Random
from typing import Any, Final

from tests.access.asking import ADMIN_KINDS, ApiList, Asking, api_lists
from tests.access.oracle import SEEN_FROM, WORD, Census, Person, Row

ABSENT: Final = 999_999
RELATED: Final = {"organization", "team", "database"}


class Reader:
    """Reads every list as one person, and compares it with what the oracle says."""

    def __init__(self, census: Census, person: Person, random: Random) -> None:
        self.census, self.person, self.random = census, person, random
        self.asking = Asking(person)
        self.hidden = census.hidden_words(person)

    def expect(self, text: str, *, asked: str = "") -> None:
        """Fail if the text holds a word that is not the person's to see."""
        assert not (set(WORD.findall(text)) & self.hidden) - {asked}

    def some(self, values: Any, count: int) -> list[Any]:
        """Return a few of the values."""
        distinct = sorted(set(values))
        return self.random.sample(distinct, min(count, len(distinct)))

    # -- API -----------------------------------------------------------------------------------------------------------

    def read_api(self) -> None:
        """Read every list: page by page, filtered, searched and ordered."""
        for listed in api_lists():
            if not listed.nested:
                self.read_list(listed, listed.path, self.census.visible(self.person, listed.kind))
                continue
            for collector in self.random.sample(
                self.census.rows["collector"], min(3, len(self.census.rows["collector"]))
            ):
                if self.person.sees(collector):
                    every = self.census.rows[listed.kind]
                    rows = [row for row in every if row.values["collector_id"] == collector.pk]
                    self.read_list(listed, listed.at(collector.pk), rows)
                else:
                    answers = [self.asking.api.get(listed.at(pk)) for pk in (collector.pk, ABSENT)]
                    assert answers[0].status_code == 404
                    assert answers[0].content == answers[1].content
        self.read_queries()
        self.read_plans()

    def read_list(self, listed: ApiList, path: str, rows: list[Row]) -> None:
        """Read one list in many ways."""
        expected = {row.pk for row in rows}
        ids, counts = self.asking.paged(listed, path)
        assert (len(ids), set(ids), counts) == (len(expected), expected, {len(expected)}), path
        everywhere = self.census.rows[listed.kind]
        for name in self.some([name for name in listed.filters if everywhere and name in everywhere[0].values], 2):
            values = self.some([row.values[name] for row in everywhere if row.values[name] is not None], 1)
            for value in [*values, *([ABSENT] if name.endswith("_id") else [])]:
                ids, text = self.asking.listed(listed, path, f"&{name}={value}")
                assert set(ids) == {row.pk for row in rows if row.values[name] == value}, (path, name, value)
                self.expect(text)
        if listed.searches:
            for word in [*self.some(self.census.holders, 1), "orders"]:
                ids, text = self.asking.listed(listed, path, f"&search={word}")
                assert set(ids) <= expected, (path, word)
                if everywhere and all(column in everywhere[0].values for column in listed.searches):
                    assert set(ids) == {row.pk for row in rows if self.holds(row, listed.searches, word)}, (path, word)
                self.expect(text)
        for name in self.some(listed.orderings, 1):
            ids, text = self.asking.listed(listed, path, f"&ordering=-{name}")
            assert set(ids) == expected, (path, name)
            self.expect(text)

    @staticmethod
    def holds(row: Row, columns: list[str], word: str) -> bool:
        """Tell whether one of the columns holds the word."""
        return any(word.lower() in str(row.values[column]).lower() for column in columns)

    def read_queries(self) -> None:
        """Read the totals: of every database that is the person's to see, with the gaps of these."""
        databases = {row.pk for row in self.census.visible(self.person, "monitoreddatabase")}
        anyones = [row.pk for row in self.census.rows["monitoreddatabase"]]
        for narrowed in [None, *self.some(anyones, 3), ABSENT]:
            answer = self.asking.api.get("queries?page_size=500" + (f"&database_id={narrowed}" if narrowed else ""))
            content = answer.json()  # type: ignore[attr-defined]
            expected = databases if narrowed is None else databases & {narrowed}
            assert {row["database_id"] for row in content["queries"]} == expected
            # Two statements each.
            assert content["count"] == 2 * len(expected)
            gaps = [row for row in self.census.rows["gap"] if row.values["database_id"] in expected]
            assert len(content["completeness"]) == len(gaps)
            self.expect(answer.content.decode())

    def read_plans(self) -> None:
        """Read the plans of a statement that several run: those of databases that are the person's to see."""
        for row in self.random.sample(self.census.rows["fingerprint"], min(2, len(self.census.rows["fingerprint"]))):
            named = row.values["fingerprint_id"]
            answer = self.asking.api.get(f"queries/{named}/plans?page_size=500")
            same = [other for other in self.census.rows["fingerprint"] if other.values["fingerprint_id"] == named]
            pks = {other.pk for other in same if self.person.sees(other)}
            if not pks:
                assert answer.status_code == 404
                continue
            plans = [plan for plan in self.census.visible(self.person, "plan") if plan.values["fingerprint_id"] in pks]
            content = answer.json()  # type: ignore[attr-defined]
            assert {plan["id"] for plan in content["plans"]} == {plan.pk for plan in plans}
            assert content["count"] == len(plans)
            self.expect(answer.content.decode())

    # -- Admin ---------------------------------------------------------------------------------------------------------

    def read_admin(self) -> None:
        """Read every page that lists something."""
        if not self.person.user.is_superuser and not self.person.grants:
            assert self.asking.page("").headers["Location"].startswith("/admin/login/")
            return
        for kind in ADMIN_KINDS:
            self.read_changelist(kind)
        for path in ("", "search/?s=o&extended=1"):
            self.expect(self.asking.page(path).content.decode())
        self.read_queries_page()
        for model, field in (
            ("collector", "team"),
            ("command", "collector"),
            ("gap", "database"),
            ("membership", "user"),
        ):
            self.read_choices(model, field)

    def read_queries_page(self) -> None:
        """Read the load by everything there is: rows and choices are of what is the person's to see, and so are files."""
        databases = {row.pk for row in self.census.visible(self.person, "monitoreddatabase")}
        teams = {row.values["team_id"] for row in self.census.rows["monitoreddatabase"] if row.pk in databases}
        for grouping, expected in (("database", databases), ("team", teams), ("fingerprint", None)):
            answer = self.asking.page("queries/", group=grouping, compare="previous")
            self.expect(answer.content.decode())
            if expected is not None:
                assert {row.key for row in answer.context["page"].rows} == expected
            offered = {select.name: select.options for select in answer.context["controls"].filters}
            assert {int(option.value) for option in offered["database"] if option.value} == databases
        for row in self.some([row.pk for row in self.census.rows["monitoreddatabase"]], 1):
            page = self.asking.page("queries/", group="database", database=row).context["page"]
            # Another's database is like none that was chosen.
            assert {found.key for found in page.rows} == ({row} if row in databases else databases)
            exported = self.asking.page("queries/export/", group="database", database=row, format="json").getvalue()
            assert len(json.loads(exported)["rows"]) == len(page.rows)
            self.expect(exported.decode())
        self.read_query_pages()
        for word in self.some(self.census.holders, 1):
            text = self.asking.page("queries/export/", q=word, format="csv").getvalue().decode()
            self.expect(text)

    def read_query_pages(self) -> None:
        """Read pages of single statements: notes and tags are there for whoever sees the statement."""
        for row in self.random.sample(self.census.rows["fingerprint"], min(2, len(self.census.rows["fingerprint"]))):
            answer = self.asking.page(f"queries/{row.pk}/")
            assert answer.status_code == (200 if self.person.sees(row) else 404)
            self.expect(answer.content.decode())
            if self.person.sees(row):
                notes = [
                    note for note in self.census.rows["fingerprintnote"] if note.values["fingerprint_id"] == row.pk
                ]
                assert {note.pk for note, _ in answer.context["notes"]} == {note.pk for note in notes}
                shown = {name for name, _, _ in answer.context["places"][0].rows}
                assert shown <= {
                    found.values["name"] for found in self.census.visible(self.person, "monitoreddatabase")
                }
            else:
                assert answer.content == self.asking.page(f"queries/{ABSENT}/").content

    def read_changelist(self, kind: str) -> None:
        """Read the list of a table: whole, filtered by anybody's rows, and searched for anybody's words."""
        rows = self.census.visible(self.person, kind)
        path = f"collectors/{kind}/"
        answer = self.asking.page(path)
        if not self.may_look(kind):
            assert answer.status_code == 403
            return
        expected = {row.pk for row in rows}
        assert self.shown(answer) == expected, kind
        for spec in answer.context["cl"].filter_specs:
            related = getattr(getattr(spec, "field", None), "related_model", None)
            if related is not None:
                choices = {pk for pk, _ in spec.lookup_choices}
                assert choices == {row.pk for row in self.census.visible(self.person, related._meta.model_name)}
        table: Any = ADMIN_KINDS[kind]
        if kind == "collector":
            self.read_collectors(rows)
        # Django leaves a filter out where there is nothing to choose from; a foreign choice is like an absent one even so.
        named = {getattr(spec, "field", "") if isinstance(spec, type) else spec[0] for spec in table.list_filter}
        filtered = RELATED & named
        for name in self.some(filtered, 1):
            for value in self.some([row.values[f"{name}_id"] or ABSENT for row in self.census.rows[kind]], 1):
                narrowed = {row.pk for row in rows if row.values[f"{name}_id"] == value}
                found = self.shown(self.asking.page(path, **{f"{name}__id__exact": value}))
                assert found in (narrowed, expected), (kind, name, value)
                if not narrowed:
                    assert found == self.shown(self.asking.page(path, **{f"{name}__id__exact": ABSENT}))
        if table.search_fields:
            for word in self.some(self.census.holders, 1):
                assert self.shown(self.asking.page(path, q=word), asked=word) <= expected

    def read_collectors(self, rows: list[Row]) -> None:
        """Read what the list of collectors asks for beside itself: its rows again, anybody's labels, and completions."""
        path = "collectors/collector/"
        expected = {row.pk for row in rows}
        again = self.asking.page(f"{path}live/").content.decode()
        self.expect(again)
        assert {int(pk) for pk in re.findall(r'data-row="(\d+)"', again)} == expected
        for row in self.random.sample(self.census.rows["collector"], min(2, len(self.census.rows["collector"]))):
            region = row.values["region"]
            for place in ("", "live/"):
                answer = self.asking.page(path + place, region=region)
                self.expect(answer.content.decode(), asked=region)
                found = {int(pk) for pk in re.findall(r'data-row="(\d+)"', answer.content.decode())}
                assert found == ({row.pk} & expected)
        tags = {row.values["tag"] for row in self.census.visible(self.person, "collectortag")}
        answer = self.asking.page(f"{path}choices/", of="tag", term="")
        assert {choice["value"] for choice in answer.json()["choices"]} == set(sorted(tags)[:50])
        for of in self.some(("region", "version", "team", "organization"), 2):
            self.expect(self.asking.page(f"{path}choices/", of=of, term="").content.decode())
        self.expect(self.asking.page(f"{path}filters/").content.decode())

    def shown(self, answer: Any, *, asked: str = "") -> set[int]:
        """Return the ids in a list of the admin, all of whose counts are that of its rows."""
        assert answer.status_code == 200
        self.expect(answer.content.decode(), asked=asked)
        page = answer.context["cl"]
        ids = {row.pk for row in page.result_list}
        assert page.result_count == len(ids) == len(page.result_list)
        return ids

    def may_look(self, kind: str) -> bool:
        """Tell whether the person may open the list of a table at all."""
        return self.person.user.is_superuser or any(rank >= SEEN_FROM[kind] for rank in self.person.grants.values())

    def read_choices(self, model: str, field: str) -> None:
        """Read what an input that completes itself would offer."""
        kind = "monitoreddatabase" if field == "database" else field
        answer = self.asking.page("autocomplete/", app_label="collectors", model_name=model, field_name=field, term="")
        if not self.may_look(kind):
            assert answer.status_code == 403
            return
        assert {int(row["id"]) for row in answer.json()["results"]} == {
            row.pk for row in self.census.visible(self.person, kind)
        }
        self.expect(answer.content.decode())
