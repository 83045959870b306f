SHOW COLUMNS FROM performance_schema.events_statements_summary_by_digest WHERE @`dbpower_agent_own` IS NULL
