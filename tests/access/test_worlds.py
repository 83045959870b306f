"""Nobody can read, change, count or infer what is not theirs, in whatever world of tenants."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from unittest.mock import patch

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, Phase, example, given, settings

from collectors.models import Team, User
from tests.access.asking import Asking
from tests.access.attacks import Attacker
from tests.access.elsewhere import CHANGES, rows_of_team
from tests.access.oracle import Census
from tests.access.reading import Reader
from tests.access.rows import undone
from tests.access.worlds import RICH, Builder, Shape, shapes

pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.timeout(300)]

# Always the same few, so that a change and not luck turns the build red; `make worlds` tries others.
WORLDS = int(os.environ.get("DBPOWER_WORLDS", "0"))
few = settings(
    max_examples=WORLDS or 2,
    derandomize=not WORLDS,
    database=None,
    deadline=None,
    # A world takes seconds, so that looking for the smallest one that fails takes many minutes.
    phases=[Phase.explicit, Phase.generate, *([Phase.shrink] if WORLDS else [])],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@contextmanager
def built(shape: Shape) -> Iterator[tuple[Builder, list[User], Random]]:
    """Build the world, stop its clock, and undo it in the end. What is refused in it is not written down: it is asked twice."""
    now = timezone.now()
    nothing = patch("collectors.services.audit._allowed", lambda *_: None)
    with patch("django.utils.timezone.now", lambda: now), nothing, undone():
        builder = Builder(shape, now)
        yield builder, builder.build(), builder.random


@few
@given(shape=shapes())
@example(shape=RICH)
def test_lists_hold_what_the_roles_permit_and_nothing_else(shape: Shape, db: None) -> None:
    with built(shape) as (_, people, random):
        census = Census()
        for user in people:
            reader = Reader(census, census.person(user), random)
            reader.read_api()
            reader.read_admin()


@few
@given(shape=shapes())
@example(shape=RICH)
def test_what_happens_out_of_sight_changes_no_answer(shape: Shape, db: None) -> None:
    with built(shape) as (builder, people, random):
        census = Census()
        for user in people[1:]:
            asking = Asking(census.person(user))
            for team in random.sample(list(Team.objects.order_by("pk")), 1):
                unseen = [change for change in CHANGES if not change.seen_by(asking.person, team)]
                if unseen:
                    elsewhere = rows_of_team(census, team)
                    before = dict(asking.everything(census, elsewhere))
                    with undone():
                        for change in unseen:
                            change.happen(builder, team)
                        for name, text in asking.everything(census, elsewhere):
                            assert text == before[name], (name, [change.__class__.__name__ for change in unseen])


@few
@given(shape=shapes())
@example(shape=RICH)
def test_what_a_role_does_not_permit_changes_nothing(shape: Shape, db: None) -> None:
    with built(shape) as (_, people, random):
        census = Census()
        for user in people[1:]:
            attacker = Attacker(census, census.person(user), random)
            attacker.attack_rows()
            attacker.name_rows_in_bodies()
            attacker.act_on_all_collectors()
