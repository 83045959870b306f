"""Real servers (PostgreSQL, MariaDB, MySQL, Redis), started privately on loopback with data of their own."""

from tests.servers.mariadb import MariaDB
from tests.servers.mysql import MySQL
from tests.servers.postgresql import PostgreSQL
from tests.servers.process import ServerFailedError, Unavailable
from tests.servers.redis import Redis

__all__ = ["MariaDB", "MySQL", "PostgreSQL", "Redis", "ServerFailedError", "Unavailable"]
