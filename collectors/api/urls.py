"""Every address of the API."""

from django.urls import URLPattern, URLResolver, include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from collectors.api.agents.commands import ExecuteView
from collectors.api.agents.enrolment import EnrolView, FirstKeyView
from collectors.api.agents.heartbeat import HeartbeatView
from collectors.api.agents.keys import KeyView
from collectors.api.agents.queries import BulkView
from collectors.api.health import DetailView, LiveView, ReadyView
from collectors.api.people.audit import AuditViewSet
from collectors.api.people.auth import LogoutView, RefreshView, TokenView
from collectors.api.people.collections import CollectionViewSet
from collectors.api.people.collectors import CollectorViewSet
from collectors.api.people.commands import CommandViewSet
from collectors.api.people.databases import DatabaseViewSet
from collectors.api.people.enrolment_tokens import EnrolmentTokenViewSet
from collectors.api.people.fingerprint_notes import NoteViewSet, TagsViewSet
from collectors.api.people.invitations import AcceptView, InvitationViewSet
from collectors.api.people.memberships import MembershipViewSet
from collectors.api.people.organizations import OrganizationViewSet
from collectors.api.people.plans import PlanViewSet
from collectors.api.people.queries import QueryViewSet, SlowQueryViewSet
from collectors.api.people.status_changes import StatusChangeViewSet
from collectors.api.people.teams import TeamViewSet
from collectors.api.people.tokens import PersonalTokenViewSet
from collectors.api.people.users import UserViewSet
from collectors.api.routes import LenientRouter, lenient

_COLLECTOR = r"collectors/(?P<collector_pk>[0-9]{1,19})"
_STATEMENT = r"queries/(?P<fingerprint_id>[0-9a-fA-F]{16})"

router = LenientRouter()
router.register("organizations", OrganizationViewSet)
router.register("teams", TeamViewSet)
router.register("users", UserViewSet)
router.register("memberships", MembershipViewSet)
router.register("enrolment-tokens", EnrolmentTokenViewSet)
router.register("invitations", InvitationViewSet)
router.register("tokens", PersonalTokenViewSet)
router.register("databases", DatabaseViewSet)
router.register("collectors", CollectorViewSet)
router.register(rf"{_COLLECTOR}/commands", CommandViewSet)
router.register(rf"{_COLLECTOR}/status-changes", StatusChangeViewSet)
router.register(rf"{_COLLECTOR}/collections", CollectionViewSet)
router.register("queries", QueryViewSet)
router.register("slow-queries", SlowQueryViewSet)
router.register("audit", AuditViewSet)

v1: list[URLPattern | URLResolver] = [
    lenient("auth/token", TokenView, "token"),
    lenient("auth/token/refresh", RefreshView, "token-refresh"),
    lenient("auth/logout", LogoutView, "logout"),
    lenient("invitations/accept", AcceptView, "invitation-accept"),
    lenient(rf"{_COLLECTOR}/heartbeat", HeartbeatView, "heartbeat"),
    lenient(rf"{_COLLECTOR}/key", KeyView, "key"),
    lenient(rf"{_COLLECTOR}/commands/(?P<command_pk>[0-9]{{1,19}})/execute", ExecuteView, "execute"),
    lenient("enrolments", EnrolView, "enrol"),
    lenient("enrolments/key", FirstKeyView, "enrol-key"),
    lenient("queries/bulk", BulkView, "queries-bulk"),
    re_path(rf"^{_STATEMENT}/notes/?$", NoteViewSet.as_view({"get": "list", "post": "add"}), name="notes"),
    re_path(rf"^{_STATEMENT}/notes/(?P<pk>[0-9]{{1,19}})/?$", NoteViewSet.as_view({"delete": "destroy"}), name="note"),
    re_path(rf"^{_STATEMENT}/tags/?$", TagsViewSet.as_view({"get": "read", "put": "replace"}), name="tags"),
    re_path(rf"^{_STATEMENT}/plans/?$", PlanViewSet.as_view({"get": "list", "post": "ask"}), name="plans"),
    path("", include(router.urls)),
]

urlpatterns = [
    path("api/v1/", include(v1)),
    lenient("api/schema", SpectacularAPIView, "schema"),
    re_path(r"^api/docs/?$", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    lenient("health/live", LiveView, "health-live"),
    lenient("health/ready", ReadyView, "health-ready"),
    lenient("health", DetailView, "health"),
]
