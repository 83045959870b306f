SELECT SCHEMA_NAME AS dbpower_agent_own, DIGEST, CAST(FIRST_SEEN AS CHAR),
       {columns}
  FROM performance_schema.events_statements_summary_by_digest
 WHERE DIGEST_TEXT IS NULL OR LOCATE('dbpower_agent_own', DIGEST_TEXT) = 0
