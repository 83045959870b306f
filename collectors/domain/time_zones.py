"""Time zones by their IANA names, as far as this machine knows them."""

import zoneinfo
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

# Names that say where somebody is. What else there is (`EST`, `Etc/GMT+5`, `US/Eastern`) is for programs, and is understood.
_REGIONS: Final = (
    *("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"),
)
UTC: Final = "UTC"


@cache
def known() -> frozenset[str]:
    """Return the names of all zones. Reading them takes some milliseconds, once."""
    return frozenset(zoneinfo.available_timezones())


@cache
def by_region() -> dict[str, list[str]]:
    """Return the names to choose from: of each part of the world, in their order."""
    found: dict[str, list[str]] = {region: [] for region in _REGIONS}
    for name in sorted(known()):
        region, _, place = name.partition("/")
        if place and region in found:
            found[region].append(name)
    return {region: names for region, names in found.items() if names}


def zone_of(name: str) -> ZoneInfo | None:
    """Return the zone of that name, which may come from anywhere; None when there is no such zone."""
    return ZoneInfo(name) if name in known() else None
