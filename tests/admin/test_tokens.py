"""One's own API tokens in the console."""

import re

import pytest
from django.urls import reverse

from collectors.domain.personal_tokens import TokenScope
from collectors.models import PersonalToken
from collectors.services.personal_tokens import create_token
from tests.admin.conftest import Visit
from tests.api.callers import bearer
from tests.cast import PASSWORD, SOMEBODY, Cast

pytestmark = pytest.mark.django_db


def test_a_token_is_made_and_shown_once_and_works(cast: Cast, visit: Visit) -> None:
    client = visit(cast.carol)
    answer = client.post(
        reverse("admin:tokens"), {"name": "nightly", "days": "7", "scopes": ["read"], "password": PASSWORD}
    )
    assert "no-store" in answer["Cache-Control"]
    (token,) = set(re.findall(r"dbp_[\w-]{43}", answer.content.decode()))
    assert bearer(token).get("teams").status_code == 200
    page = client.get(reverse("admin:tokens")).content.decode()
    assert "nightly" in page
    assert token not in page


@pytest.mark.parametrize(
    "body",
    [
        {"name": "", "days": "7", "scopes": ["read"], "password": PASSWORD},
        {"name": "x", "days": "367", "scopes": ["read"], "password": PASSWORD},
        {"name": "x", "days": "7", "scopes": ["read"]},
        {"name": "x", "days": "7", "scopes": ["read"], "password": "wrong"},
        {"name": "x", "days": "7", "scopes": [], "password": PASSWORD},
        {"name": "x", "days": "7", "scopes": ["all"], "password": PASSWORD},
    ],
)
def test_a_token_that_cannot_be_is_refused_in_the_form(body: dict[str, object], cast: Cast, visit: Visit) -> None:
    assert visit(cast.carol).post(reverse("admin:tokens"), body).status_code == 200
    assert not PersonalToken.objects.exists()


@pytest.mark.parametrize("who", ["root", "alice", "bob"])
def test_nobody_sees_or_revokes_somebody_elses(who: str, cast: Cast, visit: Visit) -> None:
    row = create_token(user=cast.carol, name="carols-own", scopes=[TokenScope.READ], days=1, actor=SOMEBODY).row
    client = visit(getattr(cast, who))
    assert b"carols-own" not in client.get(reverse("admin:tokens")).content
    for wanted in (str(row.pk), "x", "", "9" * 30, "9" * 5000):
        assert client.post(reverse("admin:tokens"), {"revoke": wanted}).status_code == 404
    row.refresh_from_db()
    assert row.revoked_at is None
    asked = visit(cast.carol).post(reverse("admin:tokens"), {"revoke": str(row.pk)})
    assert "It was never used." in asked.content.decode()
    row.refresh_from_db()
    assert row.revoked_at is None
    form = {"revoke": str(row.pk), "confirmed": "1"}
    assert visit(cast.carol).post(reverse("admin:tokens"), form).status_code == 302
    row.refresh_from_db()
    assert row.revoked_at is not None
