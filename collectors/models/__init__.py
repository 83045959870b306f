"""Tables, their constraints, and questions asked of them. One file a noun; import from here."""

from collectors.models.audit import AuditChain, AuditEntry
from collectors.models.buckets import Bucket, Cost, DatabaseCost, DirtyDay, DirtyHour, DirtyWeek, Latency
from collectors.models.collections import Collection
from collectors.models.collector_tags import CollectorTag
from collectors.models.collectors import Collector
from collectors.models.commands import Command
from collectors.models.completeness import Gap
from collectors.models.control_plane import ControlPlane, Outage
from collectors.models.databases import MonitoredDatabase
from collectors.models.enrolments import Enrolment, EnrolmentToken
from collectors.models.fingerprint_notes import FingerprintNote, FingerprintTag
from collectors.models.fingerprints import Fingerprint
from collectors.models.heartbeats import Heartbeat
from collectors.models.invitations import Invitation
from collectors.models.leases import Lease
from collectors.models.ledger_audits import LedgerAudit
from collectors.models.list_views import ListColumns, SavedFilter
from collectors.models.login_throttles import LoginThrottle
from collectors.models.memberships import Membership
from collectors.models.organizations import Organization
from collectors.models.personal_tokens import PersonalToken
from collectors.models.plans import Plan
from collectors.models.query_rates import QueryRate
from collectors.models.second_factors import SecondFactor
from collectors.models.sessions import LoginSession
from collectors.models.slow_queries import SlowQuery
from collectors.models.sources import LogCursor, ReceivedUpload, SnapshotBaseline, SnapshotPart
from collectors.models.statements import Statement
from collectors.models.status_changes import StatusChange
from collectors.models.teams import Team
from collectors.models.users import User

__all__ = [
    "AuditChain",
    "AuditEntry",
    "Bucket",
    "Collection",
    "Collector",
    "CollectorTag",
    "Command",
    "ControlPlane",
    "Cost",
    "DatabaseCost",
    "DirtyDay",
    "DirtyHour",
    "DirtyWeek",
    "Enrolment",
    "EnrolmentToken",
    "Fingerprint",
    "FingerprintNote",
    "FingerprintTag",
    "Gap",
    "Heartbeat",
    "Invitation",
    "Latency",
    "Lease",
    "LedgerAudit",
    "ListColumns",
    "LogCursor",
    "LoginSession",
    "LoginThrottle",
    "Membership",
    "MonitoredDatabase",
    "Organization",
    "Outage",
    "PersonalToken",
    "Plan",
    "QueryRate",
    "ReceivedUpload",
    "SavedFilter",
    "SecondFactor",
    "SlowQuery",
    "SnapshotBaseline",
    "SnapshotPart",
    "Statement",
    "StatusChange",
    "Team",
    "User",
]
