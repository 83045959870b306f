"""The app's registration with Django."""

from django.apps import AppConfig


class CollectorsConfig(AppConfig):
    """Organizations, their databases, the agents that watch them, and what those agents found."""

    name = "collectors"
    verbose_name = "DBPower"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks and the console's tables.

        Not earlier: template tags import from the console while Django's forms are still being loaded.
        """
        from collectors import checks  # noqa: F401 - importing registers them
        from collectors.admin import tables  # noqa: F401 - importing registers them
