SELECT CAST(start_time AS CHAR) AS dbpower_agent_own, user_host, CAST(query_time AS CHAR), CAST(lock_time AS CHAR),
       rows_sent, rows_examined, db, thread_id, LENGTH(sql_text), LEFT(sql_text, {text_limit}), {rows_affected}
  FROM mysql.{table}
 LIMIT 1
