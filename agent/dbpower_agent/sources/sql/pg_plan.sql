SELECT /* dbpower-agent */ pg_catalog.length(made.plan), pg_catalog.left(made.plan, %s::int)
  FROM (SELECT dbpower.plan(%s::text, %s::bigint)::text AS plan OFFSET 0) AS made
