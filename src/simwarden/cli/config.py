"""`simwarden config`."""

from __future__ import annotations

import click

from simwarden.cli.building import examples
from simwarden.cli.common import Group, current_settings, json_option
from simwarden.cli.printing import print_json, print_table
from simwarden.settings import PREFIX, shown


@click.group(cls=Group)
def config() -> None:
    """Settings: flags beat SIMWARDEN_* variables, which beat simwarden.toml."""


@config.command(epilog=examples(("config show",)))
@json_option
def show(*, as_json: bool) -> None:
    """Print what is in force and where it comes from, secrets masked."""
    settings, sources = current_settings()
    values = shown(settings)
    if as_json:
        print_json(values)
        return
    rows = [
        {"setting": name, "value": value, "from": sources.get(name, "default"), "variable": PREFIX + name.upper()}
        for name, value in values.items()
    ]
    print_table(rows, ["setting", "value", "from", "variable"], empty="")
