"""What load is grouped by."""

from collectors.domain.groupings import SLOW_QUERY_COLUMNS, Grouping, grouping
from collectors.models import Cost, SlowQuery


def test_a_grouping_that_is_none_is_the_default() -> None:
    assert grouping("team") is Grouping.TEAM
    assert grouping("") is grouping("no such") is Grouping.FINGERPRINT


def test_columns_of_slow_queries_exist_on_both_sides() -> None:
    assert set(SLOW_QUERY_COLUMNS) <= {field.name for field in Cost._meta.fields}
    assert set(SLOW_QUERY_COLUMNS.values()) <= {field.name for field in SlowQuery._meta.fields}
