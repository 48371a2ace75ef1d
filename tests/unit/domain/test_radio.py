"""Radio access, as packet gateways number it and as 5G cores name it."""

from __future__ import annotations

import pytest

from simwarden.domain.radio import generation_of, radio_of


@pytest.mark.parametrize(
    ("number", "radio", "generation"),
    [
        *((1, "UTRA", "3G"), (2, "GERA", "2G"), (5, "UTRA", "3G"), (6, "EUTRA", "4G"), (8, "NBIOT", "4G")),
        *((10, "NR", "5G"), (51, "NR", "5G"), (3, "WLAN", None), (0, None, None), (200, None, None)),
    ],
)
def test_of_3gpp_rat_type(number: int, radio: str | None, generation: str | None) -> None:
    assert radio_of(number) == radio
    assert generation_of(radio) == generation


def test_of_a_5g_core() -> None:
    assert [generation_of(word) for word in ("NR", "EUTRA", "LTE-M", "UTRA", "GERA", "TRUSTED_WLAN", "NR_LEO")] == [
        *("5G", "4G", "4G", "3G", "2G"),
        None,
        None,
    ]
