SELECT UNIX_TIMESTAMP(NOW(6)) AS dbpower_agent_own, VARIABLE_VALUE FROM {schema}.global_status WHERE VARIABLE_NAME = 'Uptime'
