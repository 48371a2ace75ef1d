"""Options that say what a binding does when it is not met, alike for one SIM and for an account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")


def policy_options(command: F) -> F:
    """Give a command `--enforce/--alert-only`, `--unknown` and `--resume`; each is None when it is not given."""
    for option in (
        click.option("--resume", type=click.Choice(["auto", "manual"]), help="Who lifts the bar when it is back."),
        click.option("--unknown", type=click.Choice(["allow", "deny"]), help="When the IMEI is missing or unreadable."),
        click.option(
            "--enforce/--alert-only", default=None, help="In another device: bar the SIM, or send events only."
        ),
    ):
        command = option(command)
    return command


def policy_body(given: dict[str, Any]) -> dict[str, str]:
    """What these options say, as the API takes it; they are taken out of `given`."""
    enforce, unknown, resume = (given.pop(name) for name in ("enforce", "unknown", "resume"))
    said = {
        "onMismatch": None if enforce is None else "ENFORCE" if enforce else "ALERT",
        "unknown": unknown and unknown.upper(),
        "resume": resume and resume.upper(),
    }
    return {name: value for name, value in said.items() if value}
