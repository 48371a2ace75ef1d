"""Named SQL. One file per aggregate; each query stands under a line `-- name: <name>`."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEADER = re.compile(r"^-- name: ([a-z_0-9]+)$", re.MULTILINE)


@cache
def load(aggregate: str) -> Mapping[str, str]:
    """The queries of `<aggregate>.sql` by name. Raises FileNotFoundError, KeyError."""
    text = (resources.files(__package__) / f"{aggregate}.sql").read_text(encoding="utf-8")
    parts = _HEADER.split(text)[1:]
    names = parts[0::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{aggregate}.sql names a query twice")
    return MappingProxyType({name: sql.strip() for name, sql in zip(names, parts[1::2], strict=True)})
