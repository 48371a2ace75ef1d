"""Whether a SIM is in a call, by what was reported and what is shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from simwarden.domain.live_call import CallVerdict, InCall, SeenCall, in_call
from simwarden.domain.standing import ShownSlot

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TRUE, FALSE, UNKNOWN = InCall.TRUE, InCall.FALSE, InCall.UNKNOWN


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def call(begun: float, answered: float | None, ended: float | None, heard: float) -> SeenCall:
    times = [None if each is None else ago(each) for each in (answered, ended)]
    return SeenCall(ago(begun), times[0], times[1], ago(heard))


def slot(at: float, status: int | None = 3, heard: float | None = None) -> ShownSlot:
    heard_at = ago(at if heard is None else heard)
    return ShownSlot(status=status, plmn=None, imei=None, at=ago(at), heard_at=heard_at, period=timedelta(seconds=60))


@pytest.mark.parametrize(
    ("calls", "shown", "expected"),
    [
        pytest.param([], None, (UNKNOWN, 0, None), id="nobody tells"),
        pytest.param([], slot(10), (FALSE, 10, None), id="shown without a call"),
        pytest.param([], slot(10, 4), (TRUE, 10, None), id="shown in a call that was not reported yet"),
        pytest.param([], slot(10, None), (UNKNOWN, 0, None), id="another card is in the slot"),
        pytest.param([], slot(121, 4), (UNKNOWN, 0, None), id="the gateway is silent"),
        pytest.param([], slot(119, 4), (TRUE, 119, None), id="the gateway is late"),
        pytest.param([], slot(600, 3, 10), (FALSE, 600, None), id="what it showed once, and reports since"),
        pytest.param([call(200, 190, None, 10)], None, (TRUE, 10, 190), id="goes on"),
        pytest.param([call(200, 190, None, 10)], slot(5), (TRUE, 10, 190), id="a report of the call tells more"),
        pytest.param([call(200, 190, None, 90)], None, (TRUE, 90, 190), id="a push is due"),
        pytest.param([call(200, 190, None, 91)], None, (UNKNOWN, 0, None), id="pushes are missed"),
        pytest.param([call(200, 190, None, 130)], slot(140), (UNKNOWN, 0, None), id="shown before it was reported"),
        pytest.param([call(200, 190, None, 130)], slot(20), (FALSE, 20, None), id="shown without it since"),
        pytest.param([call(200, 190, None, 130)], slot(20, 4), (TRUE, 20, None), id="shown in a call since"),
        pytest.param([call(200, 190, 20, 20)], slot(50, 4), (FALSE, 20, None), id="ended since it was shown"),
        pytest.param([call(200, 190, 20, 20)], None, (UNKNOWN, 0, None), id="ended, and nobody shows the SIM"),
        pytest.param([call(20, None, None, 10)], slot(30), (FALSE, 10, None), id="it rings"),
        pytest.param(
            [call(900, 890, None, 800), call(300, 290, 200, 200)],
            slot(210, 3, 10),
            (FALSE, 200, None),
            id="a later call ended",
        ),
        pytest.param(
            [call(900, 890, None, 30), call(300, 290, 200, 200)], None, (TRUE, 30, 890), id="one waits behind another"
        ),
    ],
)
def test_what_is_told(
    calls: list[SeenCall], shown: ShownSlot | None, expected: tuple[Any, float, float | None]
) -> None:
    verdict, at, since = expected
    for order in permutations(calls):
        found = in_call(order, shown, NOW)
        assert found == CallVerdict(verdict, ago(at), None if since is None else ago(since))
