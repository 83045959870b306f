"""The project: settings and wiring. What the product does lives in the app `collectors`."""

from dbpower.celery import app as celery_app

__all__ = ["celery_app"]
