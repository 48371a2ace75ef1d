"""`simwarden signing-key`."""

from __future__ import annotations

from typing import Any

import click

from simwarden.cli.building import Plain, add_all
from simwarden.cli.common import Group


@click.group("signing-key", cls=Group)
def signing_key() -> None:
    """The keys that sign access tokens."""


def _fields(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "New tokens are signed with": found["kid"],
        "Older tokens are good until they expire, at most": found["previousUntil"],
    }


add_all(
    signing_key,
    [
        Plain(
            verb="rotate",
            operation="rotateSigningKey",
            examples=("signing-key rotate",),
            fields=_fields,
        )
    ],
)
