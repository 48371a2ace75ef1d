"""What of a received message goes beyond its text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from simwarden.domain.texts import Segment
from simwarden.southbound.ejoin.sms_messages import ReceivedSms, SmsKind, SmsRow
from simwarden.southbound.ejoin.translate import to_report
from simwarden.store.gateways import GatewayRef

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SENT = datetime(2019, 1, 25, 9, 10, 12, tzinfo=UTC)


def carried(kind: SmsKind = SmsKind.SMS, **fields: Any) -> Segment | None:
    message = ReceivedSms(messages=(SmsRow(kind=kind, port=1, slot=2, **fields),))
    return to_report(GatewayRef(1, "gw1", 60, None), message, b"", NOW).sms[0].carried


@pytest.mark.parametrize(
    ("scts", "at"),
    [
        ("19012517101232", SENT),  # eight hours east in quarter hours
        (" 19012517101220 ", datetime(2019, 1, 25, 12, 10, 12, tzinfo=UTC)),
        ("1901251710121a", datetime(2019, 1, 25, 10, 40, 12, tzinfo=UTC)),
        ("190125171012ff", None),
        ("19132517101232", None),
        ("190125171012", None),
        ("", None),
    ],
)
def test_the_message_centres_time(scts: str, at: datetime | None) -> None:
    assert carried(headers={"scts": scts}) == Segment(sent_at=at)


def test_without_headers_there_is_none() -> None:
    assert carried() == Segment()
    assert carried(SmsKind.REPORT) is None
