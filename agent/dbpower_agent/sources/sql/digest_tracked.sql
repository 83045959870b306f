SELECT COUNT(*) AS dbpower_agent_own FROM performance_schema.events_statements_summary_by_digest
