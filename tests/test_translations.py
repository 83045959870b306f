"""The console in Italian: the catalogues are complete, and no page has English left in it."""

import re
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import translation

from collectors.domain.roles import Role
from collectors.models import AuditEntry, User
from collectors.services import people
from collectors.services.errors import Conflict, Refused, TooManyAttempts
from tests import messages
from tests.access.admin_routes import Place, Route, place, routes
from tests.cast import PASSWORD, SOMEBODY, Cast

CATALOGUES = {
    f"{package}/{language}": (package, folder / language / "LC_MESSAGES" / "django.po")
    for package, folder in messages.catalogues().items()
    for language in messages.LANGUAGES
}
# `%(name)s`, `{name}`, and what makes a text bold or a link.
HELD = re.compile(r"%\(\w+\)[sd]|\{\w*\}|</?\w+[^>]*>")
CLOCK = re.compile(r"\b\d{1,2}:\d{2}\b")
each_catalogue = pytest.mark.parametrize(
    ("package", "catalogue"), [pytest.param(*found, id=name) for name, found in CATALOGUES.items()]
)


@pytest.fixture(scope="module")
def templates() -> Iterator[dict[str, Path]]:
    """What is in the code today."""
    with messages.extracted() as found:
        yield found


def entries(catalogue: Path) -> dict[tuple[str, str], list[str]]:
    """Return the translations by context and text; those of a plural one after the other."""
    found: dict[tuple[str, str], list[str]] = {}
    content: dict[Any, str] = messages.translations(catalogue)._catalog  # type: ignore[attr-defined]
    for key, text in content.items():
        name = key[0] if isinstance(key, tuple) else key
        context, _, source = name.rpartition("\x04")
        found.setdefault((context, source), []).append(text)
    found.pop(("", ""))
    return found


# -- The catalogues ----------------------------------------------------------------------------------------------------


@each_catalogue
def test_everything_in_the_code_is_translated_and_nothing_fuzzy(
    package: str, catalogue: Path, templates: dict[str, Path]
) -> None:
    compared = subprocess.run(["msgcmp", catalogue, templates[package]], capture_output=True, text=True, check=False)
    assert compared.returncode == 0, f"Run `make messages`, and translate:\n{compared.stderr}"
    assert "fuzzy" not in catalogue.read_text()


@each_catalogue
def test_nothing_is_translated_that_the_code_no_longer_says(
    package: str, catalogue: Path, templates: dict[str, Path]
) -> None:
    command: list[str | Path] = ["msgcmp", "--use-untranslated", "--use-fuzzy", templates[package], catalogue]
    compared = subprocess.run(command, capture_output=True, text=True, check=False)
    assert compared.returncode == 0, f"Run `make messages`:\n{compared.stderr}"


@each_catalogue
def test_a_translation_keeps_the_places_to_fill_in_and_the_marks(package: str, catalogue: Path) -> None:
    found = entries(catalogue)
    assert len(found) > 50
    for (_context, source), translated in found.items():
        for text in translated:
            assert sorted(HELD.findall(text)) == sorted(HELD.findall(source)), source
            assert text.strip(), source
            assert '"' not in re.sub(r"<[^>]*>", "", text), f"{source}: would end an attribute"


@each_catalogue
def test_a_plural_has_both_forms(package: str, catalogue: Path) -> None:
    assert "nplurals=2; plural=(n != 1);" in catalogue.read_text()
    for entry in catalogue.read_text().split("\n\n"):
        assert ("msgid_plural" in entry) == ("msgstr[1]" in entry), entry


@each_catalogue
def test_a_catalogue_is_in_the_order_in_which_it_is_made(package: str, catalogue: Path, tmp_path: Path) -> None:
    made = tmp_path / "django.po"
    made.write_text(catalogue.read_text())
    messages.update(made, catalogue, "it")
    assert made.read_text() == catalogue.read_text(), "Run `make messages`."


@each_catalogue
def test_no_word_of_ours_takes_the_place_of_one_that_django_means_otherwise(package: str, catalogue: Path) -> None:
    """One catalogue is made of all: `May` above a column would name the month too."""
    django = entries(messages.DJANGO / "conf/locale/it/LC_MESSAGES/django.po")
    for name, texts in entries(catalogue).items():
        assert [text.lower() for text in django.get(name, texts)] == [text.lower() for text in texts], name


