SELECT /* dbpower-agent */ s.userid::text, s.dbid::text, s.queryid::text, {toplevel}, pg_catalog.left(s.query, {limit})
  FROM {schema}.pg_stat_statements(true) AS s
 WHERE (s.userid, s.dbid, s.queryid) IN (
         SELECT w.userid, w.dbid, w.queryid
           FROM unnest(%s::oid[], %s::oid[], %s::bigint[]) AS w (userid, dbid, queryid))
