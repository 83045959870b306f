"""The command line: `dbpower-agent [run | doctor | healthcheck | enroll | version] --config config.json`."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dbpower_agent import __version__
from dbpower_agent.config import AgentConfig, ConfigError, load_config, load_state_dir
from dbpower_agent.healthcheck import check_health
from dbpower_agent.logs import configure_logging, escape_controls

if TYPE_CHECKING:
    from collections.abc import Sequence

TOKEN_VARIABLE: Final = "DBPOWER_AGENT_ENROLMENT_TOKEN"  # noqa: S105 - a name
EXIT_OK: Final = 0
EXIT_PROBLEM: Final = 1
EXIT_BAD_CONFIG: Final = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit code: 0 well, 1 a problem was found, 2 the configuration is unusable."""
    options = build_parser().parse_args(arguments)
    if options.command == "version":
        write(f"dbpower-agent {__version__}")
        return EXIT_OK
    if options.command == "enroll":
        return enroll_host(options)
    try:
        if options.command == "healthcheck":
            return healthcheck(load_state_dir(Path(options.config), os.environ))
        config = load_config(Path(options.config), os.environ, allow_readable=options.allow_readable_config)
    except ConfigError as error:
        for problem in error.problems:
            write(f"configuration: {problem}", to_error=True)
        return EXIT_BAD_CONFIG
    return doctor(config, as_json=options.json) if options.command == "doctor" else run(config)


def build_parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--config",
        default=argparse.SUPPRESS,
        metavar="FILE",
        help="the configuration file (default: $DBPOWER_AGENT_CONFIG or config.json)",
    )
    common.add_argument(
        "--allow-readable-config",
        action="store_true",
        default=argparse.SUPPRESS,
        help="accept a configuration file that others can read",
    )
    parser = argparse.ArgumentParser(
        prog="dbpower-agent", description="Collects slow statements for DBPower.", parents=[common]
    )
    parser.set_defaults(
        command="run", config=os.environ.get("DBPOWER_AGENT_CONFIG", "config.json"), allow_readable_config=False
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("run", parents=[common], help="run the agent (default)")
    examine = commands.add_parser("doctor", parents=[common], help="check everything and say how to mend it")
    examine.add_argument("--json", action="store_true", help="print the findings as JSON")
    commands.add_parser("healthcheck", parents=[common], help="exit 0 while the agent is alive")
    enrolling = commands.add_parser(
        "enroll", parents=[common], help="make this host a collector with an enrolment token, once"
    )
    enrolling.add_argument("--url", required=True, help="https://... of the control plane, without /api/v1")
    enrolling.add_argument(
        "--token-file",
        metavar="FILE",
        help="a file that holds the token (default: $DBPOWER_AGENT_ENROLMENT_TOKEN)",
    )
    enrolling.add_argument("--name", default=socket.gethostname(), help="the collector's name (default: %(default)s)")
    enrolling.add_argument("--ca", default="", metavar="FILE", help="PEM file of the control plane's authority")
    enrolling.add_argument("--allow-insecure-http", action="store_true", help="accept http:// to another host")
    commands.add_parser("version", help="print the version")
    return parser


def run(config: AgentConfig) -> int:
    from dbpower_agent.agent import Agent, StateDirectoryError
    from dbpower_agent.memory import use_one_arena

    use_one_arena()
    formatter = configure_logging(level=config.log_level, log_format=config.log_format, secrets=config.secrets)
    # Files the agent creates are its own business.
    os.umask(0o077)
    try:
        agent = Agent(config, formatter, os.environ)
    except StateDirectoryError as error:
        write(f"configuration: {error}", to_error=True)
        return EXIT_BAD_CONFIG
    return agent.run()


def enroll_host(options: argparse.Namespace) -> int:
    """Enroll this host; done again it says so and changes nothing."""
    from dbpower_agent.client import BackendUnreachableError
    from dbpower_agent.config import check_address
    from dbpower_agent.enrolment import EnrolmentError, enroll

    os.umask(0o077)
    url = options.url.rstrip("/")
    problems = check_address(url, allow_insecure_http=options.allow_insecure_http)
    try:
        token = Path(options.token_file).read_text() if options.token_file else os.environ.get(TOKEN_VARIABLE, "")
    except (OSError, ValueError):
        problems.append(f"{options.token_file}: cannot be read")
        token = ""
    if not problems and not token.strip():
        problems.append(f"name the token's file by --token-file, or put the token into {TOKEN_VARIABLE}")
    if problems:
        for problem in problems:
            write(f"enroll: {problem}", to_error=True)
        return EXIT_BAD_CONFIG
    try:
        path = Path(options.config)
        enrolled = enroll(
            path=path,
            url=url,
            token=token.strip(),
            name=options.name,
            ca=options.ca,
            allow_insecure_http=options.allow_insecure_http,
        )
    except (EnrolmentError, BackendUnreachableError, OSError) as error:
        write(escape_controls(f"enroll: {error}"), to_error=True)
        return EXIT_PROBLEM
    how = f" ({enrolled.how})" if enrolled.how else ""
    write(f"This host is collector {enrolled.collector_id}{how}; its key is in {path}.")
    return EXIT_OK


def healthcheck(state_dir: Path) -> int:
    health = check_health(state_dir)
    write(health.detail, to_error=not health.healthy)
    return EXIT_OK if health.healthy else EXIT_PROBLEM


def doctor(config: AgentConfig, *, as_json: bool) -> int:
    from dbpower_agent.doctor.examination import examine, print_findings

    configure_logging(level="error", log_format="text", secrets=config.secrets)
    findings = examine(config)
    print_findings(findings, as_json=as_json)
    return EXIT_OK if all(finding.ok for finding in findings) else EXIT_PROBLEM


def write(text: str, *, to_error: bool = False) -> None:
    stream = sys.stderr if to_error else sys.stdout
    stream.write(text + "\n")
    stream.flush()
