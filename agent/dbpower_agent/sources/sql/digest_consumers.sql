SELECT NAME AS dbpower_agent_own FROM performance_schema.setup_consumers
 WHERE NAME IN ('global_instrumentation', 'thread_instrumentation', 'statements_digest') AND ENABLED <> 'YES'
 ORDER BY NAME
