"""`manage.py verify_audit`."""

import re

import pytest
from django.core.management import CommandError

from collectors.models import AuditEntry
from collectors.services import audit_chain
from tests.cast import Cast
from tests.management.calling import call

pytestmark = pytest.mark.django_db


def test_a_whole_audit_is_said_to_be_whole_and_each_end_is_printed(cast: Cast) -> None:
    audit_chain.seal()
    printed = call("verify_audit")
    assert printed.endswith("The audit is as it was sealed.\n")
    ends = re.findall(r"end (\d+:\d+:[0-9a-f]{64})", printed)
    assert len(ends) == 2
    assert call("verify_audit", *(f"--expect={end}" for end in ends)) == printed


def test_the_unsealed_tail_is_told(cast: Cast) -> None:
    audit_chain.seal()
    AuditEntry.objects.create(organization=cast.example, actor="x", action="y", object_type="z")
    assert "1 not sealed yet" in call("verify_audit")


def test_a_changed_entry_fails_and_is_named(cast: Cast) -> None:
    audit_chain.seal()
    entry = AuditEntry.objects.filter(organization=cast.example).earliest("pk")
    AuditEntry.objects.filter(pk=entry.pk).update(actor="somebody.else@example.org")
    with pytest.raises(CommandError, match="not as it was sealed"):
        call("verify_audit")


@pytest.mark.parametrize("text", ["1", "1:2:x", "1:2:" + "g" * 64, "a:2:" + "0" * 64])
def test_a_noted_end_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="is not ORGANIZATION"):
        call("verify_audit", f"--expect={text}")


def test_a_noted_end_that_does_not_fit_fails(cast: Cast) -> None:
    audit_chain.seal()
    with pytest.raises(CommandError):
        call("verify_audit", f"--expect={cast.example.pk}:1:{'0' * 64}")
    with pytest.raises(CommandError):
        call("verify_audit", f"--expect=999999:1:{'0' * 64}")
