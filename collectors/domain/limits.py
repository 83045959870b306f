"""Numbers that bound the product. Settings may change those that operators need to change; the rest hold everywhere."""

from typing import Final

# Pace, in seconds unless named otherwise. The settings of the same meaning take these as defaults.
HEARTBEAT_SECONDS: Final = 30
OFFLINE_AFTER_SECONDS: Final = 120
SWEEP_SECONDS: Final = 30
COMMAND_TTL_SECONDS: Final = 300
COLLECTION_INTERVAL_MINUTES: Final = 5
# Together at most 90 s until a standby has taken over; two heartbeats in a row may get lost before that.
LEASE_SECONDS: Final = 75
STANDBY_HEARTBEAT_SECONDS: Final = 10
# For how long it is shown that a second agent with the same key was noticed.
DUPLICATE_SHOWN_SECONDS: Final = 600
# The time between two stored totals of a collector that its queries per minute are told from, at least: two collections of
# the default interval. One that is older than so many of these says nothing of now.
QUERY_RATE_SECONDS: Final = 570
QUERY_RATE_SHOWN: Final = 3
# Whole seconds, and the way a heartbeat takes, may make an uptime look this much longer than it is.
DUPLICATE_MARGIN_SECONDS: Final = 5
# How far a host's clock may look to be from the server's before people are told. A request may take as long as an agent waits
# for its answer (15 s by default), and that looks like a clock that is behind; the agent's `doctor` goes by the same number.
CLOCK_SKEW_SECONDS: Final = 30
KEY_OVERLAP_HOURS: Final = 24
# Of the old key, once the agent has used the one that it made itself.
KEY_GRACE_SECONDS: Final = 3600
KEY_USE_RECORDED_SECONDS: Final = 60

# A web process records every WEB_SEEN_SECONDS that it accepts heartbeats; longer than WEB_GAP_SECONDS without such a
# record means that nobody could have been heard.
WEB_SEEN_SECONDS: Final = 10
WEB_GAP_SECONDS: Final = 30
# The sweep's age from which on its worker or beat counts as dead: three sweeps were missed.
SWEEPS_MISSED: Final = 3

# Input.
MAX_BODY_BYTES: Final = 1 << 20
MAX_DECOMPRESSED_BYTES: Final = 16 << 20
MAX_JSON_DEPTH: Final = 20
MAX_RESULT_BYTES: Final = 16 << 10
MAX_PLAN_BYTES: Final = 128 << 10
MAX_PLAN_NODES: Final = 200
MAX_PLAN_NAME_CHARACTERS: Final = 128
MAX_PLAN_CONDITION_CHARACTERS: Final = 500
MAX_ERROR_CHARACTERS: Final = 2_000
# Of an error, in the history of a collector.
MAX_DETAIL_CHARACTERS: Final = 500
MAX_NAME_CHARACTERS: Final = 200
# What an agent takes, too.
MAX_DATABASE_PASSWORD_CHARACTERS: Final = 1_024
MAX_QUERIES_PER_UPLOAD: Final = 5_000
MAX_SNAPSHOT_PARTS: Final = 100
MAX_FINGERPRINT_CHARACTERS: Final = 100_000
MAX_TEXTS_WANTED: Final = 500
MAX_COUNTER: Final = 2**63 - 1
# A single statement's time and an agent's own counts: far above anything real, far enough below 2**63 that sums stay
# inside a bigint.
MAX_REPORTED_COUNT: Final = 10**15
MAX_QUERY_SECONDS: Final = 839 * 3600
MAX_AGE_SECONDS: Final = 366 * 86_400
# The end of the year 9999, which no host's clock can be set to: a heartbeat is never refused for a clock that is wrong.
MAX_CLOCK_SECONDS: Final = 253_402_300_799

# Storage.
# Whole days (UTC) before today. Numbers stay in slots of five minutes and of an hour for as long as it says, in days to the
# end. An organization may have its own end of both, between one day and the longest.
BUCKET_RETENTION_DAYS: Final = 90
HOUR_RETENTION_DAYS: Final = 400
HISTORY_RETENTION_DAYS: Final = 1_100
SLOW_QUERY_RETENTION_DAYS: Final = 14
MAX_RETENTION_DAYS: Final = 3_660
# Single collections: as long as the longest period that is offered, and its first day.
COLLECTION_RETENTION_DAYS: Final = 31
PARTITIONS_AHEAD: Final = 4
UPLOAD_MEMORY_DAYS: Final = 7
# Different plans of one statement, and how many may be asked of one agent at once.
PLANS_KEPT: Final = 5
PLANS_ASKED: Final = 5

# Lists.
PAGE_SIZE: Final = 50
# Of the dearest queries: each row has a line over time, and few look beyond the first.
QUERY_PAGE_SIZE: Final = 25
MAX_PAGE_SIZE: Final = 500
MAX_PAGE_OFFSET: Final = 100_000
MAX_SEARCH_WORDS: Final = 10
MAX_SEARCH_CHARACTERS: Final = 200
# The console counts no further, and turns no further pages: whoever has more rows narrows the list.
MAX_COUNTED_ROWS: Final = 10_000
MAX_SAVED_FILTERS: Final = 30
MAX_FILTER_CHARACTERS: Final = 2_000
# Of a filter's rows offered at once; typing finds the others.
MAX_CHOICES: Final = 50
# How long a command that has ended is still shown in the list.
COMMAND_SHOWN_SECONDS: Final = 120
# Labels of collectors.
MAX_TAGS: Final = 20
MAX_LABEL_CHARACTERS: Final = 40

# Notes and tags of one statement.
MAX_NOTE_CHARACTERS: Final = 4_000
MAX_NOTES: Final = 200
MAX_TAG_CHARACTERS: Final = 40

# Signing in. Attempts that were not good, within one window: of one account from one network (an IPv4 address, an IPv6 /64;
# all of a /48 together count like one network too), of a network at all accounts, and of an account from all networks.
# NIST SP 800-63B 5.2.2 allows 100 for an account.
LOGIN_WINDOW_SECONDS: Final = 900
LOGIN_ATTEMPTS_PER_PAIR: Final = 10
LOGIN_ATTEMPTS_PER_NETWORK: Final = 100
LOGIN_ATTEMPTS_PER_ACCOUNT: Final = 100
LOGIN_NETWORK_KNOWN_DAYS: Final = 30
# Wrong codes of a second factor, from wherever: of a million codes, three are good at a time.
SECOND_FACTOR_ATTEMPTS_PER_DAY: Final = 50
# Wrong collector keys of one network, for each process.
KEY_FAILURES_WINDOW_SECONDS: Final = 60
KEY_FAILURES_PER_WINDOW: Final = 60
# Refused requests of one person that each process writes into the audit.
REFUSALS_WRITTEN_PER_MINUTE: Final = 30
# Personal tokens.
TOKEN_DAYS: Final = 90
MAX_TOKEN_DAYS: Final = 366
MAX_TOKENS: Final = 50
TOKEN_USE_RECORDED_SECONDS: Final = 60
# Enrolment tokens.
ENROLMENT_HOURS: Final = 24
MAX_ENROLMENT_HOURS: Final = 30 * 24
MAX_ENROLMENTS: Final = 10_000
# From a host's first step, which makes its collector, to its second, which tells the key.
FIRST_KEY_HOURS: Final = 24
# Invitations.
INVITATION_DAYS: Final = 7
MAX_INVITATION_DAYS: Final = 30
MAX_OPEN_INVITATIONS: Final = 500
