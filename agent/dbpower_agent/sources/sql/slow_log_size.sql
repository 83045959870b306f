SELECT COUNT(*) AS dbpower_agent_own FROM (SELECT 1 FROM mysql.slow_log LIMIT 200001) AS counted
