"""Requests to the customers' APIs: paths, methods, headers, queries and bodies, mutated."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.fuzz import contracts
from tests.fuzz.bench import Request, drive
from tests.fuzz.mutate import TEXTS, Mutator

from simwarden.accounts.applications import issue, open_account
from simwarden.accounts.scopes import SETS
from simwarden.demo.story import FRAUD, IMEI_CHANGE, SUBSCRIPTIONS
from simwarden.domain.events import Cause, CauseKind
from simwarden.engine import provision
from simwarden.kit.clock import now_utc
from simwarden.simulator.identity import make_sim

if TYPE_CHECKING:
    from tests.fuzz.bench import Bench

SIMS = 8
IMSI_BASE = 460000980000000


def templates(phone: str) -> list[tuple[str, str, Any]]:
    """Good requests: method, path, body."""
    device = {
        "phoneNumber": phone,
        "networkAccessIdentifier": "123456789@example.org",
        "ipv4Address": {"publicAddress": "203.0.113.5", "privateAddress": "10.0.0.5", "publicPort": 59765},
        "ipv6Address": "2001:db8:85a3::8a2e:370:7334",
    }
    plain = {"phoneNumber": phone}
    subscription = {
        "protocol": "HTTP",
        "sink": "http://127.0.0.1:9/hook",
        "sinkCredential": {
            "credentialType": "ACCESSTOKEN",
            "accessToken": "abc",
            "accessTokenType": "bearer",
            "accessTokenExpiresUtc": "2099-01-01T00:00:00Z",
        },
        "types": [IMEI_CHANGE],
        "config": {
            "subscriptionDetail": {"device": plain},
            "subscriptionExpireTime": "2099-01-01T00:00:00.000Z",
            "subscriptionMaxEvents": 5,
            "initialEvent": True,
        },
    }
    fraud = [("POST", f"{FRAUD}/bind", {"device": some, "bindType": "IMEIBIND"}) for some in (plain, device)] + [
        ("POST", f"{FRAUD}/unbind", {"device": plain, "unBindType": "IMEIBIND"}),
        ("POST", f"{FRAUD}/query", {"device": plain, "queryType": "IMEIBIND"}),
        ("POST", f"{FRAUD}/bind", {"device": plain, "bindType": "AREALIMIT"}),
    ]
    base = f"{SUBSCRIPTIONS}/subscriptions"
    id_ = "00" + "0" * 32
    return [
        *fraud,
        ("POST", base, subscription),
        ("GET", base, None),
        ("GET", f"{base}/{id_}", None),
        ("DELETE", f"{base}/{id_}", None),
    ]


class Camara:
    """Cases by number: the same seed and number, the same request (but for the token)."""

    def __init__(self, bench: Bench, seed: int, token: str) -> None:
        self._bench = bench
        self._seed = seed
        self._token = token
        cards = [make_sim(IMSI_BASE, number) for number in range(SIMS)]
        self._templates = [template for card in cards for template in templates(f"+{card.msisdn}")]
        self._templates += [
            template for card in cards for template in contracts.templates(f"+{card.msisdn}", card.imsi)
        ]

    @classmethod
    async def prepare(cls, bench: Bench, seed: int) -> Camara:
        """An application and a few SIMs."""
        account = await open_account(bench.house.accounts, f"camara-{seed}")
        made = await issue(bench.house.accounts, account.id, "fuzz", SETS["all"])
        token = await bench.house.tokens.issue(made.application, made.application.scopes)
        cause = Cause(CauseKind.OPERATOR, "fuzz", now_utc())
        for number in range(SIMS):
            card = make_sim(IMSI_BASE, number)
            sim = provision.new_sim(account.id, imsi=card.imsi, msisdn=f"+{card.msisdn}")
            await provision.add(bench.db, sim, cause, imei="353689530707903" if number % 2 else None)
        return cls(bench, seed, token)

    def make(self, number: int) -> Request:
        """One request."""
        chance = random.Random(f"{self._seed}:camara:{number}")
        mutator = Mutator(chance)
        method, path, document = chance.choice(self._templates)
        if chance.random() < 0.08:
            path = "/" + quote(
                mutator.text(path[1:]).encode("utf-8", "surrogatepass"), safe=chance.choice(["/", "/?%.", ""])
            )
        if chance.random() < 0.05:
            path = path.partition("?")[0] + "?" + quote(chance.choice(TEXTS).encode("utf-8", "surrogatepass"))
        if chance.random() < 0.05:
            method = chance.choice(["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "post", "X"])
        body = b"" if document is None and chance.random() < 0.7 else mutator.body(document)
        return Request(method, path, body, self._headers(mutator, chance))

    def _headers(self, mutator: Mutator, chance: random.Random) -> list[tuple[str, str]]:
        headers = {"authorization": f"Bearer {self._token}", "content-type": "application/json"}
        if chance.random() < 0.5:
            headers["x-correlator"] = "b4333c46-49c0-4f62-80d7-f0ef930f1c46"
        if chance.random() < 0.08:
            headers["accept"] = chance.choice(["*/*", "application/json", "text/html", "", "a/b;q=x", ",", "*/*;q=0"])
        if chance.random() < 0.03:
            headers["content-length"] = chance.choice(["0", "-1", "9" * 30, "x", "70000", "1"])
        if chance.random() < 0.03:
            headers["content-encoding"] = chance.choice(["gzip", "identity", "x"])
        if chance.random() < 0.1:
            name = chance.choice(sorted(headers))
            headers[name] = mutator.text(headers[name]).encode("utf-8", "replace").decode("latin-1")
        if chance.random() < 0.03:
            headers.pop(chance.choice(sorted(headers)))
        return list(headers.items())

    async def run(self, count: int, *, quiet: bool = False) -> None:
        """Everything. Raises Finding."""
        await drive("camara", count, 100, self.make, self._bench.batch, self._bench.check_memory, quiet=quiet)
