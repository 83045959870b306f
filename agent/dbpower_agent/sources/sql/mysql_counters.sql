SHOW GLOBAL STATUS
WHERE Variable_name IN ('Slow_queries', 'Uptime', 'Performance_schema_digest_lost') AND @`dbpower_agent_own` IS NULL
