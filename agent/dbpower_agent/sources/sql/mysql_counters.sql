SHOW GLOBAL STATUS WHERE Variable_name IN ('Slow_queries', 'Uptime')
