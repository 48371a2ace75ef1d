"""A cheap load generator for RADIUS: `python -m benchmarks.radius_load`. Packets are made before the clock starts.

Prints one line of JSON. Several source ports of several addresses send, because a port has 256 Identifiers, and a
network access server is its address.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import select
import socket
import struct
import time

from benchmarks.setup import IMSI_BASE
from simwarden.domain.identifiers import full_imei
from simwarden.southbound.radius import codec
from simwarden.southbound.radius.codec import Attribute, Code, Vendor3gpp

SECRET = b"secret of the benchmark"
ADDRESSES = 4
PORTS = 12
"""Of each address."""
AGAIN = 2.0
"""Seconds after which a packet is sent again."""
LOCATION = bytes.fromhex("8264f000123464f00000012345")


def facts(number: int) -> list[bytes]:
    """What a packet gateway says of a SIM."""
    return [
        codec.attribute(Attribute.CALLED_STATION_ID, b"iot.example"),
        codec.attribute(Attribute.CALLING_STATION_ID, b"8690%010d" % number),
        codec.vendor_attribute(Vendor3gpp.IMSI, str(IMSI_BASE + number).encode()),
        codec.vendor_attribute(Vendor3gpp.IMEISV, full_imei(f"35{number:012}").encode() + b"1"),
        codec.vendor_attribute(Vendor3gpp.RAT_TYPE, b"\x06"),
        codec.vendor_attribute(Vendor3gpp.SGSN_MCC_MNC, b"46000"),
        codec.vendor_attribute(Vendor3gpp.USER_LOCATION_INFO, LOCATION),
    ]


def accounting(number: int, status: int, turn: int, at: int) -> bytes:
    """An Accounting-Request without its Identifier and authenticator, which depend on when it is sent."""
    return b"".join(
        [
            codec.integer(Attribute.ACCT_STATUS_TYPE, status),
            codec.attribute(Attribute.ACCT_SESSION_ID, b"0A0B0C0D%08X" % number),
            codec.integer(Attribute.EVENT_TIMESTAMP, at),
            codec.integer(Attribute.ACCT_SESSION_TIME, turn * 60),
            codec.integer(Attribute.ACCT_INPUT_OCTETS, turn * 100_000 + number % 1000),
            codec.integer(Attribute.ACCT_OUTPUT_OCTETS, turn * 900_000 + number % 1000),
            codec.integer(Attribute.ACCT_INPUT_GIGAWORDS, 0),
            codec.integer(Attribute.ACCT_OUTPUT_GIGAWORDS, 0),
            codec.attribute(Attribute.FRAMED_IP_ADDRESS, struct.pack("!I", 0x0A000000 + number)),
            *facts(number),
        ]
    )


class Port:
    """One source port: its requests by Identifier."""

    def __init__(self, address: str, to: int, requests: list[bytes]) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind((address, 0))
        self.socket.connect(("127.0.0.1", to))
        self.socket.setblocking(False)
        self.requests = requests
        self.next = 0
        self.waiting: dict[int, tuple[float, int]] = {}
        """By Identifier: when it was sent, and which request that is."""

    def send(self, now: float) -> bool:
        """Send the next request; returns whether there was one and a free Identifier for it."""
        if self.next >= len(self.requests) or self.next % 256 in self.waiting:
            return False
        self.socket.send(self.requests[self.next])
        self.waiting[self.next % 256] = now, self.next
        self.next += 1
        return True

    def receive(self, now: float, took: list[float], codes: dict[int, int]) -> int:
        """Take answers; returns how many."""
        count = 0
        while True:
            try:
                answer = self.socket.recv(4096)
            except BlockingIOError:
                return count
            sent = self.waiting.pop(answer[1], None)
            if sent is not None:
                count += 1
                took.append(now - sent[0])
                codes[answer[0]] = codes.get(answer[0], 0) + 1

    def again(self, now: float) -> int:
        """Send what got no answer for too long; returns how many."""
        late = [(id_, at) for id_, (at, _) in self.waiting.items() if now - at > AGAIN]
        for id_, _ in late:
            number = self.waiting[id_][1]
            self.socket.send(self.requests[number])
            self.waiting[id_] = now, number
        return len(late)


def encoded(kind: str, index: int, body: bytes) -> bytes:
    """A whole request."""
    if kind == "access":
        return codec.encode_proved_request(Code.ACCESS_REQUEST, index % 256, [body], SECRET, os.urandom(16))
    head = struct.pack("!BBH", Code.ACCOUNTING_REQUEST, index % 256, 20 + len(body))
    proof = hashlib.md5(head + bytes(16) + body + SECRET, usedforsecurity=False).digest()
    return head + proof + body


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["start", "interim", "access"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--sims", type=int, required=True)
    parser.add_argument("--packets", type=int, required=True)
    parser.add_argument("--rate", type=float, default=0, help="a second; 0: as fast as answers come")
    parser.add_argument("--turns", type=int, default=0, help="interim: how many of each session were sent before")
    parser.add_argument("--window", type=int, default=1500, help="requests without an answer at a time")
    given = parser.parse_args()
    ports = PORTS * ADDRESSES
    began_at = int(time.time())
    bodies: list[list[bytes]] = [[] for _ in range(ports)]
    for index in range(given.packets):
        number, turn = index % given.sims, index // given.sims
        if given.kind == "access":
            body = b"".join(facts(number))
        else:
            status, since = (1, 0) if given.kind == "start" else (3, given.turns + turn + 1)
            body = accounting(number, status, since, began_at - 3600 + since * 60)
        bodies[number % ports].append(body)
    made = [
        Port(f"127.0.0.{2 + n % ADDRESSES}", given.port, [encoded(given.kind, i, body) for i, body in enumerate(each)])
        for n, each in enumerate(bodies)
    ]
    poll = select.epoll()
    by_fd = {port.socket.fileno(): port for port in made}
    for fd in by_fd:
        poll.register(fd, select.EPOLLIN)
    took: list[float] = []
    codes: dict[int, int] = {}
    sent = answered = repeated = 0
    load_began = time.process_time()
    start = checked = now = time.monotonic()
    turn = 0
    while answered < given.packets and now - start < 120:
        room = given.window - (sent - answered)
        if given.rate:
            room = min(room, int((now - start) * given.rate) + 1 - sent)
        tried = 0
        while room > 0 and tried < ports:
            turn = (turn + 1) % ports
            if made[turn].send(now):
                sent, room, tried = sent + 1, room - 1, 0
            else:
                tried += 1
        events = poll.poll(0.0005 if given.rate else 0.002)
        now = time.monotonic()
        for fd, _ in events:
            answered += by_fd[fd].receive(now, took, codes)
        if now - checked > 0.5:
            checked = now
            repeated += sum(port.again(now) for port in made)
    seconds, load = now - start, time.process_time() - load_began
    took.sort()
    at = {f"p{share}": round(took[int(len(took) * share / 100)] * 1000, 2) for share in (50, 95, 99)} if took else {}
    counted = {"answered": answered, "seconds": seconds, "load": load, "repeated": repeated, "codes": codes}
    print(json.dumps(counted | at))


if __name__ == "__main__":
    main()
