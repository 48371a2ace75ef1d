"""Passwords of gateways: asked for or read from a file, so that no list of processes shows them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")
_ASK = "\0ask"
_ON_LINE = click.core.ParameterSource.COMMANDLINE


def password_options(command: F, *, changes: bool) -> F:
    """`--password` asks, `--password-file` reads; where something is changed, `--no-password` takes it away."""
    options = [
        click.option(
            "--password-file",
            type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
            help="Read its password from this file, - for standard input; one line break at the end is dropped.",
        ),
        click.option(
            "--password",
            is_flag=False,
            flag_value=_ASK,
            envvar="SIMWARDEN_GATEWAY_PASSWORD",
            help="Ask for its password; kept encrypted. With a value it shows in the process list, in the variable "
            "SIMWARDEN_GATEWAY_PASSWORD it does not.",
        ),
    ]
    if changes:
        options.insert(0, click.option("--no-password", is_flag=True, help="Take its password away."))
    for option in options:
        command = option(command)
    return command


def read_password(given: str | None, file: Path | None, *, changes: bool) -> str | None:
    """The password that these options mean; None when neither is there. `changes`: the variable counts for nothing."""
    on_line = click.get_current_context().get_parameter_source("password") == _ON_LINE
    if changes and not on_line:
        given = None  # a variable that was set for adding gateways changes none
    if file is not None:
        if given is not None and on_line:
            raise click.UsageError("Give one of --password and --password-file, not both")
        given = "-" if str(file) == "-" else file.read_text(encoding="utf-8")
    elif given == _ASK:
        password: str = click.prompt("Password of the command interface", hide_input=True, err=True)
        return password
    elif given is not None and given != "-":
        if on_line:
            click.echo(
                "Warning: the password showed in the process list. Leave it out to be asked, or use --password-file.",
                err=True,
            )
        return given
    if given == "-":
        given = sys.stdin.read()
    if given is None:
        return None
    password = given.removesuffix("\n").removesuffix("\r")
    if not password:
        raise click.UsageError("The password is empty")
    return password
