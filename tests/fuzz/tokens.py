"""Requests to the token endpoint, mutated."""

from __future__ import annotations

import base64
import random
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from tests.fuzz.bench import Request, drive
from tests.fuzz.mutate import TEXTS, Mutator

from simwarden.accounts.applications import issue, open_account
from simwarden.accounts.scopes import SETS

if TYPE_CHECKING:
    from tests.fuzz.bench import Bench

FORM = "application/x-www-form-urlencoded"
TYPES = [FORM, f"{FORM}; charset=utf-8", "application/json", "multipart/form-data; boundary=x", "", "X" * 300]
NAMES = [
    "grant_type",
    "scope",
    "client_id",
    "client_secret",
    "client_assertion",
    "assertion",
    "auth_req_id",
    "resource",
]


def raw(text: str) -> bytes:
    """A text as bytes, lone surrogates too."""
    return text.encode("utf-8", "surrogatepass")


class Token:
    """Cases by number: the same seed and number, the same request (but for the secret)."""

    def __init__(self, bench: Bench, seed: int, app_key: str, secret: str, scope: str) -> None:
        self._bench = bench
        self._seed = seed
        self._app_key = app_key
        self._secret = secret
        self._scope = scope

    @classmethod
    async def prepare(cls, bench: Bench, seed: int) -> Token:
        """An application."""
        account = await open_account(bench.house.accounts, f"token-{seed}")
        made = await issue(bench.house.accounts, account.id, "fuzz", SETS["all"])
        return cls(bench, seed, made.application.app_key, made.app_secret, made.application.scopes[0])

    def make(self, number: int) -> Request:
        """One request."""
        chance = random.Random(f"{self._seed}:token:{number}")
        mutator = Mutator(chance)
        form = [("grant_type", "client_credentials")]
        headers = {"content-type": FORM}
        pair = f"{self._app_key}:{self._secret}"
        if chance.random() < 0.5:
            coded = base64.b64encode(pair.encode()).decode()
            headers["authorization"] = f"Basic {coded}"
        else:
            form += [("client_id", self._app_key), ("client_secret", self._secret)]
        if chance.random() < 0.4:
            form.append(("scope", self._scope))
        for _ in range(chance.choice((0, 1, 1, 2, 3))):
            self._change(form, headers, mutator, chance)
        quoted = [
            (name.encode("utf-8", "surrogatepass"), value.encode("utf-8", "surrogatepass")) for name, value in form
        ]
        body = urlencode(quoted).encode()
        if chance.random() < 0.15:
            body = mutator.bytes(body)
        method = "POST" if chance.random() < 0.97 else chance.choice(["GET", "PUT", "HEAD", "OPTIONS"])
        path = "/oauth2/token" if chance.random() < 0.97 else "/oauth2/token" + quote(raw(chance.choice(TEXTS)))
        return Request(method, path, body, list(headers.items()))

    def _change(
        self, form: list[tuple[str, str]], headers: dict[str, str], mutator: Mutator, chance: random.Random
    ) -> None:
        at = chance.randrange(len(form)) if form else None
        match chance.randrange(8):
            case 0 if at is not None:
                form[at] = (form[at][0], mutator.text(form[at][1]))
            case 1 if at is not None:
                form[at] = (mutator.text(form[at][0]), form[at][1])
            case 2 if at is not None:
                form.append(form[at])
            case 3 if at is not None:
                del form[at]
            case 4:
                form.append((chance.choice(NAMES), chance.choice(TEXTS)))
            case 5:
                headers["content-type"] = chance.choice(TYPES)
            case 6:
                given = headers.get("authorization", "Basic Og==")
                headers["authorization"] = mutator.text(given).encode("utf-8", "replace").decode("latin-1")
            case _:
                pair = mutator.bytes(f"{self._app_key}:{self._secret}".encode())
                headers["authorization"] = f"Basic {base64.b64encode(pair).decode()}"

    async def run(self, count: int, *, quiet: bool = False) -> None:
        """Everything. Raises Finding."""
        await drive("token", count, 100, self.make, self._bench.batch, self._bench.check_memory, quiet=quiet)
