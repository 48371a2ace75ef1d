"""Whose queue is sent next, when everybody wants to: accounts in turn, then their hosts, then their origins. No I/O.

A send may take many seconds, so what a newcomer needs must be free before it comes. An account may begin a send only
while it has fewer under way than are free (dynamic thresholds, Choudhury and Hahne 1998): one that wants everything
gets a half and leaves a half, two get a third each and leave a third. Within an account the same holds for its hosts.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simwarden.notify.sink_host import SinkHost


class _Host:
    """One host of an account, with all its ports."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.active = 0
        self.ready: deque[SinkHost] = deque()


class _Account:
    """One account."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.active = 0
        self.hosts: dict[str, _Host] = {}
        self.ready: deque[_Host] = deque()


class Shares:
    """The sends under way, by account and host."""

    def __init__(self, in_flight: int) -> None:
        self.free = in_flight
        self._accounts: dict[str, _Account] = {}
        self._ready: deque[_Account] = deque()

    def active(self, account: str) -> int:
        """Sends of an account that are under way."""
        found = self._accounts.get(account)
        return 0 if found is None else found.active

    def offer(self, origin: SinkHost) -> None:
        """An origin has a queue that it may begin by its own limits."""
        if origin.offered:
            return
        origin.offered = True
        account = self._accounts.get(origin.account)
        if account is None:
            account = self._accounts[origin.account] = _Account(origin.account)
        host = account.hosts.get(origin.host)
        if host is None:
            host = account.hosts[origin.host] = _Host(origin.host)
        host.ready.append(origin)
        if len(host.ready) == 1:
            account.ready.append(host)
            if len(account.ready) == 1:
                self._ready.append(account)

    def take(self, now: float) -> SinkHost | None:
        """The origin whose turn it is, with one send begun; None when nobody may begin one."""
        for _ in range(len(self._ready)):
            account = self._ready[0]
            self._ready.rotate(-1)
            if account.active < self.free:
                origin = self._of_account(account, now)
                if not account.ready:
                    self._ready.remove(account)
                    self._forget(account)
                if origin is not None:
                    return origin
        return None

    def _of_account(self, account: _Account, now: float) -> SinkHost | None:
        room = (account.active + self.free) / 2 - account.active  # of what the account may have, what it has not
        for _ in range(len(account.ready)):
            host = account.ready[0]
            account.ready.rotate(-1)
            if host.active >= room:
                continue
            origin = _of_host(host, now)
            if not host.ready:
                account.ready.remove(host)
            if origin is not None:
                host.active += 1
                account.active += 1
                self.free -= 1
                return origin
            if not host.active:
                del account.hosts[host.name]
        return None

    def done(self, origin: SinkHost) -> None:
        """A send that was taken is over."""
        account = self._accounts[origin.account]
        host = account.hosts[origin.host]
        host.active -= 1
        account.active -= 1
        self.free += 1
        if not host.active and not host.ready:
            del account.hosts[origin.host]
        self._forget(account)

    def _forget(self, account: _Account) -> None:
        if not account.active and not account.ready:
            self._accounts.pop(account.name, None)


def _of_host(host: _Host, now: float) -> SinkHost | None:
    for _ in range(len(host.ready)):
        origin = host.ready[0]
        if origin.can_start(now):
            host.ready.rotate(-1)
            return origin
        host.ready.popleft()
        origin.offered = False
    return None
