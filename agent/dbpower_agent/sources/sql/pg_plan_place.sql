SELECT /* dbpower-agent */
       pg_catalog.current_setting('server_version_num')::int,
       pg_catalog.current_setting('server_version'),
       (SELECT d.datname::text FROM pg_catalog.pg_database AS d WHERE d.oid = %s::oid AND d.datallowconn),
       r.rolname::text,
       coalesce(r.rolsuper, false)
  FROM (SELECT 1) AS one
  LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = %s::oid
