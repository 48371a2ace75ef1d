"""All SIMs are counted in small steps, whatever a bucket of them costs."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest

from simwarden.domain.identifiers import BUCKETS
from simwarden.engine import census
from simwarden.engine.census import Census
from simwarden.store import fleet


@pytest.mark.parametrize(("bucket_ms", "widest"), [(0.001, 128), (2.0, 4), (300.0, 1)])
async def test_a_statement_covers_as_many_buckets_as_it_can_in_little_time(
    monkeypatch: pytest.MonkeyPatch, bucket_ms: float, widest: int
) -> None:
    now = 0.0
    widths: list[int] = []
    kept: list[Any] = []

    async def count_sims(_db: object, first: int, last: int) -> Counter[tuple[str, str, bool]]:
        nonlocal now
        widths.append(last - first)
        now += (last - first) * bucket_ms / 1000
        return Counter({("NEUTRAL", "ACTIVE", False): last - first})

    async def keep_sims(_db: object, sims: list[Any], _now: object) -> None:
        kept.extend(sims)

    monkeypatch.setattr(fleet, "count_sims", count_sims)
    monkeypatch.setattr(fleet, "keep_sims", keep_sims)
    monkeypatch.setattr(census, "time", SimpleNamespace(monotonic=lambda: now))
    counting = Census(cast("Any", None), cast("Any", None))
    counting._due = {"fleet": float("inf"), "sims": 0.0}
    while not kept:
        now = max(now, now + await counting.look())
    assert sum(widths) == kept[0].count == BUCKETS
    assert max(widths) <= widest
    assert max(widths) > widest // 2 or bucket_ms < 1
