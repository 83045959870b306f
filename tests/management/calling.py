"""Operators' commands, called as the shell would."""

from io import StringIO

from django.core.management import call_command


def call(name: str, *arguments: str) -> str:
    """Run a command and return what it printed."""
    output = StringIO()
    call_command(name, *arguments, stdout=output)
    return output.getvalue()
