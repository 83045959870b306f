"""How an agent reaches its database, as fields of a form. The password can be set and is never shown."""

from typing import Any, Final

from django import forms
from django.core.validators import MaxLengthValidator, RegexValidator
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from collectors.domain import connections, limits
from collectors.services.collectors import BOTH_GIVEN

_MODES: Final = (
    ("", _("Decided by the agent: plain on its own host, verified elsewhere")),
    ("disable", _("disable: never encrypted")),
    ("require", _("require: encrypted, server not verified")),
    ("verify_ca", _("verify_ca: encrypted, certificate verified")),
    ("verify_identity", _("verify_identity: certificate and host name verified")),
)
_PRINTABLE: Final = RegexValidator(r"[\x00-\x1f\x7f]", _("Control characters are not allowed."), inverse_match=True)
# A comma makes a driver try several hosts, a slash or an at sign makes it take the host for something else.
_ONE_HOST: Final = RegexValidator(r"[,/@\\'\"\s]", _("One host name or address is needed."), inverse_match=True)
_ABSOLUTE: Final = RegexValidator(r"^/", _("An absolute path on the agent's host is needed."))

# The form's field for each member of the configuration.
_MEMBERS: Final = {
    "db_host": "host",
    "db_port": "port",
    "db_user": "user",
    "db_password": "password",
    "db_password_from": "password_from",
    "db_database": "database",
    "db_socket": "socket",
}
_TLS_MEMBERS: Final = {"tls_mode": "mode", "tls_ca": "ca", "tls_cert": "cert", "tls_key": "key"}
CONNECTION_FIELDS: Final = (*_MEMBERS, *_TLS_MEMBERS)


def _text(label: Any, longest: int, *validators: Any, help_text: Any = "") -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        validators=[MaxLengthValidator(longest), _PRINTABLE, *validators],
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text=help_text,
    )


class ConnectionForm(forms.Form):
    """The members of a configuration. All may be left out: the agent's own file may hold them."""

    db_host = _text(_("Host"), 255, _ONE_HOST, help_text=_("Seen from the agent's host. Empty: this host."))
    db_port = forms.IntegerField(
        label=_("Port"),
        required=False,
        min_value=1,
        max_value=65535,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_("Empty: 3306 for MySQL and MariaDB, 5432 for PostgreSQL."),
    )
    db_user = _text(_("User"), 128)
    db_password = forms.CharField(
        label=_("Password"),
        required=False,
        strip=False,
        validators=[MaxLengthValidator(limits.MAX_DATABASE_PASSWORD_CHARACTERS), _PRINTABLE],
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text=_("Stored encrypted and never shown again."),
    )
    db_password_from = _text(
        _("Secret on the agent's host"),
        32,
        RegexValidator(connections.SECRET_NAME, _("1 to 32 of a-z, 0-9, _ and - are needed.")),
        help_text=_("In place of a password: a name in db_secrets of the agent's configuration file."),
    )
    db_database = _text(
        _("Database name"), 128, help_text=_("The one to connect to; PostgreSQL: where the extension is.")
    )
    db_socket = _text(_("Socket"), 1024, _ABSOLUTE, help_text=_("Instead of host and port."))
    tls_mode = forms.ChoiceField(
        label="TLS", required=False, choices=_MODES, widget=UnfoldAdminSelectWidget(choices=_MODES)
    )
    tls_ca = _text(_("TLS: CA file"), 1024, _ABSOLUTE, help_text=_("Paths on the agent's host."))
    tls_cert = _text(_("TLS: certificate file"), 1024, _ABSOLUTE)
    tls_key = _text(_("TLS: key file"), 1024, _ABSOLUTE)

    def clean(self) -> dict[str, Any] | None:
        """Require certificate and key together, and one password at most."""
        cleaned = super().clean()
        if bool(self.cleaned_data.get("tls_cert")) != bool(self.cleaned_data.get("tls_key")):
            self.add_error("tls_key", _("Certificate and key belong together."))
        if connections.has_both(self.config()):
            self.add_error("db_password_from", BOTH_GIVEN)
        return cleaned

    def config(self) -> dict[str, Any]:
        """Return the configuration that the form describes; what is empty is absent."""
        filled = {member: self.cleaned_data.get(name) for name, member in _MEMBERS.items()}
        tls = {member: self.cleaned_data.get(name) for name, member in _TLS_MEMBERS.items()}
        config = {member: value for member, value in filled.items() if value not in (None, "")}
        chosen = {member: value for member, value in tls.items() if value}
        return {**config, "tls": chosen} if chosen else config


def initial_of(config: dict[str, Any]) -> dict[str, Any]:
    """Return what the fields show of a stored configuration: everything but the password."""
    tls = config.get("tls") or {}
    shown = {name: config.get(member) for name, member in _MEMBERS.items() if member != "password"}
    return {**shown, **{name: tls.get(member) for name, member in _TLS_MEMBERS.items()}}
