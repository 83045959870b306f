SHOW COLUMNS FROM mysql.{table}
