"""The web process. Besides answering requests it records, every ten seconds, that heartbeats are accepted here."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dbpower.settings")
application = get_wsgi_application()

from collectors.services.presence import keep_recording_web  # noqa: E402 - the app registry must be ready

keep_recording_web()
