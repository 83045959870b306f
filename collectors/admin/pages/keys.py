"""New keys, shown once: in the answer to the POST that made them, and nowhere else."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from collectors.admin import signed_in
from collectors.admin.pages.arrival import context_of
from collectors.services import configs
from collectors.services.collectors import Registered


def keys_page(model_admin: Any, request: HttpRequest, rotated: list[Registered]) -> HttpResponse:
    """Show the keys of a rotation."""
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("New keys"),
        "opts": model_admin.opts,
        "rotated": rotated,
    }
    return _once(render(request, "admin/dbpower/keys.html", context))


def registered_page(model_admin: Any, request: HttpRequest, registered: Registered) -> HttpResponse:
    """Show the key of a new collector, with the configuration file and the commands that start its agent."""
    collector = registered.collector
    config = agent_config(request, registered)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("%(collector)s is registered") % {"collector": collector.name},
        "opts": model_admin.opts,
        "registered": registered,
        "config": json.dumps(config, indent=2),
        "is_local_secret": "db_secrets" in config,
        "ways": _ways(collector.type),
        "may_command": True,
        **context_of(collector, signed_in.principal(request)),
    }
    return _once(render(request, "admin/dbpower/registered.html", context))


def agent_config(request: HttpRequest, registered: Registered) -> dict[str, Any]:
    """Return the agent's `config.json`, without the database's password: whoever installs the agent adds it there."""
    collector = registered.collector
    stored = configs.without_secrets(configs.decrypt(collector_id=collector.pk, ciphertext=collector.config))
    name = stored.get("password_from")
    return {
        "collector_id": collector.pk,
        "api_key": registered.api_key,
        "backend_url": request.build_absolute_uri("/").rstrip("/"),
        "db_type": collector.type,
        "db_config": stored if name else {**stored, "password": ""},
        **({"db_secrets": {name: {"file": "", "to": [_place(stored)]}}} if name else {}),
    }


def _place(config: dict[str, Any]) -> dict[str, Any]:
    """Return what the host has to allow: where its secret may be sent."""
    place = {member: config[member] for member in ("host", "port", "socket") if config.get(member)}
    return place if place.get("host") or place.get("socket") else {"host": "127.0.0.1", **place}


def _ways(engine: str) -> list[tuple[str, str, str]]:
    """Return how the agent is started: a name, a title and the commands, for each way."""
    systemd = (
        "sudo python3 -m venv /opt/dbpower-collector",
        f"sudo /opt/dbpower-collector/bin/pip install './agent[{engine}]'",
        "sudo install -D -m 0600 config.json /etc/dbpower-collector/config.json",
        "sudo install -m 0644 agent/dbpower-collector.service /etc/systemd/system/",
        "sudo systemctl daemon-reload",
        "sudo systemctl enable --now dbpower-collector",
    )
    docker = (
        "docker build -t dbpower-collector agent/",
        "sudo chown 10001 config.json && sudo chmod 0400 config.json",
        "docker run -d --name dbpower-collector --restart unless-stopped \\",
        "  --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \\",
        '  -v "$PWD/config.json:/app/config/config.json:ro" \\',
        "  -v dbpower-state:/app/state dbpower-collector",
    )
    by_hand = (
        f"pip install './agent[{engine}]'",
        "chmod 600 config.json",
        "dbpower-agent doctor --config config.json",
        "dbpower-agent --config config.json",
    )
    return [
        ("systemd", "systemd", "\n".join(systemd)),
        ("docker", "Docker", "\n".join(docker)),
        ("hand", _("By hand"), "\n".join(by_hand)),
    ]


def _once(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    return response
