"""A gateway's dev-status kept as bytes: only the counters are filled in anew, only changed slots are encoded again."""

from __future__ import annotations

import json
import random

from simwarden.simulator import messages
from simwarden.simulator.gateway import VirtualGateway
from simwarden.simulator.messages import Form
from simwarden.simulator.slot_addresses import SlotAddress


class EncodedReport:
    """The next dev-status of one gateway, cheap to make again and again."""

    def __init__(self, gateway: VirtualGateway, *, form: Form, expires: int = 60000) -> None:
        self.gateway = gateway
        self._form: Form = form
        self._expires = expires
        self._slots: dict[SlotAddress, bytes] = {}
        self._stale = set(gateway.places())
        self._template = b""
        self.sightings = 0
        gateway.watch(self._stale.add)

    def render(self) -> bytes:
        """The body with the next seq numbers, which count as sent."""
        if self._stale:
            self._encode()
        gateway = self.gateway
        first = gateway.port_seq + 1
        gateway.port_seq += len(self._slots)
        gateway.dev_seq += 1
        return self._template % (gateway.dev_seq, *range(first, gateway.port_seq + 1))

    def _encode(self) -> None:
        gateway = self.gateway
        for place in self._stale:
            row = messages.port_object(gateway.view(place), seq=0, form=self._form, counters=gateway.counters)
            self._slots[place] = _with_open_seq(row)
        self._stale.clear()
        frame = messages.dev_status(gateway.header(), [], seq=0, expires=self._expires, form=self._form)
        rows = b",".join(self._slots[place] for place in sorted(self._slots))
        self._template = _with_open_seq(frame).removesuffix(b"]}") + rows + b"]}"
        self.sightings = len(gateway.cards())


def _with_open_seq(message: messages.Message) -> bytes:
    """The JSON with `%d` in the place of seq 0."""
    text = json.dumps(message, ensure_ascii=False, separators=(",", ":")).replace("%", "%%")
    return text.replace('"seq":0,', '"seq":%d,', 1).encode()


class Shuffle:
    """Lets a share of a gateway's cards change their slot each round: away in one round, back in the next."""

    def __init__(self, gateway: VirtualGateway, share: float, rng: random.Random) -> None:
        """`share` of the cards, from 0 to 1; the pairs that exchange places are on different ports."""
        self._gateway = gateway
        self._share = share
        self._rng = rng
        self._owed = rng.random() * 2  # so that many gateways do not all move their cards in the same round
        self._away: list[tuple[SlotAddress, SlotAddress]] = []

    def step(self) -> int:
        """Play one round and return how many cards moved."""
        gateway = self._gateway
        cards = gateway.cards()
        self._owed += len(cards) * self._share
        if self._owed < 2:
            return 0
        pairs, self._away = self._away, []
        if not pairs:
            pairs = self._choose([place for place in cards if not gateway.is_locked(place)], int(self._owed) // 2)
            self._away = pairs
        moved = 0
        for left, right in pairs:
            if gateway.card(left) is not None:
                gateway.move(left, right, swap=True)
                moved += 2
        self._owed = max(self._owed - max(moved, 2), 0.0)
        return moved

    def _choose(self, places: list[SlotAddress], count: int) -> list[tuple[SlotAddress, SlotAddress]]:
        chosen = self._rng.sample(places, min(2 * count, len(places) // 2 * 2))
        pairs = zip(chosen[::2], chosen[1::2], strict=True)
        return [(left, right) for left, right in pairs if left.port != right.port]
