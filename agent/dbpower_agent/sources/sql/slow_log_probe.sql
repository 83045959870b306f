SELECT start_time AS dbpower_agent_own FROM mysql.slow_log LIMIT 0
