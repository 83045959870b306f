"""The language and the time zone in which the console speaks to somebody."""

import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone, translation

from collectors.admin.display import ago, moment, nanoseconds, number
from collectors.models import AuditEntry, User
from dbpower.middleware import LanguageAndZone
from tests.admin.conftest import Rows, Visit
from tests.cast import PASSWORD, Cast

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 27, 14, 3, 12, tzinfo=UTC)


def page(client: Client, name: str = "admin:preferences", **headers: str) -> str:
    return client.get(reverse(name), headers=headers).content.decode()


def spoken(text: str) -> str:
    found = re.search(r'<html lang="(\w+)"', text)
    assert found
    return found[1]


def set_for(user: User, **values: str) -> None:
    User.objects.filter(pk=user.pk).update(**values)


@pytest.fixture(autouse=True)
def _nothing_is_left_of_it() -> Iterator[None]:
    """Hold every test to this: after its requests the thread speaks English and tells UTC."""
    yield
    assert translation.get_language() == "en"
    assert timezone.get_current_timezone_name() == "UTC"


def test_a_person_sets_name_language_and_zone_which_the_audit_records(cast: Cast, visit: Visit) -> None:
    client = visit(cast.carol)
    form = {"name": "Carol Rossi", "language": "it", "time_zone": "Europe/Rome"}
    answer = client.post(reverse("admin:preferences"), form, follow=True)
    assert spoken(answer.content.decode()) == "it"
    assert "Europe/Rome" in answer.content.decode()
    cast.carol.refresh_from_db()
    assert (cast.carol.name, cast.carol.language, cast.carol.time_zone) == ("Carol Rossi", "it", "Europe/Rome")
    entry = AuditEntry.objects.get(action="user.preferences")
    assert (entry.actor, entry.object_id, entry.after) == ("carol@example.org", cast.carol.pk, form)
    assert entry.before == {"name": "", "language": "", "time_zone": ""}
    client.post(reverse("admin:preferences"), form)
    assert AuditEntry.objects.filter(action="user.preferences").count() == 1


@pytest.mark.parametrize("wrong", [{"language": "de"}, {"time_zone": "Europe/Nowhere"}, {"name": "x" * 201}])
def test_what_there_is_not_cannot_be_chosen(wrong: dict[str, str], cast: Cast, visit: Visit) -> None:
    form = {"name": "", "language": "it", "time_zone": "UTC", **wrong}
    assert visit(cast.carol).post(reverse("admin:preferences"), form).status_code == 200
    cast.carol.refresh_from_db()
    assert cast.carol.language == ""


def test_a_zone_that_the_list_does_not_offer_stays_when_something_else_is_changed(cast: Cast, visit: Visit) -> None:
    set_for(cast.carol, time_zone="Etc/GMT+5")
    form = {"name": "Carol", "language": "", "time_zone": "Etc/GMT+5"}
    assert visit(cast.carol).post(reverse("admin:preferences"), form).status_code == 302
    cast.carol.refresh_from_db()
    assert (cast.carol.name, cast.carol.time_zone) == ("Carol", "Etc/GMT+5")


def test_the_console_speaks_the_persons_language_before_the_browsers(cast: Cast, visit: Visit) -> None:
    set_for(cast.carol, language="it")
    assert spoken(page(visit(cast.carol), **{"Accept-Language": "en"})) == "it"
    set_for(cast.bob, language="en")
    assert spoken(page(visit(cast.bob), **{"Accept-Language": "it"})) == "en"


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("it-CH, en;q=0.5", "it"), ("de, it;q=0.5", "it"), ("de", "en"), ("", "en"), ("it" * 2000, "en"), (";;,", "en")],
)
def test_somebody_who_chose_nothing_is_spoken_to_as_the_browser_asks(
    accepted: str, language: str, cast: Cast, visit: Visit
) -> None:
    headers = {"Accept-Language": accepted}
    assert spoken(page(visit(cast.carol), **headers)) == language
    answer = Client().get(reverse("admin:login"), headers=headers)
    assert spoken(answer.content.decode()) == language
    assert answer["Content-Language"] == language
    assert "Accept-Language" in answer["Vary"]


def test_a_language_that_is_no_longer_offered_is_like_none(cast: Cast, visit: Visit) -> None:
    set_for(cast.carol, language="tlh")
    assert spoken(page(visit(cast.carol), **{"Accept-Language": "it"})) == "it"


