"""`simwarden operator`."""

from __future__ import annotations

from pathlib import Path

import click

from simwarden.accounts.roles import Role
from simwarden.cli.building import Plain, add_all, examples
from simwarden.cli.common import Group, json_option
from simwarden.cli.printing import print_fields, print_json
from simwarden.cli.remote import Access, Key, access_options, call, write_key


@click.group(cls=Group)
def operator() -> None:
    """The operators' own keys: they open the management API, and nothing else."""


@operator.command(
    epilog=examples(
        (
            "operator create dashboard --read-only",
            "operator create night --role operator --write-key night.key",
            "operator create invoices --role billing",
        )
    )
)
@click.argument("name")
@click.option("--read-only", is_flag=True, help="It can look, and change nothing.")
@click.option(
    "--role",
    type=click.Choice([str(role) for role in Role]),
    help="What it may do [admin; viewer with --read-only]: docs/operators.md.",
)
@click.option("--manages", metavar="ACCOUNT", help="Of a reseller: for this account and those below it.")
@click.option(
    "--write-key", "file", type=click.Path(path_type=Path), help="Write it here (mode 0600) instead of showing it."
)
@access_options
@json_option
def create(
    name: str,
    role: str | None,
    manages: str | None,
    file: Path | None,
    access: Access,
    *,
    read_only: bool,
    as_json: bool,
) -> None:
    """Make a key; its secret is shown this once.

    The key of the first operator is made by simwarden serve, which leaves it in the data directory.
    """
    if file is not None and file.exists():
        raise click.UsageError(f"{file} exists already")
    wanted = {"name": name, "readOnly": read_only, "role": role, "manages": manages}
    made = call(access, "POST", "/operators", {key: value for key, value in wanted.items() if value is not None})
    if file is not None:
        write_key(file, Key(made["appKey"], made.pop("appSecret")))
        made["keyFile"] = str(file)
    if as_json:
        print_json(made)
        return
    shown = {"Name": name, "APPKEY": made["appKey"], "APPSECRET": made.get("appSecret")}
    print_fields({**shown, "Role": made["role"], "Scopes": " ".join(made["scopes"]), "File": made.get("keyFile")})
    if file is None:
        click.echo(
            "The secret is not shown again. Give the key to commands as SIMWARDEN_OPERATOR_KEY=APPKEY:APPSECRET."
        )
    else:
        click.echo(f"Use it with --key-file {file}, or SIMWARDEN_KEY_FILE.")


add_all(
    operator,
    [
        Plain(
            verb="list",
            operation="listOperators",
            examples=("operator list",),
            columns=("name", "appKey", "role", "scopes", "createdAt", "revokedAt", "manages"),
            empty="No keys",
        ),
        Plain(
            verb="role",
            operation="changeOperator",
            arguments=("role",),
            examples=("operator role APPKEY operator",),
            done="{appKey} ({name}) is {role}",
        ),
        Plain(
            verb="revoke",
            operation="revokeOperator",
            examples=("operator revoke APPKEY",),
            done="{appKey} ({name}) is revoked",
        ),
    ],
)
