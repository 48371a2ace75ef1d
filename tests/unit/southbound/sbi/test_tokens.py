"""Access tokens of an NRF."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from simwarden.southbound.sbi.tokens import KEPT, BadToken, NrfTokens, load_keys

if TYPE_CHECKING:
    from pathlib import Path

KEY, FOREIGN = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
NOW = 1_770_000_000
CLAIMS = {"iss": "nrf-1", "sub": "amf-1", "aud": "5G_EIR", "scope": "n5g-eir-eic nnrf-disc", "exp": NOW + 60}


def signed(key: Any = KEY, alg: str = "ES256", **claims: Any) -> str:
    given = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    return f"Bearer {jwt.encode({'alg': alg}, given, key)}"


@pytest.fixture
def tokens() -> NrfTokens:
    return NrfTokens([KEY], "n5g-eir-eic", frozenset({"5G_EIR", "eir-1"}), now=lambda: NOW)


def test_tokens_of_the_nrf_open_their_service(tokens: NrfTokens) -> None:
    for token in (signed(), signed(aud=["eir-1", "eir-2"]), signed(scope="n5g-eir-eic")):
        tokens.check(token)
        tokens.check(token)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "Basic abc",
        "Bearer",
        "Bearer a.b.c",
        "Bearer " + "x" * 9000,
        signed(FOREIGN),
        signed(OctKey.import_key("secret-secret-secret-secret-1234"), "HS256"),
        signed(exp=NOW),
        signed(exp=None),
        signed(exp="soon"),
        signed(aud="CHF"),
        signed(aud=7),
        signed().replace(".ey", ".eyf", 1),
    ],
)
def test_others_do_not(tokens: NrfTokens, token: str) -> None:
    with pytest.raises(BadToken) as raised:
        tokens.check(token)
    assert not raised.value.narrow


@pytest.mark.parametrize("scope", [None, "nnrf-disc", 7])
def test_a_good_token_of_another_service_is_told_apart(tokens: NrfTokens, scope: Any) -> None:
    with pytest.raises(BadToken) as raised:
        tokens.check(signed(scope=scope))
    assert raised.value.narrow


def test_what_is_remembered_has_an_end() -> None:
    now = [float(NOW)]
    tokens = NrfTokens([KEY], "n5g-eir-eic", frozenset({"5G_EIR"}), now=lambda: now[0])
    token = signed()
    tokens.check(token)
    tokens._known |= {str(n): NOW + 60.0 for n in range(2 * KEPT)}
    tokens.check(signed(sub="amf-2"))
    assert len(tokens._known) <= KEPT
    now[0] += 60
    with pytest.raises(BadToken, match="expired"):
        tokens.check(token)


def test_keys_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    for data in (
        KEY.as_pem(private=False),
        msgspec.json.encode({"keys": [FOREIGN.as_dict(private=False), KEY.as_dict(private=False)]}),
    ):
        file.write_bytes(data)
        NrfTokens(load_keys(str(file)), "n5g-eir-eic", frozenset({"5G_EIR"}), now=lambda: NOW).check(signed())
    for data in (b"", b"{}", b"{", b'{"keys": [1]}', b"no key"):
        file.write_bytes(data)
        with pytest.raises(ValueError, match="holds"):
            load_keys(str(file))
