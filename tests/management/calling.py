"""Operators' commands, called as the shell would."""

from io import StringIO

from django.core.management import call_command


def call(name: str, *arguments: str) -> str:
    """Run a command and return what it printed."""
    return call_both(name, *arguments)[0]


def call_both(name: str, *arguments: str) -> tuple[str, str]:
    """Run a command and return what it printed to standard output and to standard error."""
    output, errors = StringIO(), StringIO()
    call_command(name, *arguments, stdout=output, stderr=errors)
    return output.getvalue(), errors.getvalue()
