SELECT /* dbpower-agent */ DISTINCT s.queryid::text, s.query LIKE '%%dbpower-agent%%'
  FROM {schema}.pg_stat_statements(true) AS s
 WHERE s.userid = %s::oid
