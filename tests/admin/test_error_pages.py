"""What people see where there is no page for them, and what programs get in its place."""

import pytest
from django.http import HttpRequest
from django.test import Client, RequestFactory

from collectors.admin.pages import errors
from tests.admin.conftest import Visit
from tests.cast import Cast

pytestmark = pytest.mark.django_db
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("/admin/no-such-page/", 404, "There is no such page"),
        ("/admin/queries/999999/", 404, "There is no such page"),
        ("/admin/collectors/auditentry/add/", 403, "Your role does not permit this"),
    ],
)
def test_a_page_that_is_not_for_somebody_says_so_in_words_and_leads_on(
    address: str, status: int, said: str, cast: Cast, visit: Visit
) -> None:
    answer = visit(cast.bob).get(address, headers=BROWSER)
    assert answer.status_code == status
    page = answer.content.decode()
    assert said in page
    assert "nav-sidebar-apps" in page
    assert cast.bob.email in page


def test_a_form_without_its_token_is_answered_with_what_to_do(cast: Cast) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.bob)
    answer = client.post("/admin/preferences/", {"name": "x"})
    assert (answer.status_code, b"reload the page" in answer.content) == (403, True)


def test_what_broke_is_told_without_the_database(rf: RequestFactory, django_assert_num_queries: object) -> None:
    request: HttpRequest = rf.get("/admin/")
    with django_assert_num_queries(0):  # type: ignore[operator]
        answers = errors.server_error(request), errors.bad_request(request), errors.not_found(request)
    assert [answer.status_code for answer in answers] == [500, 400, 404]


def test_programs_get_the_one_shape(cast: Cast, visit: Visit) -> None:
    client = visit(cast.bob)
    assert client.get("/api/v1/no-such-thing", headers=BROWSER).json()["code"] == "not_found"
    assert client.get("/admin/no-such-page/").json()["code"] == "not_found"
