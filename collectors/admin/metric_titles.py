"""What metrics are called on pages, and what they mean."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

# By the names of `domain.metrics`: the title, and what is said on hover.
TITLES: Final[dict[str, tuple[Promise, Promise]]] = {
    "load": (_("Load"), _("Sessions that were busy with it on average")),
    "share": (_("Share"), _("Part of the total time of the period")),
    "total_time": (_("Total time"), _("Time of all executions together")),
    "calls": (_("Calls"), _("How often it was executed")),
    "calls_per_second": (_("Calls/s"), _("Executions in a second, on average over the period")),
    "avg_time": (_("Average"), _("Time of one execution on average")),
    "min_time": (_("Shortest"), _("The shortest execution")),
    "max_time": (_("Longest"), _("The longest execution")),
    "p50_time": (_("50 %"), _("Half of the executions took no longer; known of slow logs only")),
    "p95_time": (_("95 %"), _("95 % of the executions took no longer; known of slow logs only")),
    "p99_time": (_("99 %"), _("99 % of the executions took no longer; known of slow logs only")),
    "rows": (_("Rows"), _("Rows that were sent or changed")),
    "rows_per_call": (_("Rows/call"), _("Rows that one execution sent or changed on average")),
    "rows_examined": (_("Examined"), _("Rows that were read to find the answer (MySQL, MariaDB)")),
    "rows_examined_per_call": (_("Examined/call"), _("Rows that one execution read on average (MySQL, MariaDB)")),
    "rows_affected": (_("Affected"), _("Rows that were changed (MySQL, MariaDB)")),
    "rows_affected_per_call": (_("Affected/call"), _("Rows that one execution changed on average (MySQL, MariaDB)")),
    "lock_time": (_("Lock time"), _("Time spent waiting for locks of tables (MySQL, MariaDB)")),
    "lock_time_per_call": (_("Lock time/call"), _("Time that one execution waited for locks (MySQL, MariaDB)")),
    "lock_share": (_("Lock share"), _("Part of its time spent waiting for locks (MySQL, MariaDB)")),
    "cpu_time": (_("CPU time"), _("Time on a processor (MySQL 8.0.28 and later)")),
    "cpu_time_per_call": (_("CPU time/call"), _("Time of one execution on a processor (MySQL 8.0.28 and later)")),
    "errors": (_("Errors"), _("Executions that ended with an error (MySQL, MariaDB)")),
    "error_share": (_("Error share"), _("Part of the executions that ended with an error (MySQL, MariaDB)")),
    "warnings": (_("Warnings"), _("Warnings that executions gave (MySQL, MariaDB)")),
    "full_scans": (_("Full scans"), _("Executions that read a whole table in a join (MySQL, MariaDB)")),
    "no_index_used": (_("No index"), _("Executions that used no index (MySQL, MariaDB)")),
    "tmp_tables": (_("Temporary tables"), _("Temporary tables that were made (MySQL, MariaDB)")),
    "tmp_tables_per_call": (_("Temporary tables/call"), _("Temporary tables that one execution made (MySQL, MariaDB)")),
    "tmp_disk_tables": (_("Temporary tables on disk"), _("Temporary tables that went to disk (MySQL, MariaDB)")),
    "shared_blks_hit": (_("Blocks hit"), _("Blocks found in the shared buffers (PostgreSQL)")),
    "shared_blks_hit_per_call": (
        _("Blocks hit/call"),
        _("Blocks that one execution found in the shared buffers (PostgreSQL)"),
    ),
    "shared_blks_read": (_("Blocks read"), _("Blocks read from outside of the shared buffers (PostgreSQL)")),
    "shared_blks_read_per_call": (
        _("Blocks read/call"),
        _("Blocks that one execution read from elsewhere (PostgreSQL)"),
    ),
    "cache_hits": (_("Cache hits"), _("Part of the blocks that was found in the shared buffers (PostgreSQL)")),
    "shared_blks_dirtied": (_("Blocks dirtied"), _("Blocks changed in the shared buffers (PostgreSQL)")),
    "shared_blks_written": (_("Blocks written"), _("Blocks that executions had to write themselves (PostgreSQL)")),
    "local_blks_hit": (_("Local blocks hit"), _("Blocks of temporary tables found in memory (PostgreSQL)")),
    "local_blks_read": (_("Local blocks read"), _("Blocks of temporary tables read (PostgreSQL)")),
    "temp_blks_read": (_("Temp blocks read"), _("Blocks read from temporary files (PostgreSQL)")),
    "temp_blks_written": (_("Temp blocks written"), _("Blocks written to temporary files (PostgreSQL)")),
    "blk_read_time": (_("Read time"), _("Time spent reading blocks (PostgreSQL with track_io_timing)")),
    "blk_read_time_per_call": (
        _("Read time/call"),
        _("Time that one execution read blocks (PostgreSQL with track_io_timing)"),
    ),
    "blk_write_time": (_("Write time"), _("Time spent writing blocks (PostgreSQL with track_io_timing)")),
    "blk_write_time_per_call": (
        _("Write time/call"),
        _("Time that one execution wrote blocks (PostgreSQL with track_io_timing)"),
    ),
    "wal_records": (_("WAL records"), _("Records written to the log (PostgreSQL)")),
    "wal_fpi": (_("WAL full pages"), _("Full pages written to the log (PostgreSQL)")),
    "wal_bytes": (_("WAL"), _("Bytes written to the log (PostgreSQL)")),
    "wal_bytes_per_call": (_("WAL/call"), _("Bytes that one execution wrote to the log (PostgreSQL)")),
}
