"""Which roles open an operation: as `x-role` of the document says, and no narrower token takes away.

A caller holds one permit for each scope of its token, `ROLE:SCOPE`. An operation is opened by the permits of all roles
that contain one of its `x-role`, with one of the scopes of its `security`. So one comparison of sets decides both.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING

from simwarden.accounts.roles import CONTAINS, Role
from simwarden.accounts.scopes import of_operations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from simwarden.northbound.kernel.ports import TokenHolder

READ, WRITE = "manage:read", "manage:write"
ANYBODY = frozenset({"anybody"})
"""The permit of who is not known (yet), and of everybody else too: opens log-in."""
_ROLE = re.compile(r"^      operationId: (\S+)\n      x-role: \[([a-z, ]*)\]$", re.MULTILINE)
_RESELLER = re.compile(r"^      operationId: (\S+)\n      x-role: .*\n      x-reseller: true$", re.MULTILINE)
_BELOW = "@reseller"
"""Behind a permit of who is for one account and those below it: it opens what is marked `x-reseller`, and no more."""


@cache
def of_document(package: str) -> Mapping[str, frozenset[Role]]:
    """By operationId: the roles that its `x-role` names; empty: anybody."""
    text = (resources.files(package) / "openapi.yaml").read_text(encoding="utf-8")
    found = {name: frozenset(map(Role, re.findall("[a-z]+", roles))) for name, roles in _ROLE.findall(text)}
    return MappingProxyType(found)


@cache
def for_resellers(package: str) -> frozenset[str]:
    """The operations that resellers may call too: whatever these look up is looked up within their reach."""
    return frozenset(_RESELLER.findall((resources.files(package) / "openapi.yaml").read_text(encoding="utf-8")))


@cache
def opened_by(package: str) -> Mapping[str, frozenset[str]]:
    """By operationId: the permits that open it. One whose document says no role is for administrators."""
    roles = of_document(package)
    found = {}
    for operation, scopes in of_operations(package).items():
        named = roles.get(operation, frozenset({Role.ADMIN}))
        able = [role for role in Role if not named.isdisjoint(CONTAINS[role])]
        whose = ("", _BELOW) if operation in for_resellers(package) else ("",)
        opening = frozenset(f"{role}:{scope}{of}" for role in able for scope in scopes for of in whose)
        found[operation] = opening if named else ANYBODY
    return MappingProxyType(found)


def permits(role: Role, scopes: Iterable[str], *, reseller: bool = False) -> frozenset[str]:
    """What a role may do with a token of these scopes, for all accounts or for those of a reseller."""
    return frozenset(f"{role}:{scope}{_BELOW if reseller else ''}" for scope in scopes) | ANYBODY


_REVEALING = frozenset(f"{role}:{WRITE}" for role in (Role.OPERATOR, Role.ADMIN))


def may_reveal(caller: TokenHolder) -> bool:
    """Whether texts and numbers of messages and calls are shown to this caller on demand."""
    return not _REVEALING.isdisjoint(caller.scopes)


def is_admin(caller: TokenHolder) -> bool:
    """Whether this caller is an administrator, perhaps a reseller's."""
    return not {f"{Role.ADMIN}:{WRITE}", f"{Role.ADMIN}:{WRITE}{_BELOW}"}.isdisjoint(caller.scopes)


def opened_to(caller: TokenHolder, package: str = "simwarden.management") -> list[str]:
    """The operations (operationId) that this caller may call, by name."""
    return sorted(name for name, permits in opened_by(package).items() if not permits.isdisjoint(caller.scopes))
