"""Several collectors on one database: what each of them is."""

from enum import StrEnum


class HaRole(StrEnum):
    """Whether a collector reads its database, or waits until it has to."""

    ACTIVE = "active"
    STANDBY = "standby"