# -- The pages ---------------------------------------------------------------------------------------------------------


class Texts(HTMLParser):
    """What of a page is read, by eyes or by a screen reader."""

    READ = ("aria-label", "alt", "placeholder", "title", "data-label", "data-copied", "data-selected")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        # Those that hold a time of day and are not marked as a time, which tells UTC on hover.
        self.times: set[str] = set()
        self._within: list[str] = []
        self._open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what stands in attributes."""
        values = dict(attrs)
        if tag == "time":
            self._open.append(tag)
        if tag in {"script", "style"} or "material-symbols-outlined" in (values.get("class") or ""):
            self._within.append(tag)
        self.found.update(value.strip() for name, value in attrs if name in self.READ and value)
        if tag == "input" and values.get("type") == "submit":
            self.found.add((values.get("value") or "").strip())

    def handle_endtag(self, tag: str) -> None:
        """Leave scripts, styles and the names of icons."""
        for within in (self._within, self._open):
            if within and within[-1] == tag:
                within.pop()

    def handle_data(self, data: str) -> None:
        """Note a text."""
        if not self._within:
            text = " ".join(data.split()).rstrip(":*")
            self.found.add(text)
            if "time" not in self._open and CLOCK.search(text):
                self.times.add(text)


@pytest.fixture(scope="module")
def english() -> dict[str, str]:
    """Every text that is translated, ours and Django's, with what a page in Italian ought to say instead."""
    sources = {source for _, catalogue in CATALOGUES.values() for _, source in entries(catalogue)}
    for part in ("admin", "auth"):
        sources |= {
            source for _, source in entries(messages.DJANGO / f"contrib/{part}/locale/it/LC_MESSAGES/django.po")
        }
    plain = {source for source in sources if not HELD.search(source)}
    found = {}
    with translation.override("it"):
        for source in plain:
            text = translation.gettext(source)
            if text != source:
                found[source] = text
                found[source[:1].upper() + source[1:]] = text
    return found


# Stored words that happen to be those of the catalogue: kinds of rows in the audit.
DATA = {"collector", "command", "team", "user", "invitation", "organization", "membership"}


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def world(cast: Cast) -> Place:
    """One row of every table; Root reads Italian."""
    User.objects.filter(pk=cast.root.pk).update(language="it")
    return place(cast)


@pytest.mark.django_db
def test_no_page_in_italian_has_english_left_or_a_time_without_its_zone(world: Place, english: dict[str, str]) -> None:
    client = signed_in(world.cast.root)
    left: dict[str, set[str]] = {}
    seen = 0
    for route in routes():
        if route.method != "GET" or "logout" in route.template:
            continue
        answer = client.get(world.path(route), world.query(route), follow=True)
        if answer.status_code != 200 or not answer["Content-Type"].startswith("text/html"):
            continue
        seen += 1
        page = Texts(answer.content.decode())
        found = page.found & set(english) - DATA | page.times
        if found:
            left[str(route)] = found
    assert seen > 50
    assert left == {}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("template", "shown"),
    [
        ("/collectors/collector/add/", "Another name è registrato"),
        ("/collectors/collector/{id}/do/rotate_key/", "Queste chiavi vengono mostrate solo adesso"),
        ("/collectors/enrolmenttoken/add/", "Vale per 2 host, fino al <time"),
        ("/collectors/membership/add/", "Questo link viene mostrato solo adesso"),
        ("/tokens/", "Questo token viene mostrato solo adesso"),
    ],
)
def test_what_is_shown_once_is_shown_in_italian(
    world: Place, english: dict[str, str], template: str, shown: str
) -> None:
    User.objects.filter(pk=world.cast.alice.pk).update(language="it")
    route = Route("POST", template)
    page = signed_in(world.cast.alice).post(world.path(route), world.form(route)).content.decode()
    assert shown in page
    texts = Texts(page)
    assert not texts.found & set(english) - DATA | texts.times


