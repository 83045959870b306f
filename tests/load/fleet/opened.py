"""The rows whose pages are measured: those of their kind that have most to show, all of them the large organization's."""

from typing import Final

import psycopg

from tests.load.fleet import people
from tests.load.fleet.plan import Plan

# Of the first team: a collector that is well and has flipped most, and the dearest statement whose plan has changed.
_COLLECTOR: Final = """
SELECT c.id FROM collectors c JOIN collector_heartbeats h ON h.collector_id = c.id AND h.status = 'ONLINE'
WHERE c.team_id = %(team)s AND c.id = ANY (%(watched)s)
ORDER BY (SELECT count(*) FROM status_changes s WHERE s.collector_id = c.id) DESC, c.id LIMIT 1
"""
_STATEMENT: Final = """
SELECT s.fingerprint_id FROM statements s JOIN load_data.statements l ON l.id = s.id JOIN monitored_databases d ON d.id = s.database_id
WHERE d.team_id = %(team)s AND (SELECT count(*) FROM plans p WHERE p.statement_id = s.id) > 1
ORDER BY l.rate * l.mean DESC, s.id LIMIT 1
"""
_PERSON: Final = "SELECT id FROM users WHERE email = %(lead)s"


def addresses(url: str, plan: Plan) -> list[str]:
    """Return the addresses of their pages."""
    large = plan.tenants[0]
    team = large.teams[0]
    leads = [email for role, _, email in people.logins(plan) if role == "TEAM_LEAD"]
    named = {"team": team, "watched": list(large.watched), "lead": leads[0]}
    found = [f"/admin/collectors/organization/{large.pk}/change/", f"/admin/collectors/team/{team}/change/"]
    with psycopg.connect(url) as connection:
        for sql, address in (
            (_COLLECTOR, "/admin/collectors/collector/{}/change/"),
            (_STATEMENT, "/admin/queries/{}/"),
            (_PERSON, "/admin/collectors/user/{}/change/"),
        ):
            row = connection.execute(sql.encode(), named).fetchone()
            found += [address.format(row[0])] if row else []
    return found
