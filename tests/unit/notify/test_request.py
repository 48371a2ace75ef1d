"""The request that a sink gets: body, signature, headers."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError
from tests.support.documents import read_yaml

from simwarden.domain.sink import InvalidSink
from simwarden.engine.subscriptions import new_id
from simwarden.kit.ids import signing_secret
from simwarden.notify.request import custom_headers, open_queue
from simwarden.notify.signature import sign
from simwarden.store.deliveries import ClaimedQueue, Head
from simwarden.store.sink_secrets import SigningSecret, seal_credential, seal_secrets
from simwarden.store.vault import Vault, WrongKey

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime.now(UTC)
ID = new_id(7, NOW)
FAMILY = "org.camaraproject.iot-sim-fraud-prevention.v0"
VAULT = Vault(bytes(32))
SECRET = signing_secret()


def head(type_: str = f"{FAMILY}.imei-change", data: dict[str, Any] | None = None, **changes: Any) -> Head:
    fields: dict[str, Any] = {
        "n": 2,
        "event_id": f"{ID}-2",
        "type": type_,
        "time": datetime(2026, 3, 1, 13, 0, 0, 123456, tzinfo=UTC),
        "data": data or {"imei": "352099001761481", "device": {"phoneNumber": "+123456789"}},
        "correlator": None,
        "ends": False,
        "created_at": NOW,
        "queued_at": NOW,
        "attempts": 0,
    }
    return Head(**{**fields, **changes})


def queue(**changes: Any) -> ClaimedQueue:
    fields: dict[str, Any] = {
        "bucket": 7,
        "id": ID,
        "account_id": "acme",
        "sink": "https://example.com/sink",
        "origin": "acme https://example.com:443",
        "protocol_settings": None,
        "credential": None,
        "signing_secrets": seal_secrets(VAULT, ID, [SigningSecret(SECRET)]),
        "ended": False,
        "lane_next": 1,
        "delivery_count": 2,
    }
    return ClaimedQueue(**{**fields, **changes})


def test_every_attempt_has_the_same_body_and_a_fresh_signature() -> None:
    opened = open_queue(queue(), VAULT, source="urn:simwarden", allow_private=False)
    first = opened.request(head(), NOW)
    second = opened.request(head(attempts=3), NOW + timedelta(seconds=60))
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == f"{ID}-2"
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    assert json.loads(first.body)["time"] == "2026-03-01T13:00:00.123Z"


@pytest.mark.parametrize(
    ("schema", "type_", "data"),
    [
        ("ImeiChangeEvent", "imei-change", {"imei": "352099001761481", "device": {"phoneNumber": "+123456789"}}),
        ("EventSubscriptionStarted", "subscription-started", {"initiationReason": "SUBSCRIPTION_CREATED"}),
        ("EventSubscriptionEnded", "subscription-ended", {"terminationReason": "MAX_EVENTS_REACHED"}),
    ],
)
def test_events_meet_the_upstream_contract(shared: Path, schema: str, type_: str, data: dict[str, Any]) -> None:
    contract = read_yaml(
        (
            shared
            / "camara/IoTSIMFraudPrevention/r1.2/code/API_definitions/iot-sim-fraud-prevention-subscriptions.yaml"
        ).read_text(encoding="utf-8")
    )
    body = open_queue(queue(), VAULT, source="urn:simwarden", allow_private=False).request(
        head(f"{FAMILY}.{type_}", data), NOW
    )
    event = json.loads(body.body)
    reference = {"$ref": f"#/components/schemas/{schema}", "components": contract["components"]}
    jsonschema.Draft7Validator(reference).validate(event)
    del event["data"]["subscriptionId"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(reference).validate(event)


def test_the_signature_is_the_one_of_standard_webhooks() -> None:
    now = datetime.now(UTC)  # the verifier compares with the wall clock
    request = open_queue(queue(), VAULT, source="urn:simwarden", allow_private=False).request(head(), now)
    assert Webhook(SECRET).verify(request.body, request.headers) == json.loads(request.body)
    with pytest.raises(WebhookVerificationError):
        Webhook(signing_secret()).verify(request.body, request.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(request.body + b" ", request.headers)


def test_while_a_secret_is_rotated_both_sign() -> None:
    now = datetime.now(UTC)  # the verifier compares with the wall clock
    old, new, ended = signing_secret(), signing_secret(), signing_secret()
    secrets = [
        SigningSecret(new),
        SigningSecret(old, now + timedelta(hours=1)),
        SigningSecret(ended, now - timedelta(seconds=1)),
    ]
    headers = sign(secrets, event_id="e-1", at=now, body=b"{}")
    assert len(headers["webhook-signature"].split(" ")) == 2
    Webhook(new).verify(b"{}", headers)
    Webhook(old).verify(b"{}", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(ended).verify(b"{}", headers)


@given(st.binary(min_size=1, max_size=64), st.text(st.characters(codec="utf-8"), max_size=200))
def test_any_secret_and_any_body_can_be_verified(key: bytes, body: str) -> None:

    secret = "whsec_" + base64.b64encode(key).decode()
    headers = sign([SigningSecret(secret)], event_id="e-1", at=datetime.now(UTC), body=body.encode())
    Webhook(secret).verify(body.encode(), headers, json_parse=False)


def test_token_and_correlator_are_sent_when_there_are_any() -> None:
    sealed = seal_credential(VAULT, ID, "token-1")
    request = open_queue(queue(credential=sealed), VAULT, source="s", allow_private=False).request(
        head(correlator="corr-1"), NOW
    )
    assert request.headers["authorization"] == "Bearer token-1"
    assert request.headers["x-correlator"] == "corr-1"
    plain = open_queue(queue(), VAULT, source="s", allow_private=False).request(head(), NOW)
    assert not {"authorization", "x-correlator"} & plain.headers.keys()


def test_custom_headers_are_sent_but_never_ours() -> None:
    now = datetime.now(UTC)  # the verifier compares with the wall clock
    given_headers = {
        "X-Tenant": "7",
        "Authorization": "Bearer mine",
        "HOST": "other.example",
        "Content-Type": "text/plain",
        "Content-Length": "1",
        "Transfer-Encoding": "chunked",
        "Connection": "close",
        "Proxy-Authorization": "x",
        "Webhook-Signature": "v1,forged",
        "webhook-id": "forged",
        "X-Correlator": "forged",
        "ce-id": "forged",
        "User-Agent": "forged",
        "bad name": "x",
        "x-split": "a\r\nb: c",
        "x-umlaut": "ü",
        "": "empty",
        "x-number": 5,
    }
    assert custom_headers({"headers": given_headers, "method": "POST"}) == {"x-tenant": "7"}
    request = open_queue(
        queue(protocol_settings={"headers": given_headers}), VAULT, source="s", allow_private=False
    ).request(head(), now)
    assert request.headers["content-type"] == "application/cloudevents+json"
    assert request.headers["webhook-id"] == f"{ID}-2"
    Webhook(SECRET).verify(request.body, request.headers)


@pytest.mark.parametrize("settings", [None, {}, {"headers": None}, {"headers": []}, {"headers": "x"}])
def test_settings_without_headers(settings: dict[str, Any] | None) -> None:
    assert custom_headers(settings) == {}


def test_what_was_sealed_for_another_subscription_is_not_opened() -> None:
    other = new_id(7, NOW)
    with pytest.raises(WrongKey):
        open_queue(
            queue(signing_secrets=seal_secrets(VAULT, other, [SigningSecret(SECRET)])),
            VAULT,
            source="s",
            allow_private=False,
        )


def test_a_sink_that_is_not_allowed_any_more_is_refused() -> None:
    with pytest.raises(InvalidSink):
        open_queue(queue(sink="http://127.0.0.1/"), VAULT, source="s", allow_private=False)


@given(st.integers(0, 255))
def test_ids_say_where_they_live_and_sort_by_time(bucket: int) -> None:
    early, late = new_id(bucket, NOW), new_id(bucket, NOW + timedelta(milliseconds=1))
    assert int(early[:2], 16) == bucket
    assert early < late
    assert len(early) == 34
    assert early[14] == "7"
