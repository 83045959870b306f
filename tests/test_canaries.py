"""The product run with secrets that are looked for afterwards, everywhere that somebody might look."""

import base64
import contextlib
import json
import re
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.fernet import Fernet

from tests.agent.agents import eventually, run_agent, running_agent, write_config
from tests.authenticator import Authenticator
from tests.servers import PostgreSQL
from tests.servers.control_plane import ADMINISTRATOR, ControlPlane

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
PASSWORD = "canary-of-the-monitored-database"
PERSON = "canary phrase of a person"
GUESS = "canary phrase that was guessed"
ENCRYPTION_KEY = Fernet.generate_key().decode()
SECRET_KEY = "canary-key-that-signs-sessions-and-tokens"


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One whose own keys come from files, as a careful operator has them."""
    folder = tmp_path_factory.mktemp("keys")
    (folder / "secret").write_text(SECRET_KEY)
    (folder / "encryption").write_text(ENCRYPTION_KEY)
    files = {
        "DBPOWER_SECRET_KEY_FILE": str(folder / "secret"),
        "DBPOWER_ENCRYPTION_KEYS_FILE": str(folder / "encryption"),
        "DBPOWER_LOG_LEVEL": "DEBUG",
    }
    with ControlPlane(files) as running:
        yield running


class Messages(threading.Thread):
    """Reads what passes through the queue between web, beat and worker, as long as it lies there."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self._folder = folder
        self._over = threading.Event()
        self.seen: dict[str, str] = {}

    def run(self) -> None:
        while not self._over.wait(0.005):
            # What is being written yet is seen once it is whole, under its own name.
            for path in (path for path in self._folder.glob("*") if path.suffix != ".unfinished"):
                with contextlib.suppress(OSError):
                    if path.name not in self.seen and path.is_file():
                        self.seen[path.name] = path.read_text(errors="replace")

    def stop(self) -> None:
        self._over.set()
        self.join(10)


