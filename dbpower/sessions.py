"""The console's sessions: in the database under the hash of their id, so that a dump opens none of them."""

import hashlib
from typing import Any

from django.contrib.sessions.backends import db
from django.contrib.sessions.base_session import AbstractBaseSession
from django.utils import timezone

# As long as the column is; 160 bits.
_DIGITS = 40


class SessionStore(db.SessionStore):
    """Django's, but for the name under which a session is stored."""

    def exists(self, session_key: str) -> bool:
        """Tell whether there is a session of that id."""
        return super().exists(_stored(session_key))

    def delete(self, session_key: str | None = None) -> None:
        """Remove a session; the present one without an id."""
        key = session_key or self.session_key
        if key is not None:
            super().delete(_stored(key))

    def create_model_instance(self, data: dict[str, Any]) -> AbstractBaseSession:
        """Return the row that holds the data."""
        row: AbstractBaseSession = super().create_model_instance(data)
        row.session_key = _stored(row.session_key)
        return row

    def _get_session_from_db(self) -> AbstractBaseSession | None:
        row: AbstractBaseSession | None = None
        if self.session_key is not None:
            row = self.model.objects.filter(
                session_key=_stored(self.session_key), expire_date__gt=timezone.now()
            ).first()
        if row is None:
            self._session_key = None
        return row


def _stored(session_key: str) -> str:
    return hashlib.sha256(session_key.encode()).hexdigest()[:_DIGITS]
