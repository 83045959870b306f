SELECT CAST(NOW(6) AS CHAR) AS dbpower_agent_own
