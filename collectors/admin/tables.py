"""Every table of the console. Importing this registers them."""

from collectors.admin import (
    audit,
    collectors,
    commands,
    completeness,
    databases,
    enrolment_tokens,
    invitations,
    memberships,
    organizations,
    slow_queries,
    statements,
    status_changes,
    teams,
    users,
)

__all__ = [
    "audit",
    "collectors",
    "commands",
    "completeness",
    "databases",
    "enrolment_tokens",
    "invitations",
    "memberships",
    "organizations",
    "slow_queries",
    "statements",
    "status_changes",
    "teams",
    "users",
]
