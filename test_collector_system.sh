#!/usr/bin/env bash
# The life of a collector in eleven steps; see tests/test_collector_system.sh.
exec "$(dirname "${BASH_SOURCE[0]}")/tests/test_collector_system.sh" "$@"