@pytest.mark.parametrize(
    ("chosen", "told", "zone"),
    [
        ("Asia/Kolkata", "Europe/Rome", "Asia/Kolkata"),
        ("", "Europe/Rome", "Europe/Rome"),
        ("", "", "UTC"),
        ("", "../../etc/passwd", "UTC"),
        ("", "/etc/localtime", "UTC"),
        ("", "Europe/Nowhere", "UTC"),
        ("", "x" * 4000, "UTC"),
        ("", "Europe/Rome%00", "UTC"),
        ("Mars/Olympus", "Europe/Rome", "Europe/Rome"),
    ],
)
def test_times_are_told_in_the_persons_zone_else_the_browsers_else_utc(
    chosen: str, told: str, zone: str, cast: Cast, visit: Visit
) -> None:
    set_for(cast.carol, time_zone=chosen)
    client = visit(cast.carol)
    if told:
        client.cookies["dbpower_time_zone"] = told
    assert f"the zone {zone}, where" in page(client)


def test_tables_and_pages_tell_times_in_the_zone_with_utc_on_hover(own: Rows, cast: Cast, visit: Visit) -> None:
    set_for(cast.alice, time_zone="Europe/Rome")
    own.database.__class__.objects.filter(pk=own.database.pk).update(created_at=AT)
    shown = '<time datetime="2026-11-27T14:03:12+00:00" title="2026-11-27 14:03:12 UTC" class="whitespace-nowrap">2026-11-27 15:03</time>'
    client = visit(cast.alice)
    assert shown in page(client, "admin:collectors_monitoreddatabase_changelist")
    address = reverse("admin:collectors_monitoreddatabase_change", args=[own.database.pk])
    assert shown in client.get(address).content.decode()


def test_the_api_stays_english_and_utc_whoever_asks(cast: Cast, visit: Visit) -> None:
    set_for(cast.carol, language="it", time_zone="Asia/Kolkata")
    client = visit(cast.carol)
    client.cookies["dbpower_time_zone"] = "Asia/Kolkata"
    answer = client.get("/api/v1/collectors/999999", headers={"Accept-Language": "it"})
    assert answer.json()["detail"] in {"Not found.", "You do not have permission to perform this action."}
    answer = client.post("/api/v1/auth/token", {"email": "carol@example.org"}, "application/json")
    assert answer.json()["errors"] == {"password": ["This field is required."]}
    token = client.post(
        "/api/v1/auth/token", {"email": "carol@example.org", "password": PASSWORD}, "application/json"
    ).json()["access"]
    teams = client.get("/api/v1/databases", headers={"Authorization": f"Bearer {token}", "Accept-Language": "it"})
    assert re.search(r"T[\d:.]+Z", teams.content.decode())


def test_two_threads_each_keep_their_language_and_zone() -> None:
    met = threading.Barrier(2, timeout=10)
    heard: dict[str, list[str]] = {}

    def answer(request: HttpRequest) -> HttpResponse:
        met.wait()
        told = [translation.get_language(), timezone.get_current_timezone_name()]
        met.wait()
        heard[told[0]] = [*told, translation.get_language()]
        return HttpResponse()

    def ask(language: str, zone: str) -> None:
        request = RequestFactory().get("/admin/")
        request.user = User(language=language, time_zone=zone)
        LanguageAndZone(answer)(request)
        assert translation.get_language() == "en"

    threads = [threading.Thread(target=ask, args=who) for who in (("it", "Europe/Rome"), ("en", "Asia/Kolkata"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == {"it": ["it", "Europe/Rome", "it"], "en": ["en", "Asia/Kolkata", "en"]}


def test_a_page_that_fails_leaves_nothing_of_its_language_behind() -> None:
    def fail(request: HttpRequest) -> HttpResponse:
        raise RuntimeError

    request = RequestFactory().get("/admin/")
    request.user = User(language="it", time_zone="Europe/Rome")
    with pytest.raises(RuntimeError):
        LanguageAndZone(fail)(request)


def test_times_and_ages_in_a_zone() -> None:
    with timezone.override("Europe/Rome"):
        assert 'title="2026-11-27 14:03:12 UTC"' in moment(AT)
        assert ">2026-11-27 15:03<" in moment(AT)
        assert 'title="2026-11-27 15:03:12 CET · 2026-11-27 14:03:12 UTC"' in ago(AT)
    assert moment(None, never="never") == "never"


def test_numbers_and_units_in_two_languages() -> None:
    assert (number(1_234_567), number(1234.5, 2), number(None)) == ("1,234,567", "1,234.50", "-")
    assert number(0.125, 2) == "0.12"
    with translation.override("it"):
        assert (number(1_234_567), number(1234.5, 2)) == ("1.234.567", "1.234,50")
        assert nanoseconds(1_500_000) == "1,50 ms"
