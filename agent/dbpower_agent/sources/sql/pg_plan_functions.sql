SELECT /* dbpower-agent */
       owner.rolsuper,
       (SELECT p.prosecdef AND NOT o.rolsuper AND NOT o.rolcanlogin AND p.prorettype = 'pg_catalog.json'::pg_catalog.regtype
               AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_auth_members AS m WHERE m.roleid = o.oid)
          FROM pg_catalog.pg_proc AS p
          JOIN pg_catalog.pg_roles AS o ON o.oid = p.proowner
         WHERE p.pronamespace = n.oid AND p.proname = 'plan'
           AND pg_catalog.oidvectortypes(p.proargtypes) = 'text, bigint'),
       (SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
          FROM pg_catalog.pg_proc AS p
         WHERE p.pronamespace = n.oid AND p.proname = 'plan'
           AND pg_catalog.oidvectortypes(p.proargtypes) = 'text, bigint'),
       EXISTS (SELECT 1
                 FROM pg_catalog.pg_proc AS p
                WHERE p.pronamespace = n.oid AND p.proname = %s::pg_catalog.name AND p.proowner = %s::pg_catalog.oid
                  AND pg_catalog.oidvectortypes(p.proargtypes) = 'bigint')
  FROM pg_catalog.pg_namespace AS n
  JOIN pg_catalog.pg_roles AS owner ON owner.oid = n.nspowner
 WHERE n.nspname = 'dbpower'
