"""Named SQL. One file per aggregate; each query stands under a line `-- name: <name>`.

A condition `and x.bucket = any ($1::smallint[]) /* shards */` names the shards of a join for a database that is spread
over some, where every one would be asked without it (Citus does not conclude it from `x.bucket = i.bucket`). One
PostgreSQL gets the statement without it: it says nothing that the join does not say, and as a condition of the index
scan it is worked through at each probe, and makes the planner take the primary key for dear.

A condition `i.ord between 1 and 1000000000 /* one plan */` is true of all keys. PostgreSQL keeps one plan for all
values when that seems no dearer than a plan for the values given. Of an array that it does not know it expects ten
rows, so it planned a look-up of one to nine keys anew at each execution, which took three times as long as the look-up
(decision 0064). With the condition it expects one row in either case.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEADER = re.compile(r"^-- name: ([a-z_0-9]+)$", re.MULTILINE)
_COMMENT = re.compile(r"--.*$", re.MULTILINE)
_PARAMETER = re.compile(r"\$\d+")
_SHARDS = re.compile(r"\s+and [a-z_]+\.bucket = any \((\$\d+)::smallint\[\]\) /\* shards \*/")


@cache
def load(aggregate: str) -> Mapping[str, str]:
    """The queries of `<aggregate>.sql` by name, for one PostgreSQL. Raises FileNotFoundError, ValueError."""
    return MappingProxyType({name: _without_shards(sql) for name, sql in written(aggregate).items()})


def _without_shards(sql: str) -> str:
    others = set(_PARAMETER.findall(_COMMENT.sub("", _SHARDS.sub("", sql))))
    # A parameter that nothing else uses would have no type.
    return _SHARDS.sub(lambda found: "" if found[1] in others else f" and {found[1]}::smallint[] is not null", sql)


def written(aggregate: str) -> Mapping[str, str]:
    """The same as they stand there. Raises FileNotFoundError, ValueError."""
    text = (resources.files(__package__) / f"{aggregate}.sql").read_text(encoding="utf-8")
    parts = _HEADER.split(text)[1:]
    names = parts[0::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{aggregate}.sql names a query twice")
    return MappingProxyType({name: sql.strip() for name, sql in zip(names, parts[1::2], strict=True)})