class Story:
    """Everything that has to do with secrets, done once. What was said on the way, and the secrets, are kept."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self.control_plane = control_plane
        self.me = control_plane.log_in()
        self.messages: dict[str, str] = {}
        self.secrets = {PASSWORD, PERSON, GUESS, ENCRYPTION_KEY, SECRET_KEY, control_plane.password}

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        answer = self.control_plane.api(method, path, body, **(headers or self.me))
        return answer.json() if answer.content else None

    def people(self) -> None:
        self.organization = self.ask("POST", "organizations", {"name": "Example GmbH"})["id"]
        self.team = self.ask("POST", "teams", {"name": "Shop", "organization_id": self.organization})["id"]
        bob = self.ask("POST", "users", {"email": "bob@example.org", "password": PERSON})["id"]
        place = {"organization_id": self.organization, "team_id": self.team, "role": "TEAM_LEAD"}
        self.ask("POST", "memberships", {"user_id": bob, **place})
        self.ask("POST", "auth/token", {"email": "bob@example.org", "password": GUESS})
        tokens = self.ask("POST", "auth/token", {"email": "bob@example.org", "password": PERSON})
        self.secrets |= {tokens["access"], tokens["refresh"], self.me["Authorization"].split()[1]}
        token = {"name": "script", "scopes": ["read"], "current_password": self.control_plane.password}
        own = self.ask("POST", "tokens", token)["token"]
        self.ask("GET", "teams", Authorization=f"Bearer {own}")
        invited = self.ask("POST", "invitations", {**place, "email": "new@example.org"})["url"]
        link = invited.rpartition("#")[2]
        self.ask("POST", "invitations/accept", {"token": link, "password": GUESS})
        self.ask("POST", "users", {"email": "eve@example.org", "password": PERSON})
        waiting = self.ask("POST", "invitations", {**place, "email": "eve@example.org"})["url"].rpartition("#")[2]
        self.secrets |= {own, link, waiting}
        self.refused_with(waiting, own)

    def refused_with(self, invitation: str, token: str) -> None:
        """Have the console refuse an open invitation in every way that is logged, and put secrets where they do not belong."""
        at = f"{self.control_plane.address}/admin/invitation/"
        browser = requests.Session()
        browser.trust_env = False
        assert browser.post(at, {"token": invitation}).status_code == 403
        page = browser.get(f"{at}#{invitation}").text
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert found
        form = {"csrfmiddlewaretoken": found[1], "token": invitation, "accept": "", "password": "not the phrase"}
        assert [browser.post(at, form).status_code for _ in range(12)][-1] == 429
        for path in (invitation, token, f"x/{invitation}"):
            assert browser.get(f"{at}{path}/", allow_redirects=False).status_code in (302, 404)

    def second_factor(self) -> None:
        """Set one up in the console, as a browser does."""
        browser = requests.Session()
        browser.trust_env = False
        at = f"{self.control_plane.address}/admin"

        def post(path: str, **form: str) -> str:
            page = browser.get(f"{at}/{path}").text
            found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
            assert found, page[:500]
            return browser.post(f"{at}/{path}", {"csrfmiddlewaretoken": found[1], **form}).text

        post("login/", username="bob@example.org", password=GUESS)
        post("login/", username="bob@example.org", password=PERSON)
        page = post("second-factor/", begin="1")
        found = re.search(r'id="copy-secret"[^>]*>([A-Z2-7]{32})<', page)
        assert found
        codes = post("second-factor/", code=Authenticator(found[1]).code())
        self.secrets |= {found[1], *re.findall(r"[a-z2-7]{4}(?:-[a-z2-7]{4}){3}", codes)}
        session = browser.cookies.get("sessionid")
        assert session
        self.secrets.add(session)

    def enrolment(self, folder: Path) -> None:
        """Let a host make itself a collector."""
        body = {"name": "hosts", "type": "postgres", "team_id": self.team, "max_uses": 2}
        token = self.ask("POST", "enrolment-tokens", body)["token"]
        (folder / "token").write_text(token)
        options = ("--config", str(folder / "config.json"), "--token-file", str(folder / "token"), "--name", "host")
        done = run_agent("enroll", "--url", self.control_plane.address, *options)
        assert done.returncode == 0, done.stderr
        key = json.loads((folder / "config.json").read_text())["api_key"]
        assert [secret for secret in (token, key) if secret in done.stdout + done.stderr] == []
        self.ask("POST", "enrolments", {"token": f"{token[:-4]}AAAA", "request_id": "0" * 32, "name": "guessing"})
        self.secrets |= {token, key}

    def collector(self, folder: Path, database: PostgreSQL) -> None:
        """Register one, change it, let its agent run, and let the agent make itself a key."""
        config = {"host": "127.0.0.1", "port": database.port, "user": "canary_reader", "password": PASSWORD}
        body = {"name": "a", "type": "postgres", "team_id": self.team, "config": config}
        registered = self.ask("POST", "collectors/register", body)
        number, key = registered["id"], registered["api_key"]
        by_hand = self.ask("POST", f"collectors/{number}/rotate-key", {})["api_key"]
        self.secrets |= {key, by_hand}
        path = write_config(
            folder,
            self.control_plane.address,
            "postgres",
            config,
            collector_id=number,
            api_key=by_hand,
            log_level="debug",
        )
        with running_agent(path) as agent:
            eventually(lambda: self.ask("GET", f"collectors/{number}")["keys"]["first_used_at"])
            self.ask("PATCH", f"collectors/{number}", {"config": {**config, "port": 1}})
            self.ask("POST", f"collectors/{number}/collect", {})
            self.ask("POST", f"collectors/{number}/rotate-key", {"by": "agent"})
            eventually(lambda: not self.ask("GET", f"collectors/{number}")["keys"]["rotation_requested_at"])
            eventually(lambda: not self.ask("GET", f"collectors/{number}/commands?state=pending")["count"])
            self.processes = command_lines()
            self.agent_environment = Path(f"/proc/{agent.pid}/environ").read_bytes().decode()
        self.secrets |= set(re.findall(r"collector_\d+_[\w-]{43}", (folder / "state/keys.json").read_text()))
        self.agent_log = (folder / "agent.log").read_text()


def command_lines() -> str:
    """Return how every process of this machine was called."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return "\n".join(found)


