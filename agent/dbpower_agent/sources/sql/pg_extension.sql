SELECT /* dbpower-agent */
       n.nspname,
       e.extversion,
       (SELECT array_agg(column_name::text)
          FROM pg_catalog.pg_proc p
          CROSS JOIN LATERAL unnest(p.proargnames) AS column_name
         WHERE p.pronamespace = n.oid AND p.proname = 'pg_stat_statements'),
       EXISTS (SELECT 1 FROM pg_catalog.pg_proc p
                WHERE p.pronamespace = n.oid AND p.proname = 'pg_stat_statements_info'),
       pg_catalog.current_setting('pg_stat_statements.max', true),
       (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = current_user)
  FROM pg_catalog.pg_extension e
  JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
 WHERE e.extname = 'pg_stat_statements'
