"""A minute of what `make chaos` does for ten."""

import pytest

from tests.chaos.play import TARGETS, Chaos
from tests.chaos.schedule import draw_schedule
from tests.chaos.table import table

# A schedule in which each kind of act comes up within the minute.
SEED = 160


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_after_a_minute_of_chaos_the_ledger_balances() -> None:
    chaos = Chaos(seed=SEED, seconds=60, tell=print)
    verdicts = chaos.run()
    print(table(chaos, verdicts))
    assert [fault for verdict in verdicts for fault in verdict.faults] == []
    assert all(verdict.stored.calls > 0 for verdict in verdicts)


def test_a_schedule_is_the_same_for_the_same_seed_and_spares_whom_it_should() -> None:
    schedule = draw_schedule(seed=SEED, seconds=600, targets=TARGETS)
    assert schedule == draw_schedule(seed=SEED, seconds=600, targets=TARGETS)
    assert schedule != draw_schedule(seed=SEED + 1, seconds=600, targets=TARGETS)
    spared = {moment.act.name for moment in schedule if moment.target and moment.target.spared}
    assert spared == {"KILL_AGENT", "KILL_AGENT_KEEP", "CUT_OFF"}
