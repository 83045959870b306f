"""A private MySQL, from a Debian suite that has it, with its slow log in the table `mysql.slow_log`."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.servers.mariadb import MySQLFamily
from tests.servers.process import Unavailable, run_as

SETTINGS: Mapping[str, str] = {
    "mysqlx": "OFF",
    "skip-log-bin": "ON",
    "secure-file-priv": "NULL",
    "performance-schema-digests-size": "5000",
}


class MySQL(MySQLFamily):
    """MySQL on a free loopback port, run inside `root`."""

    name = "mysql"

    def __init__(
        self,
        *,
        root: Path,
        settings: Mapping[str, str] | None = None,
        data: Path | None = None,
        port: int | None = None,
    ) -> None:
        if not (root / "usr/sbin/mysqld").exists():
            raise Unavailable(f"{root} holds no MySQL")
        super().__init__(settings={**SETTINGS, **(settings or {})}, data=data, port=port, root=root)

    def _initialize(self) -> None:
        making = self.home / "data.new"
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700)
        self.account.own(making)
        folder = self.inside(making)
        run_as(
            self.account,
            ["/usr/sbin/mysqld", "--no-defaults", f"--datadir={folder}", "--initialize-insecure"],
            root=self.root,
        )
        making.rename(self.data)

    def _arguments(self) -> list[str | Path]:
        return ["/usr/sbin/mysqld", "--no-defaults", *self._options()]
