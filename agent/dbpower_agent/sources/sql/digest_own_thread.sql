UPDATE performance_schema.threads SET INSTRUMENTED = 'NO'
 WHERE PROCESSLIST_ID = CONNECTION_ID() AND @`dbpower_agent_own` IS NULL
