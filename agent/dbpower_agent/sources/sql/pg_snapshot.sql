SELECT /* dbpower-agent */ s.userid::text, s.dbid::text, s.queryid::text, {toplevel}, d.datname, r.rolname, {since},
       {columns}
  FROM {schema}.pg_stat_statements(false) AS s
  LEFT JOIN pg_catalog.pg_database AS d ON d.oid = s.dbid
  LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.userid
