SHOW GLOBAL VARIABLES
WHERE Variable_name IN ('server_uuid', 'server_uid', 'hostname', 'port', 'datadir', 'version', 'slow_query_log',
                        'log_slow_query', 'log_output', 'long_query_time', 'log_slow_query_time',
                        'min_examined_row_limit', 'log_slow_min_examined_row_limit', 'read_only', 'time_zone',
                        'performance_schema', 'performance_schema_digests_size')
  AND @`dbpower_agent_own` IS NULL
