"""Options that say what a binding does when it is not met, alike for one SIM and for an account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from simwarden.domain.sim import OnMismatch, OnUnknown, Policy, Resume

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")


def policy_options(command: F) -> F:
    """Give a command `--enforce/--alert-only`, `--unknown` and `--resume`; each is None when it is not given."""
    for option in (
        click.option("--resume", type=click.Choice(["auto", "manual"]), help="How it is opened when it is back."),
        click.option("--unknown", type=click.Choice(["allow", "deny"]), help="When the IMEI is missing or unreadable."),
        click.option("--enforce/--alert-only", default=None, help="Bar the SIM in another device, or only tell."),
    ):
        command = option(command)
    return command


def changed(policy: Policy, *, enforce: bool | None, unknown: str | None, resume: str | None) -> Policy:
    """`policy` with what was given."""
    if enforce is not None:
        policy = msgspec.structs.replace(policy, on_mismatch=OnMismatch.ENFORCE if enforce else OnMismatch.ALERT)
    if unknown is not None:
        policy = msgspec.structs.replace(policy, unknown=OnUnknown(unknown.upper()))
    if resume is not None:
        policy = msgspec.structs.replace(policy, resume=Resume(resume.upper()))
    return policy
