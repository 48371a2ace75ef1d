"""How far sent messages come, and what their tasks are called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simwarden.domain.sending import (
    FailureReason,
    MessageKey,
    MessageMove,
    Stage,
    after_report,
    after_sending,
    bucket_of_task,
    task_of,
)


@given(st.integers(0, 2**62), st.integers(0, 255))
def test_a_task_names_its_bucket_and_fits_where_gateways_keep_it(count: int, bucket: int) -> None:
    task = task_of(count, bucket)
    assert bucket_of_task(task) == bucket
    assert 0 <= task < 2**31
    assert task != task_of(count + 1, bucket)


@pytest.mark.parametrize(
    ("status", "stage"),
    [(0, Stage.DELIVERED), (0x1F, Stage.DELIVERED), (0x20, None), (0x3F, None), (0x40, Stage.FAILED), (None, None)],
)
def test_delivery_reports(status: int | None, stage: Stage | None) -> None:
    after = after_report(status)
    assert (after and after[0]) == stage


def test_reports_of_sending() -> None:
    assert after_sending(0) == after_sending(None) == (Stage.SENT, None)
    assert after_sending(5) == (Stage.FAILED, FailureReason.NOT_SENT)


@pytest.mark.parametrize(
    ("stage", "reason", "told"),
    [
        (Stage.SUBMITTED, None, None),
        (Stage.SENT, None, ("SUCCESS", "SENT")),
        (Stage.DELIVERED, None, ("SUCCESS", "DELIVERED")),
        (Stage.FAILED, FailureReason.TIMEOUT, ("FAIL", "TIMEOUT")),
    ],
)
def test_what_is_told(stage: Stage, reason: str | None, told: tuple[str, str] | None) -> None:
    data = MessageMove(MessageKey(1, "id", 2), "imsi", "acme", stage, None, reason).told
    assert (data and (data["status"], data["detail"])) == told
    assert data is None or (data["msgId"], data["recipient"]) == ("id", 2)
