"""The request of an attempt, as it is shown to people afterwards."""

from __future__ import annotations

import json
from datetime import timedelta

from standardwebhooks import Webhook
from tests.unit.notify.test_request import ID, NOW, SECRET, VAULT, head, queue

from simwarden.kit.ids import signing_secret
from simwarden.notify.request import open_queue
from simwarden.notify.request_preview import preview
from simwarden.store.sink_secrets import SigningSecret, seal_credential, seal_secrets
from simwarden.store.targets import MASK
from simwarden.store.vault import Vault

SOURCE = "urn:simwarden"
OWN = {"headers": {"x-api-key": "k-1"}}
LANE = queue(heads=(head(correlator="c-1"),), credential=seal_credential(VAULT, ID, "token-1"), protocol_settings=OWN)


def test_it_is_the_request_that_was_posted_with_its_secrets_masked() -> None:
    posted = open_queue(LANE, VAULT, source=SOURCE, allow_private=False).request(LANE.heads[0], NOW)
    shown = preview(LANE, NOW, VAULT, source=SOURCE)
    assert shown.url == str(posted.url)
    assert shown.body.encode() == posted.body
    assert shown.headers == {**posted.headers, "authorization": f"Bearer {MASK}", "x-api-key": MASK}
    assert "token-1" not in repr(shown)
    assert "k-1" not in repr(shown)
    assert posted.at == NOW, "the attempt is kept with the time that was signed"


def test_the_signatures_are_those_of_the_secrets_that_signed_then() -> None:
    before, renewed_at = signing_secret(), NOW + timedelta(hours=1)
    secrets = [SigningSecret(SECRET, since=renewed_at), SigningSecret(before, until=renewed_at + timedelta(hours=24))]
    rotated = queue(heads=(head(),), signing_secrets=seal_secrets(VAULT, ID, secrets))
    for at, count in ((NOW, 1), (renewed_at, 2), (renewed_at + timedelta(hours=25), 1)):
        shown = preview(rotated, at, VAULT, source=SOURCE)
        assert len(shown.headers["webhook-signature"].split()) == count
        posted = open_queue(rotated, VAULT, source=SOURCE, allow_private=False).request(rotated.heads[0], at)
        assert set(shown.headers["webhook-signature"].split()) <= set(posted.headers["webhook-signature"].split())
    alone = preview(rotated, NOW, VAULT, source=SOURCE).headers["webhook-signature"]
    expected = Webhook(before).sign(LANE.heads[0].event_id, NOW, preview(rotated, NOW, VAULT, source=SOURCE).body)
    assert alone == expected


def test_a_long_body_is_cut() -> None:
    long = queue(heads=(head(data={"imei": "1" * 9000}),))
    assert len(preview(long, NOW, VAULT, source=SOURCE).body) == 4096


def test_with_another_master_key_there_is_all_but_the_signature() -> None:
    shown = preview(LANE, NOW, Vault(bytes(31) + b"x"), source=SOURCE)
    assert json.loads(shown.body)["id"] == LANE.heads[0].event_id
    assert shown.headers["authorization"] == f"Bearer {MASK}"
    assert shown.headers["webhook-signature"] == ""
