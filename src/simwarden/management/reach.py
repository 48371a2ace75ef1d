"""Whose accounts a call may be about: a reseller's keys and people see the accounts of its subtree, and no others.

What operations look up, they look up in `House`, and that looks here: who asks for an account, an application or a SIM
that is out of reach is answered as if there were none.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from simwarden.domain.errors import SimwardenError
from simwarden.management.callers import OperatorCaller
from simwarden.store.accounts import OPERATOR

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simwarden.northbound.kernel.api import Answer, Request
    from simwarden.store.accounts import Accounts

    Handler = Callable[[Request], Awaitable[Answer]]


class ResellerReach:
    """Of a reseller."""

    def __init__(self, own: str, accounts: frozenset[str]) -> None:
        self.own = own
        """Id of the reseller's own account,"""
        self.accounts = accounts
        """which is among these."""


class AccountNeeded(SimwardenError):
    """Say which account: a reseller lists those of one account at a time."""

    status, code = 400, "INVALID_ARGUMENT"


_REACH: ContextVar[ResellerReach | None] = ContextVar("reach", default=None)


def reach() -> ResellerReach | None:
    """Of the call that is answered; None: all accounts."""
    return _REACH.get()


def reaches(account_id: str) -> bool:
    """Whether the call that is answered may be about this account."""
    found = _REACH.get()
    return found is None or account_id in found.accounts


def seller() -> str:
    """Who sells in the call that is answered: the reseller that makes it (the id of its account), else the operator."""
    found = _REACH.get()
    return OPERATOR if found is None else found.own


def within_reach(handle: Handler, accounts: Accounts) -> Handler:
    """`handle`, for resellers too."""

    async def handled(request: Request) -> Answer:
        caller = request.caller
        own = caller.manages if isinstance(caller, OperatorCaller) else None
        if own is None:
            return await handle(request)
        token = _REACH.set(ResellerReach(own, await accounts.subtree(own)))
        try:
            return await handle(request)
        finally:
            _REACH.reset(token)

    return handled
