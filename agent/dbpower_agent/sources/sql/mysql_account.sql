SELECT CURRENT_USER() AS dbpower_agent_own
