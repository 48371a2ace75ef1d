"""A virtual NRF: takes registrations of network functions and their heart-beats (3GPP TS 29.510 5.2)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.southbound.sbi.answers import Problem, answer, refuse

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

PREFIX = "/nnrf-nfm/v1/nf-instances/"


class VirtualNrf:
    """An ASGI application."""

    def __init__(self, *, heart_beat: int = 10) -> None:
        """`heart_beat`: seconds between two heart-beats that it asks for."""
        self.heart_beat = heart_beat
        self.profiles: dict[str, dict[str, Any]] = {}
        """The functions that are registered, by instance id."""
        self.beats: dict[str, list[float]] = {}
        """When each one's heart beat, on the monotonic clock."""
        self.calls: list[tuple[str, str]] = []
        """Methods and versions of HTTP, in the order of the calls."""
        self.fault: int | None = None
        """The status of every answer, while it is set."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        self.calls.append((scope["method"], scope["http_version"]))
        try:
            status, body = self._answer(scope["method"], scope["path"], await body_of(receive))
        except Problem as problem:
            await refuse(send, problem)
        else:
            await answer(send, status, body)

    def _answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        id_ = path.removeprefix(PREFIX)
        if self.fault is not None:
            raise Problem(self.fault, "A fault of the day")
        if not path.startswith(PREFIX) or not id_:
            raise Problem(404, "There is no such resource", "RESOURCE_URI_STRUCTURE_NOT_FOUND")
        if method == "PUT":
            profile = msgspec.json.decode(body, type=dict[str, Any])
            if profile.get("nfInstanceId") != id_ or not profile.get("nfType") or not profile.get("nfStatus"):
                raise Problem(400, "This is no NFProfile", "MANDATORY_IE_MISSING")
            known = id_ in self.profiles
            self.profiles[id_] = {**profile, "heartBeatTimer": self.heart_beat}
            return (200 if known else 201), msgspec.json.encode(self.profiles[id_])
        if id_ not in self.profiles:
            raise Problem(404, "It is not registered", "RESOURCE_URI_STRUCTURE_NOT_FOUND")
        if method == "DELETE":
            del self.profiles[id_]
        elif method == "PATCH":
            self.beats.setdefault(id_, []).append(time.monotonic())
        else:
            raise Problem(405, "Only PUT, PATCH, DELETE", "METHOD_NOT_ALLOWED")
        return 204, b""


async def body_of(receive: Receive) -> bytes:
    """All of a request's body."""
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return body
