SELECT /* dbpower-agent */
       pg_catalog.round(extract(epoch FROM i.stats_reset) * 1000000)::bigint::text,
       extract(epoch FROM pg_catalog.clock_timestamp() - i.stats_reset)::float8,
       i.dealloc
  FROM {schema}.pg_stat_statements_info() AS i
