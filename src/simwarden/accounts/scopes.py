"""Every scope there is, as the OpenAPI documents have them.

A document says in the `security` block of an operation which scopes allow it, and in `x-simwarden-scopes` what each of
its scopes is for, in which sets it is, and whatever else some API wants to know of a scope. Both are read from the
text, in the layout that all our documents keep.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_FILE = "openapi.yaml"
_OPERATION = re.compile(
    r"^      operationId: (?P<id>\S+)$|^        - openId:\n            - \"?(?P<scope>[^\"\n]+)", re.MULTILINE
)
_BLOCK = re.compile(r"^x-simwarden-scopes:\n((?: .*\n)+)", re.MULTILINE)
_SCOPE = re.compile(
    r"^  \"([^\"\n]+)\":\n    allows: (.+)\n(?:    sets: \[(.*)\]\n)?((?:    [a-z-]+: \S+\n)*)", re.MULTILINE
)


_MORE = re.compile(r"    ([a-z-]+): (\S+)\n")


class Scope(msgspec.Struct, frozen=True):
    """What a document says of one scope."""

    name: str
    allows: str
    """What it is for, in a few words."""
    sets: frozenset[str]
    """The sets that its document puts it into; sets that contain these have it too."""
    more: Mapping[str, str]
    """Whatever else it says: a word by its name."""


@cache
def of_operations(package: str) -> Mapping[str, frozenset[str]]:
    """By operationId: the scopes of which any one allows the call. `package` holds the document."""
    found: dict[str, set[str]] = {}
    operation = ""
    for match in _OPERATION.finditer((resources.files(package) / _FILE).read_text(encoding="utf-8")):
        operation = match["id"] or operation
        scopes = found.setdefault(operation, set())
        if match["scope"]:
            scopes.add(match["scope"])
    return MappingProxyType({name: frozenset(scopes) for name, scopes in found.items()})


def _of_document(text: str) -> Iterator[Scope]:
    block = _BLOCK.search(text)
    for name, allows, sets, more in _SCOPE.findall(block[1] if block else ""):
        yield Scope(name, allows, frozenset(filter(None, re.split(r"[, ]+", sets))), dict(_MORE.findall(more)))


def _of_customers() -> Iterator[Scope]:
    """Those of the APIs that customers call."""
    folder = resources.files("simwarden") / "northbound"  # by its place: what is in it builds on this room
    for api in sorted(folder.iterdir(), key=lambda each: each.name):
        if (api / _FILE).is_file():
            yield from _of_document((api / _FILE).read_text(encoding="utf-8"))


def _of_operators() -> Iterator[Scope]:
    return _of_document((resources.files("simwarden") / "management" / _FILE).read_text(encoding="utf-8"))


_CUSTOMERS = tuple(_of_customers())
KNOWN = MappingProxyType({scope.name: scope.allows for scope in _CUSTOMERS})
"""Scope to what it allows."""
SET_MEANING = MappingProxyType(
    {
        "default": "bind, unbind and query; subscribe to events and receive them; read how a SIM stands",
        "read": "read only",
        "control": "default, and open and close functions, activate, suspend, restore and deactivate SIMs",
        "provision": "control, and register SIMs within the account's number ranges and delete them",
        "china-telecom": "the three contracts of China Telecom",
        "all": "everything there is",
    }
)
_CONTAINS = {"control": {"default"}, "provision": {"default", "control"}}
SETS = MappingProxyType(
    {
        name: tuple(
            scope.name
            for scope in _CUSTOMERS
            if name == "all" or not scope.sets.isdisjoint({name, *_CONTAINS.get(name, ())})
        )
        for name in SET_MEANING
    }
)
"""Sets of scopes by name. An application has `default` unless its creator names others."""
OPERATOR = MappingProxyType({scope.name: scope.allows for scope in _of_operators()})
"""The scopes of the operator's own keys. No tenant's application can have them, and an operator's key has no others."""


def said(name: str) -> Mapping[str, str]:
    """What the documents say under this name, by scope; scopes of which they say nothing are missing."""
    return MappingProxyType({scope.name: scope.more[name] for scope in _CUSTOMERS if name in scope.more})


class UnknownScope(InvalidValue):
    """There is no such scope."""


def of_sets(names: Iterable[str]) -> tuple[str, ...]:
    """The scopes of some sets, each once, in the order of KNOWN. Raises UnknownScope, naming the sets that exist."""
    wanted = tuple(names)
    unknown = sorted(set(wanted) - SETS.keys())
    if unknown:
        raise UnknownScope(f"There is no set of scopes {', '.join(unknown)}; the sets are: {', '.join(SETS)}")
    return checked(scope for name in wanted for scope in SETS[name])


def checked(scopes: Iterable[str], known: Mapping[str, str] = KNOWN) -> tuple[str, ...]:
    """The given scopes, each once, in the order of `known`. Raises UnknownScope, naming those that exist."""
    wanted = set(scopes)
    unknown = sorted(wanted - known.keys())
    if unknown:
        raise UnknownScope(f"There is no scope {', '.join(unknown)}; the scopes are: {', '.join(known)}")
    return tuple(scope for scope in known if scope in wanted)
