"""Sources: each reads one place of a database server and leaves uploads on the spool."""
