"""The compose file's `redis`: its command and health check with Debian's Redis, in a network and a /run of their own."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.deployment import REPOSITORY
from tests.deployment.compose import read
from tests.servers import suites
from tests.servers.plugin import SKIPPED
from tests.servers.process import Unavailable, find_program

SCRIPT = """
mount -t tmpfs tmpfs /run
mkdir /run/secrets /run/programs
printf %s "$PASSWORD" > /run/secrets/redis_password
chown 10001 /run/secrets/redis_password
chmod 0400 /run/secrets/redis_password
ln -s "$REDIS" /run/programs/redis-server
ip link set lo up
cd /tmp
setpriv --reuid=10001 --regid=10001 --clear-groups --bounding-set=-all --no-new-privs {command} > /run/log 2>&1 &
redis=$!
tries=0
until {health}; do
    tries=$((tries + 1))
    test $tries -lt 100 || {{ cat /run/log; exit 1; }}
    sleep 0.1
done
echo healthy
redis-cli ping
tr '\\0' ' ' < /proc/$redis/cmdline | grep -c "$PASSWORD" || true
redis-cli -a "$PASSWORD" --no-auth-warning config get save
kill -9 $redis
{health} || echo unhealthy
"""


def test_redis_asks_for_its_password_and_its_health_check_tells_the_truth(tmp_path: Path) -> None:
    try:
        program = find_program("redis-server", "redis-check-rdb")
        ip = find_program("ip")
    except Unavailable as reason:
        pytest.skip(f"{SKIPPED}{reason}")
    if os.geteuid() != 0 or not suites.alone():
        pytest.skip(f"{SKIPPED}a network of its own takes root")
    variables = {"DBPOWER_HOST": "dbpower.example.org", "DBPOWER_SECRETS_DIR": str(tmp_path)}
    service = read(REPOSITORY / "docker-compose.yml", variables)["redis"]
    script = SCRIPT.format(command=shlex.join(service.command), health=shlex.join(service.health_command))
    done = subprocess.run(
        [*suites.alone(), "--net", "sh", "-euc", script],
        env={
            "PATH": f"/run/programs:{ip.parent}:{os.environ['PATH']}",
            "PASSWORD": "canary-of-redis",
            "REDIS": str(program),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = [line for line in done.stdout.splitlines() if line]
    assert done.returncode == 0, done.stdout + done.stderr
    assert said[0] == "healthy"
    assert said[1].startswith("NOAUTH")
    assert said[2] == "0"
    assert said[-1] == "unhealthy"
