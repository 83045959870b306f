SELECT SCHEMA_NAME AS dbpower_agent_own, DIGEST, LEFT(DIGEST_TEXT, {limit})
  FROM performance_schema.events_statements_summary_by_digest
 WHERE DIGEST IN ({digests})
