"""The command line: `dbpower-agent [run | doctor | healthcheck | version] --config config.json`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dbpower_agent import __version__
from dbpower_agent.config import AgentConfig, ConfigError, load_config
from dbpower_agent.healthcheck import check_health
from dbpower_agent.logs import configure_logging

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_OK: Final = 0
EXIT_PROBLEM: Final = 1
EXIT_BAD_CONFIG: Final = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit code: 0 well, 1 a problem was found, 2 the configuration is unusable."""
    options = build_parser().parse_args(arguments)
    if options.command == "version":
        write(f"dbpower-agent {__version__}")
        return EXIT_OK
    try:
        config = load_config(Path(options.config), os.environ, allow_readable=options.allow_readable_config)
    except ConfigError as error:
        for problem in error.problems:
            write(f"configuration: {problem}", to_error=True)
        return EXIT_BAD_CONFIG
    match options.command:
        case "doctor":
            return doctor(config, as_json=options.json)
        case "healthcheck":
            return healthcheck(config)
        case _:
            return run(config)


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


def healthcheck(config: AgentConfig) -> int:
    health = check_health(config.state_dir)
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
