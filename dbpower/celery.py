"""The Celery application: a worker and a beat find their tasks and schedule here."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

from dbpower import embedded_broker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dbpower.settings")
embedded_broker.register()

app = Celery("dbpower")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def keep_logging(**_: Any) -> None:
    """Leave logging as the settings have it: Celery sets its own up unless somebody listens here."""
