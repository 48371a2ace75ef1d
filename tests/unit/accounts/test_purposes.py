"""Scopes with a purpose, and what consents come to."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from simwarden.accounts import purposes
from simwarden.accounts.answers import OAuthError
from simwarden.accounts.consent import ConsentVerdict, judge
from simwarden.accounts.purposes import UnknownPurpose
from simwarden.store.consents import Consent

BIND = "iot-sim-fraud-prevention:bind"
QUERY = "iot-sim-fraud-prevention:query"


def test_a_scope_is_taken_apart() -> None:
    wanted = purposes.parse(f"{QUERY} openid dpv:ServiceProvision offline_access {QUERY}")
    assert (wanted.api, wanted.purpose, wanted.openid) == ((QUERY,), "ServiceProvision", True)
    assert wanted.scopes == ("openid", "dpv:ServiceProvision", QUERY)


@pytest.mark.parametrize("scope", ["dpv:ServiceProvision dpv:Marketing", "dpv:", "dpv:serviceprovision", "dpv:Purpose"])
def test_there_is_one_purpose_of_the_vocabulary(scope: str) -> None:
    with pytest.raises(OAuthError) as error:
        purposes.parse(scope)
    assert error.value.error == "invalid_scope"


@pytest.mark.parametrize("scope", [QUERY, "dpv:ServiceProvision", "openid dpv:ServiceProvision", "dpv:Marketing x:y"])
def test_a_token_about_a_sim_has_a_purpose_and_scopes_of_apis(scope: str) -> None:
    with pytest.raises(OAuthError) as error:
        purposes.about_a_sim(purposes.parse(scope))
    assert error.value.error == "invalid_scope"


def test_what_was_not_agreed_is_refused() -> None:
    wanted = purposes.parse(f"dpv:Marketing {QUERY}")
    assert purposes.allowed(wanted, (QUERY,), ("Marketing",)) == wanted
    for scopes, agreed in (((QUERY,), ()), ((), ("Marketing",))):
        with pytest.raises(OAuthError, match="Not granted"):
            purposes.allowed(wanted, scopes, agreed)


def test_an_operator_may_agree_on_purposes_of_the_vocabulary_only() -> None:
    assert purposes.checked(("ServiceProvision", "Marketing", "Marketing")) == ("Marketing", "ServiceProvision")
    with pytest.raises(UnknownPurpose):
        purposes.checked(("Fun",))


def consent(granted: bool, msisdn: str = "", *scopes: str) -> Consent:
    return Consent("swk_a", "ServiceProvision", msisdn, granted, scopes, datetime.now(UTC), "operator")


@pytest.mark.parametrize(
    ("decisions", "expected"),
    [
        ([], ConsentVerdict.OPEN),
        ([consent(True)], ConsentVerdict.GRANTED),
        ([consent(False)], ConsentVerdict.DENIED),
        ([consent(True), consent(False, "+86")], ConsentVerdict.DENIED),
        ([consent(False), consent(True, "+86")], ConsentVerdict.DENIED),
        ([consent(True, "+86")], ConsentVerdict.GRANTED),
        ([consent(True, "", QUERY)], ConsentVerdict.GRANTED),
        ([consent(True, "", BIND)], ConsentVerdict.OPEN),
        ([consent(True, "", BIND), consent(True, "+86", QUERY, BIND)], ConsentVerdict.GRANTED),
    ],
)
def test_any_refusal_counts_and_one_grant_is_enough(decisions: list[Consent], expected: ConsentVerdict) -> None:
    assert judge(decisions, [QUERY]) is expected
