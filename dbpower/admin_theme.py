"""How the admin looks: names, colours and the sidebar of django-unfold."""

from typing import Any

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "DBPower",
    "SITE_HEADER": "DBPower",
    "SITE_SUBHEADER": "Slow queries of your fleet",
    "SITE_URL": None,
    "SITE_SYMBOL": "monitor_heart",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
}
