"""Wishes for events, of which a test says only what it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simwarden.domain.events import EventType
from simwarden.engine.subscriptions import NewSubscription

if TYPE_CHECKING:
    from simwarden.domain.sim import Sim


def wish(sim: Sim, app_key: str = "app-1", **otherwise: Any) -> NewSubscription:
    """For the changes of device of a SIM, to a sink that nobody serves, but for what is said `otherwise`."""
    given: dict[str, Any] = {
        "sim": sim,
        "account_id": sim.account_id,
        "app_key": app_key,
        "api": "iot-sim-fraud-prevention-subscriptions",
        "topic": EventType.DEVICE_CHANGED,
        "type": "org.camaraproject.iot-sim-fraud-prevention.v0.imei-change",
        "protocol": "HTTP",
        "sink": "http://127.0.0.1:9/",
        "protocol_settings": None,
        "device": None,
        "config": {},
        "credential": None,
        "expires_at": None,
        "max_events": None,
        "initial_event": False,
    }
    return NewSubscription(**(given | otherwise))
