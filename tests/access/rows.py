"""What is stored, to tell whether a request changed it."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import apps
from django.db import transaction

from collectors.models import AuditEntry, LoginSession

State = dict[str, list[tuple[object, ...]]]


def stored() -> State:
    """Return every row of every table. Logins and the audit are left out: to ask at all, and to be refused, is noted there."""
    models = [model for model in apps.get_app_config("collectors").get_models() if model._meta.managed]
    return {
        model.__name__: list(model._default_manager.order_by("pk").values_list())
        for model in models
        if model not in (AuditEntry, LoginSession)
    }


@contextmanager
def undone() -> Iterator[None]:
    """Undo what the block does, so that each caller finds the same rows."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