@pytest.fixture(scope="module")
def story(control_plane: ControlPlane, postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Story:
    messages = Messages(control_plane.folder / "data" / "queue" / "messages")
    messages.start()
    told = Story(control_plane)
    told.people()
    told.second_factor()
    told.enrolment(tmp_path_factory.mktemp("enrolled"))
    told.collector(tmp_path_factory.mktemp("agent"), postgresql)
    eventually(lambda: messages.seen, what="a message in the queue")
    messages.stop()
    told.messages = messages.seen
    return told


def found_in(text: str, story: Story) -> list[str]:
    return sorted(secret for secret in story.secrets if secret in text)


def test_there_is_something_to_look_for(story: Story) -> None:
    assert len(story.secrets) >= 26
    assert all(len(secret) >= 16 for secret in story.secrets)


def test_no_log_holds_a_secret(story: Story) -> None:
    log = (story.control_plane.folder / "serve.log").read_text()
    assert len(log.splitlines()) > 3
    assert found_in(log, story) == []
    assert len(story.agent_log.splitlines()) > 3
    assert found_in(story.agent_log, story) == []


def test_no_process_was_called_with_a_secret(story: Story) -> None:
    assert "collector_agent.py" in story.processes
    assert found_in(story.processes, story) == []
    assert found_in(story.agent_environment, story) == []


def test_a_dump_of_the_database_holds_no_secret_in_the_clear(story: Story) -> None:
    data = story.control_plane.folder / "data"
    with contextlib.closing(sqlite3.connect(f"file:{data / 'dbpower.sqlite3'}?mode=ro", uri=True)) as database:
        dump = "\n".join(database.iterdump())
    assert "bob@example.org" in dump
    assert found_in(dump, story) == []
    for path in (data / "queue").rglob("*"):
        if path.is_file():
            assert found_in(path.read_text(errors="replace"), story) == [], path


def test_no_message_between_the_processes_holds_a_secret_or_takes_an_argument(story: Story) -> None:
    assert story.messages
    for message in story.messages.values():
        envelope = json.loads(message)
        text = base64.b64decode(envelope["body"]).decode()
        assert found_in(message + text, story) == []
        arguments, named, _ = json.loads(text)
        assert (arguments, named) == ([], {})


def test_no_answer_and_no_page_holds_a_secret(story: Story) -> None:
    schema = requests.get(f"{story.control_plane.address}/api/schema?format=json", timeout=30).json()
    asked = 0
    for path, operations in schema["paths"].items():
        if "get" not in operations:
            continue
        for number in ("1", "2", "3"):
            address = re.sub(r"\{\w+\}", number, path)
            answer = requests.get(f"{story.control_plane.address}{address}", headers=story.me, timeout=30)
            asked += answer.ok
            assert found_in(answer.text, story) == [], address
    assert asked > 20


def test_the_consoles_pages_and_histories_hold_no_secret(story: Story) -> None:
    browser = requests.Session()
    browser.trust_env = False
    at = story.control_plane.address
    page = browser.get(f"{at}/admin/login/").text
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert found
    form = {"csrfmiddlewaretoken": found[1], "username": ADMINISTRATOR, "password": story.control_plane.password}
    seen: set[str] = set()
    waiting = [browser.post(f"{at}/admin/login/", form).url.removeprefix(at), "/admin/tokens/", "/admin/second-factor/"]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        text = browser.get(at + path).text
        assert found_in(text, story) == [], path
        waiting += [link for link in re.findall(r'href="(/admin/[^"?#]*)"', text) if "logout" not in link]
    assert len(seen) > 40
    assert any("history" in path for path in seen)


def test_what_is_stored_of_the_audit_names_what_was_done_and_no_secret(story: Story) -> None:
    entries = json.dumps(story.ask("GET", "audit?page_size=500"))
    for action in (
        "login.refused",
        "token.create",
        "second_factor.enable",
        "invitation.accept",
        "enrolment_token.create",
        "collector.prove_key",
    ):
        assert action in entries
    assert found_in(entries, story) == []
