"""What bodies and queries of the management API mean."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simwarden.domain.command import Command
from simwarden.domain.rules.device import Bind, Unbind
from simwarden.domain.rules.functions import FunctionState, SetFunctions
from simwarden.domain.rules.lifecycle import Step, Transition
from simwarden.domain.sim import OnMismatch, Policy
from simwarden.engine.commands.catalogue import from_plain
from simwarden.management.query import Query
from simwarden.management.schemas import ActionBody, BadAction
from simwarden.northbound.kernel.errors import InvalidArgument


@pytest.mark.parametrize(
    ("body", "action"),
    [
        ({"action": "close", "functions": ["DATA", "VOICE"]}, SetFunctions(FunctionState.CLOSED, 5)),
        ({"action": "open", "functions": ["SMS"]}, SetFunctions(FunctionState.OPEN, 2)),
        ({"action": "suspend"}, Transition(Step.SUSPEND)),
        ({"action": "unbind"}, Unbind()),
        ({"action": "bind"}, Bind()),
        ({"action": "bind", "tac": "35368953"}, Bind(tac="35368953")),
        (
            {"action": "bind", "firstSeen": True, "policy": {"onMismatch": "ALERT"}},
            Bind(first_seen=True, policy=Policy(on_mismatch=OnMismatch.ALERT)),
        ),
    ],
)
def test_actions_are_read_and_written_down(body: dict[str, Any], action: Command) -> None:
    parsed = msgspec.convert(body, ActionBody).parsed()
    assert parsed == action
    assert from_plain(msgspec.to_builtins(parsed)) == action
    assert body["action"] == parsed.verb


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"action": "close"}, "functions must be specified"),
        ({"action": "close", "functions": ["DATA"], "imei": "1"}, "imei does not go with close"),
        ({"action": "bind", "functions": ["DATA"]}, "functions does not go with bind"),
        ({"action": "bind", "imei": "1", "tac": "2"}, "not several"),
        ({"action": "suspend", "firstSeen": True}, "firstSeen does not go with suspend"),
    ],
)
def test_actions_that_contradict_themselves_are_refused(body: dict[str, Any], says: str) -> None:
    with pytest.raises(BadAction, match=says):
        msgspec.convert(body, ActionBody).parsed()


@given(st.text(max_size=80))
def test_any_text_is_a_query_or_said_not_to_be(text: str) -> None:
    try:
        query = Query(text, ("account", "tag"), "sims")
        assert 1 <= query.limit <= 1000
        query.text("account")
        query.cursor(int)
    except InvalidArgument:
        return


@given(st.text(max_size=60))
def test_any_text_is_a_cursor_or_said_not_to_be(text: str) -> None:
    query = Query("", (), "sims")
    query._values["cursor"] = [text]
    try:
        assert isinstance(query.cursor(tuple[int, str]), tuple)
    except InvalidArgument:
        return


@given(st.integers(0, 255), st.text(max_size=15))
def test_a_cursor_comes_back_as_it_went(bucket: int, imsi: str) -> None:
    query = Query("account=a", ("account",), "sims")
    cursor = query.next((bucket, imsi))
    again = Query(f"account=a&limit=5&cursor={cursor}", ("account",), "sims")
    assert again.cursor(tuple[int, str]) == (bucket, imsi)
    for other in (
        Query(f"cursor={cursor}", ("account",), "sims"),
        Query(f"account=a&cursor={cursor}", ("account",), "x"),
    ):
        with pytest.raises(InvalidArgument, match="another list"):
            other.cursor(tuple[int, str])
