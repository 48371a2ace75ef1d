"""`simwarden signing-key`."""

from __future__ import annotations

import click

from simwarden.accounts.keys import ACCEPT_RETIRED_FOR, SigningKeys
from simwarden.cli.common import Store, json_option, print_json, with_store
from simwarden.kit.clock import now_utc
from simwarden.store import key_check
from simwarden.store.accounts import Accounts


@click.group("signing-key")
def signing_key() -> None:
    """The keys that sign access tokens."""


@signing_key.command(epilog="\b\nExample:\n  simwarden signing-key rotate")
@json_option
def rotate(*, as_json: bool) -> None:
    """Sign access tokens with a new key; running servers change over within five minutes.

    Tokens that the old key signed stay valid until they expire.
    """

    async def work(store: Store) -> str:
        await key_check.check(store.db.url, store.vault)
        return await SigningKeys(Accounts(store.db), store.vault).rotate()

    kid = with_store(work)
    until = now_utc() + ACCEPT_RETIRED_FOR
    if as_json:
        print_json({"kid": kid, "retired_accepted_until": until})
    else:
        click.echo(f"New tokens are signed with {kid}; the key before is accepted until {until:%Y-%m-%d %H:%M} UTC")
