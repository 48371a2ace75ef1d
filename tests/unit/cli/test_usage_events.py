"""The ledger as CloudEvents."""

from __future__ import annotations

from datetime import UTC, datetime

from simwarden.cli.usage import cloud_event

NOW = datetime(2026, 11, 22, 12, 0, 1, 5, tzinfo=UTC)
ROW = {"day": "2026-11-22", "account": "acc_1", "appKey": "swk_1", "api": "sms", "operation": "sendSms", "count": 7}


def test_an_event_has_the_same_id_as_long_as_the_count_is_the_same() -> None:
    event = cloud_event(ROW, NOW)
    assert event | {"id": ""} == {
        "specversion": "1.0",
        "id": "",
        "source": "/simwarden/usage",
        "type": "org.simwarden.usage.v1.counted",
        "subject": "2026-11-22/acc_1/swk_1/sms/sendSms",
        "time": "2026-11-22T12:00:01Z",
        "datacontenttype": "application/json",
        "data": ROW,
    }
    assert cloud_event(ROW, NOW.replace(hour=13))["id"] == event["id"]
    for name in ROW:
        assert cloud_event({**ROW, name: 8 if name == "count" else "x"}, NOW)["id"] != event["id"]
