"""The broker as seen from outside of Celery: whether it answers, and how many tasks wait in it."""

from pathlib import Path
from typing import Final

from django.conf import settings
from redis import Redis, RedisError

# The queue that Celery uses unless told otherwise.
_QUEUE: Final = "celery"
_PATIENCE_SECONDS: Final = 1


def waiting() -> int | None:
    """Return how many tasks wait for a worker, None when the broker does not answer."""
    if not settings.REDIS_URL:
        return _waiting_in(Path(str(settings.CELERY_BROKER_TRANSPORT_OPTIONS["data_folder_in"])))
    client = Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=_PATIENCE_SECONDS, socket_timeout=_PATIENCE_SECONDS
    )
    try:
        return int(client.llen(_QUEUE))
    except RedisError:
        return None
    finally:
        client.close()


def _waiting_in(folder: Path) -> int | None:
    return sum(1 for _ in folder.glob(f"*.{_QUEUE}.msg")) if folder.is_dir() else None
