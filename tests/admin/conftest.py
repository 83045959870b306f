"""The cast with something in every table, and a browserless visitor."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from collectors.domain.commands import CommandType
from collectors.domain.roles import Role
from collectors.models import (
    AuditEntry,
    Bucket,
    Collector,
    Command,
    EnrolmentToken,
    Fingerprint,
    Gap,
    Invitation,
    Membership,
    MonitoredDatabase,
    SlowQuery,
    Statement,
    StatusChange,
    User,
)
from collectors.services import rollups
from collectors.services.commands import request_command
from collectors.services.invitations import invite
from tests.authenticator import with_second_factor
from tests.cast import SOMEBODY, Cast, enrolment_token, person

Visit = Callable[[User], Client]


@dataclass
class Rows:
    """One row of every table that belongs to one collector's team."""

    collector: Collector
    database: MonitoredDatabase
    command: Command
    status_change: StatusChange
    fingerprint: Fingerprint
    statement: Statement
    slow_query: SlowQuery
    gap: Gap
    audit: AuditEntry
    membership: Membership
    user: User
    invitation: Invitation
    enrolment_token: EnrolmentToken

    def all(self) -> list[object]:
        """Return them all."""
        return list(vars(self).values())


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Settings) -> None:
    """Hash the cast's passwords quickly: how hard they are to guess says nothing about the pages."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def visit() -> Visit:
    """Return a client that is signed in as somebody."""

    def signed_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return signed_in


@pytest.fixture
def own(cast: Cast) -> Rows:
    """What belongs to the team Shop of Example GmbH."""
    return rows_of(cast.collector, "select own_secret from orders where id = ?")


@pytest.fixture
def foreign(cast: Cast) -> Rows:
    """What belongs to Sample Srl."""
    return rows_of(cast.foreign_collector, "select foreign_secret from orders where id = ?")


def rows_of(collector: Collector, text: str) -> Rows:
    """Make one row of every table for the collector's database."""
    organization_id = collector.organization_id
    database = collector.database
    fingerprint = Fingerprint.objects.create(
        organization_id=organization_id, fingerprint_id=f"{collector.pk:016x}", text=text
    )
    statement = Statement.objects.create(
        organization_id=organization_id,
        database=database,
        source="slow_log",
        key=f"key-{collector.name}",
        fingerprint=fingerprint,
        text_state="known",
    )
    now = timezone.now()
    Bucket.objects.create(
        statement=statement,
        started_at=now - timedelta(minutes=10),
        organization_id=organization_id,
        database=database,
        calls=4,
        total_time_ns=6_000_000_000,
        max_time_ns=2_500_000_000,
        rows=12,
    )
    rollups.mark(database=database, level=rollups.HOURS, changed=[now - timedelta(minutes=10)])
    slow_query = SlowQuery.objects.create(
        organization_id=organization_id,
        database=database,
        statement=statement,
        started_at=now - timedelta(minutes=10),
        time_approximate=False,
        query_time_ns=2_500_000_000,
        lock_time_ns=0,
        rows_sent=1,
        rows_examined=2,
        rows_affected=0,
        user_name=f"user-of-{collector.name}",
        host="127.0.0.1",
    )
    gap = Gap.objects.create(
        organization_id=organization_id,
        database=database,
        source="slow_log",
        kind="lost_rows",
        amount=7,
        covered_from=now - timedelta(minutes=20),
        covered_to=now - timedelta(minutes=15),
    )
    command = request_command(collector=collector, command=CommandType.COLLECT, actor=SOMEBODY)
    member = person(f"spare-{collector.pk}@example.org", Role.USER, collector.organization, collector.team)
    with_second_factor(member)
    return Rows(
        collector=collector,
        database=database,
        command=command,
        status_change=StatusChange.objects.filter(collector=collector)[0],
        fingerprint=fingerprint,
        statement=statement,
        slow_query=slow_query,
        gap=gap,
        audit=AuditEntry.objects.filter(organization_id=organization_id)[0],
        membership=Membership.objects.filter(organization_id=organization_id)[0],
        user=member,
        enrolment_token=enrolment_token(collector.team).row,
        invitation=invite(
            organization=collector.organization,
            team=collector.team,
            role=Role.USER,
            email=f"invited-{collector.pk}@example.org",
            actor=SOMEBODY,
        ).row,
    )
