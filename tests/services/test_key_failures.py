"""Wrong collector keys: many of them are slowed down, and a good one never is."""

import pytest

from collectors.domain import limits
from collectors.domain.keys import generate_key
from collectors.models import AuditEntry
from collectors.services import key_failures
from tests.api.callers import Caller, content_of, with_key
from tests.cast import Cast, enrolment_token

pytestmark = pytest.mark.django_db


def beat(caller: Caller, cast: Cast, address: str = "192.0.2.1") -> tuple[int, str]:
    answer = caller.post(f"collectors/{cast.collector.pk}/heartbeat", {}, REMOTE_ADDR=address)
    return answer.status_code, content_of(answer).get("code", "")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "KEY_FAILURES_PER_WINDOW", 3)


def test_a_network_that_sent_many_wrong_keys_is_told_to_wait(few: None, cast: Cast) -> None:
    wrong = with_key(generate_key(cast.collector.pk))
    found = [beat(wrong, cast) for _ in range(5)]
    assert found == [(401, "key_not_valid")] * 3 + [(429, "key_not_valid")] * 2
    answer = wrong.post(f"collectors/{cast.collector.pk}/heartbeat", {}, REMOTE_ADDR="192.0.2.1")
    assert 0 < int(answer["Retry-After"]) <= limits.KEY_FAILURES_WINDOW_SECONDS
    assert beat(wrong, cast, "198.51.100.1")[0] == 401


def test_nobody_locks_a_collector_out_from_behind_the_same_address(few: None, cast: Cast) -> None:
    wrong = with_key(generate_key(cast.collector.pk))
    for _ in range(20):
        beat(wrong, cast)
    assert beat(with_key(cast.key), cast)[0] == 200


def test_a_window_ends(few: None, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = with_key("nonsense")
    for _ in range(5):
        beat(wrong, cast)
    monkeypatch.setattr(limits, "KEY_FAILURES_WINDOW_SECONDS", 0)
    assert beat(wrong, cast)[0] == 401


def test_wrong_keys_are_in_the_audit_once_a_window(cast: Cast) -> None:
    wrong = with_key(generate_key(cast.collector.pk))
    for _ in range(10):
        beat(wrong, cast)
    entry = AuditEntry.objects.get(action="key.refused")
    assert (entry.address, entry.organization_id) == ("192.0.2.1", cast.example.pk)
    assert "collector_" not in str(entry.after)


def test_wrong_enrolment_tokens_are_slowed_down_by_themselves_and_in_the_audit_once_a_window(
    few: None, cast: Cast
) -> None:
    anybody = Caller()

    def enrol(token: str) -> tuple[int, str]:
        body = {"token": token, "request_id": "1" * 32, "name": "db7"}
        answer = anybody.post("enrolments", body, REMOTE_ADDR="192.0.2.1")
        return answer.status_code, content_of(answer).get("code", "")

    assert [enrol("enroll_x") for _ in range(4)] == [(401, "enrolment_refused")] * 3 + [(429, "enrolment_refused")]
    entry = AuditEntry.objects.get(action="enrolment_token.refused")
    assert (entry.address, "enroll_x" in str(entry.after)) == ("192.0.2.1", False)
    assert beat(with_key("nonsense"), cast)[0] == 401
    assert enrol(enrolment_token(cast.shop).token)[0] == 200, "a good one is never refused"


def test_what_is_remembered_of_networks_is_bounded(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_failures, "_KEPT", 10)
    for number in range(30):
        key_failures.note(presented="collector", address=f"192.0.2.{number}", path="/")
    assert len(key_failures._counts) == 10
