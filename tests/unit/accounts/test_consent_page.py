"""Words and bounds of the page that asks for consent."""

from __future__ import annotations

import pytest

from simwarden.accounts import consent_page
from simwarden.accounts.agreements import InvalidRedirect, redirect_uri


@pytest.mark.parametrize(
    ("purpose", "words"),
    [
        ("FraudPreventionAndDetection", "Fraud prevention and detection"),
        ("ImproveInternalCRMProcesses", "Improve internal CRM processes"),
        ("ProtectionOfIPR", "Protection of IPR"),
        ("Marketing", "Marketing"),
    ],
)
def test_a_purpose_is_said_in_words(purpose: str, words: str) -> None:
    assert consent_page.in_words(purpose) == words


def test_the_style_is_the_one_that_the_policy_names() -> None:
    shown = consent_page.refusal("<b>")
    assert b"&lt;b&gt;" in bytes(shown.body)
    assert f"'sha256-{consent_page._STYLE_HASH}'" in shown.headers["content-security-policy"]
    assert b"<style>" + consent_page._STYLE.encode() + b"</style>" in bytes(shown.body)


@pytest.mark.parametrize("uri", ["https://a.example", "https://a.example:8443/b?c=d&e=%20f", "http://localhost:1/x"])
def test_a_redirect_uri_is_kept_to_the_letter(uri: str) -> None:
    assert redirect_uri(uri) == uri


@pytest.mark.parametrize(
    "uri", ["", "/x", "https://", "https://a b/", "https://a.example/'\"", "ftp://a.example", "https://a.example:0/"]
)
def test_any_other_is_refused(uri: str) -> None:
    with pytest.raises(InvalidRedirect):
        redirect_uri(uri)
