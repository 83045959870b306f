"""The app's registration with Django."""

from django.apps import AppConfig


class CollectorsConfig(AppConfig):
    """Organizations, their databases, the agents that watch them, and what those agents found."""

    name = "collectors"
    verbose_name = "DBPower"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks and what the processes of a worker record about themselves."""
        from collectors import checks  # noqa: F401 - importing registers them
