"""The people and things that most tests are about.

Example GmbH has two teams, Shop and Warehouse; Sample Srl is a stranger with a team of its own. Root is SUPER_ADMIN, Alice
administers Example GmbH, Bob leads Shop, Carol is a user in Shop, Dave leads Warehouse, and Mallory administers Sample Srl.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from collectors.domain.actors import Actor
from collectors.domain.roles import Role
from collectors.domain.sources import Engine
from collectors.models import Collector, Membership, Organization, Team, User
from collectors.services import enrolments, presence
from collectors.services.collectors import register_collector

PASSWORD = "a long enough pass phrase"
SOMEBODY = Actor.system("tests")


@dataclass
class Cast:
    """Everybody, and one collector with its key for each of three teams."""

    example: Organization
    sample: Organization
    shop: Team
    warehouse: Team
    foreign: Team
    root: User
    alice: User
    bob: User
    carol: User
    dave: User
    mallory: User
    collector: Collector
    key: str
    warehouse_collector: Collector
    warehouse_key: str
    foreign_collector: Collector
    foreign_key: str


def assemble() -> Cast:
    """Create the cast. The web counts as accepting heartbeats from now on."""
    presence.record_web()
    example = Organization.objects.create(name="Example GmbH")
    sample = Organization.objects.create(name="Sample Srl")
    shop = Team.objects.create(organization=example, name="Shop")
    warehouse = Team.objects.create(organization=example, name="Warehouse")
    foreign = Team.objects.create(organization=sample, name="Shop")
    collector = register(shop, "shop-mysql", Engine.MYSQL)
    warehouse_collector = register(warehouse, "warehouse-pg", Engine.POSTGRES)
    foreign_collector = register(foreign, "foreign-mysql", Engine.MYSQL)
    return Cast(
        example=example,
        sample=sample,
        shop=shop,
        warehouse=warehouse,
        foreign=foreign,
        root=User.objects.create_superuser("root@example.org", PASSWORD),
        alice=person("alice@example.org", Role.ORG_ADMIN, example),
        bob=person("bob@example.org", Role.TEAM_LEAD, example, shop),
        carol=person("carol@example.org", Role.USER, example, shop),
        dave=person("dave@example.org", Role.TEAM_LEAD, example, warehouse),
        mallory=person("mallory@example.net", Role.ORG_ADMIN, sample),
        collector=collector[0],
        key=collector[1],
        warehouse_collector=warehouse_collector[0],
        warehouse_key=warehouse_collector[1],
        foreign_collector=foreign_collector[0],
        foreign_key=foreign_collector[1],
    )


def register(team: Team, name: str, engine: Engine) -> tuple[Collector, str]:
    """Register a collector with a stored password and return it with its key."""
    config = {"host": "127.0.0.1", "user": "dbpower", "password": "canary-database-password"}
    registered = register_collector(team=team, name=name, engine=engine, config=config, actor=SOMEBODY)
    return registered.collector, registered.api_key


def person(email: str, role: Role, organization: Organization, team: Team | None = None) -> User:
    """Create somebody with one role."""
    user = User.objects.create_user(email, PASSWORD)
    Membership.objects.create(user=user, organization=organization, team=team, role=role)
    return user


def enrolment_token(team: Team, max_uses: int = 2, **labels: Any) -> enrolments.Created:
    """Create an enrolment token of the team."""
    return enrolments.create_token(
        team=team,
        name=f"hosts of {team.name}",
        engine=Engine.MYSQL,
        max_uses=max_uses,
        lifetime=timedelta(hours=1),
        actor=SOMEBODY,
        **labels,
    )
