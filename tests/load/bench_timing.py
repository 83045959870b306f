"""What can be told from how long a refusal takes: `python -m tests.load.bench_timing --rounds N`.

Each pair of questions must look alike to whoever asks. They are asked in turn, so that whatever else the machine does hits
both; printed are the medians, and their ratio beside the ratio of two equal questions, which is what noise alone makes.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from collectors.domain.keys import generate_key
from tests.servers.control_plane import ControlPlane

PASSWORD = "a long enough pass phrase"
Ask = Callable[[int], Any]


class From(HTTPAdapter):
    """Sends from another address of this host, each of which is a network of its own to whoever counts attempts."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Bind to the address."""
        super().init_poolmanager(*arguments, source_address=(self.address, 0), **options)


def compare(name: str, rounds: int, first: Ask, second: Ask) -> None:
    """Ask in turn, and print what was found."""
    took: dict[str, list[float]] = {"first": [], "second": [], "first again": []}
    for number in range(rounds):
        for which, ask in (("first", first), ("second", second), ("first again", first)):
            began = time.perf_counter()
            ask(number)
            took[which].append(time.perf_counter() - began)
    one, other, noise = (statistics.median(times) * 1000 for times in took.values())
    print(f"{name:<46} {one:8.2f} ms {other:8.2f} ms   ratio {other / one:5.3f}   noise {noise / one:5.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    rounds = parser.parse_args().rounds
    with ControlPlane() as served:
        root = served.log_in()

        def post(path: str, body: Any, headers: dict[str, str] = root) -> Any:
            return served.api("POST", path, body, **headers).json()

        organizations = [post("organizations", {"name": f"Example {n}"})["id"] for n in range(2)]
        teams = [post("teams", {"name": "Shop", "organization_id": number})["id"] for number in organizations]
        registered = [
            post("collectors/register", {"name": "a", "type": "mysql", "team_id": number}) for number in teams
        ]
        user = post("users", {"email": "mallory@example.org", "password": PASSWORD})["id"]
        post("memberships", {"user_id": user, "organization_id": organizations[1], "role": "ORG_ADMIN"})
        tokens = post("auth/token", {"email": "mallory@example.org", "password": PASSWORD}, {})
        mallory = {"Authorization": f"Bearer {tokens['access']}"}
        own, key = registered[0]["id"], registered[0]["api_key"]

        def beat(collector: int, sent: str) -> Any:
            return served.api("POST", f"collectors/{collector}/heartbeat", {}, **{"X-Collector-API-Key": sent})

        def attempt(email: str, number: int) -> Any:
            session = requests.Session()
            session.trust_env = False
            session.mount("http://", From(f"127.1.{number // 250}.{number % 250 + 1}"))
            body = {"email": email, "password": "wrong"}
            return session.post(f"{served.address}/api/v1/auth/token", json=body, timeout=30)

        def ask(path: str) -> Ask:
            return lambda _number: served.api("GET", path, **mallory)

        print(f"{rounds} rounds: first, second, their ratio, and the ratio of two equal questions")
        compare("a foreign collector, an absent one", rounds, ask(f"collectors/{own}"), ask("collectors/999999"))
        compare(
            "rows of a foreign collector, of an absent one",
            rounds,
            ask(f"collectors/{own}/commands"),
            ask("collectors/999999/commands"),
        )
        compare(
            "a key of a known collector, of an unknown one",
            rounds,
            lambda _n: beat(own, generate_key(own)),
            lambda _n: beat(999_999, generate_key(999_999)),
        )
        compare(
            "a wrong key, one with the right beginning",
            rounds,
            lambda _n: beat(own, generate_key(own)),
            lambda _n: beat(own, key[:-2] + ("AA" if key[-2:] != "AA" else "BB")),
        )
        compare(
            "a known address, an unknown one",
            min(rounds, 60),
            lambda n: attempt("mallory@example.org", n),
            lambda n: attempt(f"nobody{n}@example.org", n),
        )


if __name__ == "__main__":
    main()
