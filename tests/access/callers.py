"""Everybody who may ask: each role, by where it is held, and what is no role at all."""

from django.contrib.auth.models import AnonymousUser
from django.db.models.functions import Now

from collectors.domain.roles import Role
from collectors.domain.sources import Engine
from collectors.models import Collector, User
from tests.api.callers import ANYBODY, Caller, signed_in, with_key
from tests.cast import PASSWORD, Cast, person, register


def people(cast: Cast) -> dict[str, User | AnonymousUser]:
    """Return the people by what they are to Shop of Example GmbH: `other_` is its team Warehouse, `foreign_` is Sample Srl."""
    return {
        "root": cast.root,
        "admin": cast.alice,
        "lead": cast.bob,
        "user": cast.carol,
        "other_lead": cast.dave,
        "other_user": person("erin@example.org", Role.USER, cast.example, cast.warehouse),
        "foreign_admin": cast.mallory,
        "foreign_lead": person("frank@example.net", Role.TEAM_LEAD, cast.sample, cast.foreign),
        "foreign_user": person("grace@example.net", Role.USER, cast.sample, cast.foreign),
        "no_member": User.objects.create_user("heidi@example.net", PASSWORD),
        "anonymous": AnonymousUser(),
    }


def callers(cast: Cast) -> dict[str, Caller]:
    """Return the people with an access token each, and agents: `key` is the collector's that addresses name."""
    second = register(cast.shop, "shop-second", Engine.MYSQL)
    # Their agents were heard before: the first use of a key is noted, also of one that is refused for what it asks.
    Collector.objects.update(api_key_proven_at=Now())
    keys = {"key": cast.key, "team_key": second[1], "other_key": cast.warehouse_key, "foreign_key": cast.foreign_key}
    signed = {name: signed_in(user) if isinstance(user, User) else ANYBODY for name, user in people(cast).items()}
    return signed | {name: with_key(key) for name, key in keys.items()}
