"""How the admin looks: names, colours and where the sidebar comes from."""

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

# A blue that reads on white and on the dark theme, in the lightness steps of Unfold's own palette.
_PRIMARY = {
    "50": "oklch(97.0% .014 254.604)",
    "100": "oklch(93.2% .032 255.585)",
    "200": "oklch(88.2% .059 254.128)",
    "300": "oklch(80.9% .105 251.813)",
    "400": "oklch(70.7% .165 254.624)",
    "500": "oklch(62.3% .214 259.815)",
    "600": "oklch(54.6% .245 262.881)",
    "700": "oklch(48.8% .243 264.376)",
    "800": "oklch(42.4% .199 265.638)",
    "900": "oklch(37.9% .146 265.522)",
    "950": "oklch(28.2% .091 267.935)",
}

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "DBPower",
    "SITE_HEADER": "DBPower",
    "SITE_SUBHEADER": _("Slow queries of your fleet"),
    "SITE_URL": None,
    "SITE_SYMBOL": "monitor_heart",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    # Unfold's faint text is a step lighter: too little on the grey of a line that is pointed at.
    "COLORS": {"primary": _PRIMARY, "font": {"subtle-light": "var(--color-base-600)"}},
    "STYLES": [
        lambda _request: static("collectors/admin.css"),
        lambda _request: static("collectors/charts.css"),
        lambda _request: static("collectors/people.css"),
    ],
    "SCRIPTS": [
        lambda _request: static("collectors/admin.js"),
        lambda _request: static("collectors/time_zone.js"),
        lambda _request: static("collectors/charts.js"),
    ],
    "COMMAND": {"search_models": True, "show_history": False},
    "ACCOUNT": {
        "navigation": [
            {"title": _("Preferences"), "link": reverse_lazy("admin:preferences")},
            {"title": _("Change password"), "link": reverse_lazy("admin:password_change")},
            {"title": _("Second factor"), "link": reverse_lazy("admin:second_factor")},
            {"title": _("API tokens"), "link": reverse_lazy("admin:tokens")},
        ]
    },
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "show_all_applications": False,
        "navigation": "collectors.admin.navigation.navigation",
    },
}
