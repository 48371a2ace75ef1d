"""One end of a real packet path: a network namespace with a TUN interface, as a process of its own (Linux).

`python -m simwarden.simulator.namespace FD ADDRESS [PEER]`: the interface's file descriptor is handed over through the
Unix socket FD, so whoever gets it carries the packets. With PEER it is pinged, and each answer is a line of JSON:
`number`, and `sent_ns` and `received_ns` of the machine's clock. Ends when its standard input does. Where namespaces
are not allowed it prints a line with `error` and ends with 1.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import select
import socket
import struct
import sys
import time

CLONE_NEWNET, CLONE_NEWUSER = 0x40000000, 0x10000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
SIOCSIFADDR, SIOCSIFFLAGS, SIOCSIFNETMASK, IFF_UP = 0x8916, 0x8914, 0x891C, 0x1
NAME = b"tun0"
NETMASK = "255.255.0.0"
EVERY = 0.01
"""Seconds between two pings."""


def enter() -> None:
    """Be in a network namespace of our own, as root of a user namespace where we are not root. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    flags = CLONE_NEWNET if os.geteuid() == 0 else CLONE_NEWNET | CLONE_NEWUSER
    if libc.unshare(flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"network namespaces are not allowed here: {os.strerror(number)}")


def interface(address: str) -> int:
    """Make the TUN interface, give it an address and switch it on; returns its file descriptor. Raises OSError."""
    made = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(made, TUNSETIFF, struct.pack("16sH22x", NAME, IFF_TUN | IFF_NO_PI))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for request, value in ((SIOCSIFADDR, address), (SIOCSIFNETMASK, NETMASK)):
            where = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(value))
            fcntl.ioctl(control, request, struct.pack("16s16s8x", NAME, where))
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH22x", NAME, IFF_UP))
    return made


def echo(number: int) -> bytes:
    """An ICMP echo request (RFC 792) that carries when it was sent, in nanoseconds."""
    body = struct.pack("!HHQ", os.getpid() & 0xFFFF, number & 0xFFFF, time.time_ns())
    words = struct.unpack(f"!{len(body) // 2}H", body)
    total = 0x0800 + sum(words)
    total = (total >> 16) + (total & 0xFFFF)
    total += total >> 16
    return struct.pack("!BBH", 8, 0, ~total & 0xFFFF) + body


def ping(peer: str) -> None:
    """Ping until the standard input ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        raw.settimeout(0)
        number, due = 0, time.monotonic()
        while True:
            ready, _, _ = select.select([0, raw.fileno()], [], [], max(due - time.monotonic(), 0))
            if 0 in ready:
                return
            if raw.fileno() in ready:
                packet = raw.recv(2048)
                icmp = packet[(packet[0] & 15) * 4 :]
                if len(icmp) >= 16 and icmp[0] == 0:
                    sent = struct.unpack_from("!Q", icmp, 8)[0]
                    line = {"number": struct.unpack_from("!H", icmp, 6)[0], "sent_ns": sent}
                    print(json.dumps(line | {"received_ns": time.time_ns()}), flush=True)
            if time.monotonic() >= due:
                number, due = number + 1, due + EVERY
                raw.sendto(echo(number), (peer, 0))


def main(handover: int, address: str, peer: str | None) -> int:
    """The process."""
    try:
        enter()
        made = interface(address)
    except OSError as error:
        print(json.dumps({"error": error.strerror or str(error)}), flush=True)
        return 1
    with socket.socket(fileno=handover) as way:
        socket.send_fds(way, [b"\0"], [made])
    print(json.dumps({"ready": address}), flush=True)
    if peer is not None:
        ping(peer)
    else:
        sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None))
