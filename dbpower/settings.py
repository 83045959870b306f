"""Settings, all from the environment. Every variable is described in docs/operations.md."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import django_stubs_ext
from django.urls import reverse_lazy

from dbpower import environment, secrets
from dbpower.admin_theme import UNFOLD  # noqa: F401 - a setting of its own
from dbpower.beat import schedule

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
DBPOWER_DATA_DIR = Path(environment.text("DBPOWER_DATA_DIR", "./var")).resolve()
PORT = environment.integer("PORT", 8000, minimum=1, maximum=65535)
_secrets = secrets.load(DBPOWER_DATA_DIR)

# -- Pace --------------------------------------------------------------------------------------------------------------
DBPOWER_HEARTBEAT_SECONDS = environment.integer("DBPOWER_HEARTBEAT_SECONDS", 30, minimum=1, maximum=3600)
DBPOWER_OFFLINE_AFTER_SECONDS = environment.integer("DBPOWER_OFFLINE_AFTER_SECONDS", 120, minimum=1, maximum=86_400)
DBPOWER_LEASE_SECONDS = environment.integer("DBPOWER_LEASE_SECONDS", 75, minimum=1, maximum=86_400)
DBPOWER_SWEEP_SECONDS = environment.integer("DBPOWER_SWEEP_SECONDS", 30, minimum=1, maximum=3600)
DBPOWER_COMMAND_TTL_SECONDS = environment.integer("DBPOWER_COMMAND_TTL_SECONDS", 300, minimum=1, maximum=86_400)
# Older keys are changed by their agents. 0: only when somebody asks.
DBPOWER_KEY_MAX_AGE_DAYS = environment.integer("DBPOWER_KEY_MAX_AGE_DAYS", 0, minimum=0, maximum=3650)

# -- Secrets -----------------------------------------------------------------------------------------------------------
SECRET_KEY = _secrets.secret_key
DBPOWER_ENCRYPTION_KEYS = _secrets.encryption_keys

# -- The web -----------------------------------------------------------------------------------------------------------
DEBUG = False
ALLOWED_HOSTS = environment.words("DBPOWER_ALLOWED_HOSTS", ("localhost", "127.0.0.1", "[::1]"))
# Addresses of reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed.
DBPOWER_TRUSTED_PROXIES = environment.words("DBPOWER_TRUSTED_PROXIES")
# Served by a TLS proxy unless somebody says that this installation is for one machine.
_HTTPS = environment.boolean("DBPOWER_HTTPS", default=bool(DBPOWER_TRUSTED_PROXIES))
CSRF_TRUSTED_ORIGINS = [f"https://{host}" for host in ALLOWED_HOSTS if host not in {"*", "[::1]"}] if _HTTPS else []
SESSION_COOKIE_SECURE = _HTTPS
CSRF_COOKIE_SECURE = _HTTPS
SECURE_SSL_REDIRECT = _HTTPS
SECURE_REDIRECT_EXEMPT = [r"^health"]
SECURE_HSTS_SECONDS = 31_536_000 if _HTTPS else 0
# Other hosts of the operator's domain are not ours to bind: no includeSubDomains (W005), no preload (W021).
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 12 * 3600
SESSION_ENGINE = "dbpower.sessions"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1 << 20
APPEND_SLASH = False
ROOT_URLCONF = "dbpower.urls"
WSGI_APPLICATION = "dbpower.wsgi.application"
LOGIN_URL = reverse_lazy("admin:login")
CSRF_FAILURE_VIEW = "collectors.admin.pages.errors.form_refused"
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    # Before the app whose commands createsuperuser and changepassword it replaces.
    "collectors",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]
MIDDLEWARE = [
    # What goes on every answer comes before whatever gives one: redirects to HTTPS, files, refusals.
    "dbpower.middleware.ContentSecurityPolicy",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "dbpower.middleware.NothingKept",
    "dbpower.middleware.TrustedProxies",
    "django.middleware.security.SecurityMiddleware",
    "dbpower.middleware.NoNul",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "dbpower.middleware.LanguageAndZone",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
STATIC_URL = "static/"
STATIC_ROOT = DBPOWER_DATA_DIR / "static"
STATIC_ROOT.mkdir(mode=0o755, parents=True, exist_ok=True)
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
# Files are served from where the packages keep them, so that starting needs no collecting step.
WHITENOISE_USE_FINDERS = True
WHITENOISE_ALLOW_ALL_ORIGINS = False

# -- Data --------------------------------------------------------------------------------------------------------------
DATABASES = {"default": environment.database("DATABASE_URL", DBPOWER_DATA_DIR)}
AUTH_USER_MODEL = "collectors.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
USE_TZ = True
TIME_ZONE = "UTC"
# The API speaks English and tells UTC; the console follows its people (see `dbpower.middleware.LanguageAndZone`).
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("it", "Italiano")]
# Another Django on the same host may keep its visitors' language under the usual name.
LANGUAGE_COOKIE_NAME = "dbpower_language"
# The first also holds the words of the admin's theme, which brings none but English ones. Named here, ours go before those of
# other packages.
LOCALE_PATHS = [BASE_DIR / "dbpower" / "locale", BASE_DIR / "collectors" / "locale"]
USE_I18N = True

# -- API ---------------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "collectors.api.authentication.PeopleAuthentication",
        "collectors.api.authentication.ConsoleAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": [
        "rest_framework.renderers.JSONRenderer",
        "rest_framework.renderers.BrowsableAPIRenderer",
    ],
    "DEFAULT_PARSER_CLASSES": ["collectors.api.parsing.StrictJSONParser"],
    "DEFAULT_FILTER_BACKENDS": [
        "collectors.api.filters.TenantFilterBackend",
        "collectors.api.filters.BoundedSearchFilter",
        "collectors.api.ordering.StableOrderingFilter",
    ],
    "DEFAULT_PAGINATION_CLASS": "collectors.api.pagination.NamedPagination",
    "DEFAULT_SCHEMA_CLASS": "collectors.api.schema.NamedListSchema",
    "EXCEPTION_HANDLER": "collectors.api.errors.handle",
    "UNICODE_JSON": True,
}
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=7),
    "ALGORITHM": "HS256",
    "USER_ID_CLAIM": "user_id",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "DBPower",
    "DESCRIPTION": "Slow queries of many databases, collected by small agents.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "collectors.api.schema.without_trailing_slashes",
        "collectors.api.schema.with_errors",
    ],
}

# -- Tasks -------------------------------------------------------------------------------------------------------------
REDIS_URL = environment.broker("REDIS_URL")
CELERY_BROKER_URL = REDIS_URL or "embedded://localhost//"
if not REDIS_URL:
    _queue = DBPOWER_DATA_DIR / "queue"
    for _folder in (_queue, _queue / "messages", _queue / "control"):
        _folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_queue / "messages"),
        "data_folder_out": str(_queue / "messages"),
        "control_folder": str(_queue / "control"),
        "store_processed": False,
        "polling_interval": 0.1,
    }
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BEAT_SCHEDULER = "dbpower.beat:RecordingScheduler"
CELERY_BEAT_SCHEDULE = schedule(DBPOWER_SWEEP_SECONDS)

# -- Logs --------------------------------------------------------------------------------------------------------------
_LOG_FORMAT = environment.choice("DBPOWER_LOG_FORMAT", "text", ("text", "json"))
_LOG_LEVEL = environment.choice("DBPOWER_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"()": "dbpower.logs.OneLineFormatter", "format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
        "json": {
            "()": "dbpower.logs.MaskedJsonFormatter",
            "fmt": "%(asctime)s %(levelname)s %(name)s %(message)s",
        },
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "stream": sys.stderr, "formatter": _LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": _LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": [], "propagate": True},
        "celery": {"level": "WARNING"},
        "kombu": {"level": "WARNING"},
    },
}
