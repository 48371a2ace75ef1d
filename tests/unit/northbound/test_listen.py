"""Polls of the listen API, before they reach an inbox."""

from __future__ import annotations

from tests.unit.northbound.asgi import call
from tests.unit.northbound.world import World

from simwarden.northbound.kernel.api import MAX_BODY

EVENTS = "/listen/v1/inboxes/inb_000000000000000000000000/events"


async def test_a_poll_with_a_body_is_answered_and_its_body_is_bounded() -> None:
    """A body means nothing there: a short one is read and ignored, a long one refused before the token is looked at."""
    app = World().app
    short = await call(app, "GET", EVENTS, [b"{", b"}"], [("x-correlator", "c-1")])
    assert (short.status, short.json["code"]) == (401, "UNAUTHENTICATED")
    long = await call(app, "GET", EVENTS, [b"x" * MAX_BODY, b"x", b"x"], [("x-correlator", "c-1")])
    assert (long.status, long.json["code"]) == (400, "INVALID_ARGUMENT")
    assert long.headers["x-correlator"] == "c-1"