@pytest.mark.django_db
def test_pages_outside_speak_italian_to_an_italian_browser(world: Place, english: dict[str, str]) -> None:
    client = Client(headers={"Accept-Language": "it-IT,it;q=0.9,en;q=0.5"})
    for template in ("/login/", "/invitation/{token}/", "/second-factor/"):
        page = client.get(world.path(Route("GET", template)), follow=True).content.decode()
        assert '<html lang="it"' in page
        assert not Texts(page).found & set(english)
    page = client.post(reverse("admin:login"), {"username": "nobody@example.org", "password": "wrong"}).content.decode()
    assert "non sono corretti" in page


@pytest.mark.django_db
def test_what_an_italian_does_is_answered_in_italian_and_stored_in_english(cast: Cast) -> None:
    User.objects.filter(pk=cast.alice.pk).update(language="it")
    client = signed_in(cast.alice)
    address = reverse("admin:collectors_team_delete", args=[cast.shop.pk])
    assert (
        "Il team ha ancora database o collector." in client.post(address, {"post": "yes"}, follow=True).content.decode()
    )
    before = set(AuditEntry.objects.values_list("pk", flat=True))
    address = reverse("admin:collectors_collector_do", args=[cast.collector.pk, "stop"])
    assert "Arresto richiesto: shop-mysql." in client.post(address, follow=True).content.decode()
    address = reverse("admin:collectors_team_add")
    client.post(address, {"name": "Squadra", "organization": cast.example.pk})
    stored = {
        (entry.action, entry.object_type, entry.object_label) for entry in AuditEntry.objects.exclude(pk__in=before)
    }
    assert stored == {("command.stop", "collector", "shop-mysql"), ("team.create", "team", "Squadra")}


@pytest.mark.django_db
def test_refusals_are_said_in_the_language_of_the_moment_and_english_without_one(cast: Cast) -> None:
    def said() -> list[str]:
        with pytest.raises(Conflict) as in_the_way:
            people.delete_team(team=cast.shop, actor=SOMEBODY)
        with pytest.raises(Refused) as unfit:
            people.check_fit(cast.example, None, Role.USER)
        throttled = TooManyAttempts(retry_after_seconds=61)
        return [str(in_the_way.value), *unfit.value.errors["team_id"], str(throttled)]

    assert said() == [
        "The team still has databases or collectors.",
        "This role needs a team.",
        "Too many attempts to sign in. Try again in 2 minutes.",
    ]
    with translation.override("it"):
        assert said() == [
            "Il team ha ancora database o collector.",
            "Questo ruolo richiede un team.",
            "Troppi tentativi di accesso. Riprova tra 2 minuti.",
        ]


@pytest.mark.django_db
def test_the_api_answers_an_italian_in_english(cast: Cast, client: Client) -> None:
    User.objects.filter(pk=cast.alice.pk).update(language="it")
    login = {"email": "alice@example.org", "password": PASSWORD}
    token = client.post("/api/v1/auth/token", login, "application/json").json()["access"]
    headers = {"Authorization": f"Bearer {token}", "Accept-Language": "it"}
    answer = client.delete(f"/api/v1/teams/{cast.shop.pk}", headers=headers)
    assert (answer.status_code, answer.json()["detail"]) == (409, "The team still has databases or collectors.")
    answer = client.post("/api/v1/teams", {"name": ""}, "application/json", headers=headers)
    assert answer.json()["errors"]["name"] == ["This field may not be blank."]


def test_nothing_was_translated_when_it_was_imported() -> None:
    """Columns, actions and closed lists are said in the language of whoever looks, one after the other."""
    from collectors.admin.collectors import CollectorAdmin
    from collectors.models import Command, Gap

    assert str(CollectorAdmin.stop.button.label) == "Stop"
    with translation.override("it"):
        assert str(CollectorAdmin.stop.button.label) == "Arresta"
        assert str(Command._meta.verbose_name) == "comando"
        assert Command(state="pending").get_state_display() == "in attesa"
        assert Gap(kind="baseline").get_kind_display() == "il conteggio è iniziato qui"
    assert Command(state="pending").get_state_display() == "pending"
