SHOW COLUMNS FROM mysql.{table} WHERE @`dbpower_agent_own` IS NULL
