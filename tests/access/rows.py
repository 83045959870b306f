"""What is stored, to tell whether a request changed it."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import apps
from django.db import connection, transaction

from collectors.models import AuditEntry, Cost, DatabaseCost, Latency, LoginSession

State = dict[str, list[tuple[object, ...]]]

# Logins and the audit are left out: to ask at all, and to be refused, is noted there. The last three are views of other tables.
_LEFT_OUT = (AuditEntry, LoginSession, Cost, DatabaseCost, Latency)


def stored() -> State:
    """Return every row of every table. Read without models: it is done after every request of large tables of answers."""
    found: State = {}
    with connection.cursor() as cursor:
        for model in apps.get_app_config("collectors").get_models():
            if model not in _LEFT_OUT:
                table = connection.ops.quote_name(model._meta.db_table)
                cursor.execute(f"SELECT * FROM {table} ORDER BY 1, 2")
                found[model.__name__] = cursor.fetchall()
    return found


@contextmanager
def undone() -> Iterator[None]:
    """Undo what the block does, so that each caller finds the same rows."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
