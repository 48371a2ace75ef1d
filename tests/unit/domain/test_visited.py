"""Countries of mobile country codes, and home networks."""

from __future__ import annotations

import re

import pytest

from simwarden.domain.visited import COUNTRIES, countries_of, is_home


@pytest.mark.parametrize(
    ("mcc", "countries"),
    [
        ("460", ("CN",)),
        ("208", ("FR",)),
        ("310", ("US", "GU", "MP")),
        ("340", ("BL", "GF", "GP", "MF", "MQ")),
        ("901", ()),
        ("001", ()),
        ("", ()),
    ],
)
def test_an_mcc_belongs_to_one_country_to_several_or_to_none(mcc: str, countries: tuple[str, ...]) -> None:
    assert countries_of(mcc) == countries


def test_the_table_is_well_formed() -> None:
    assert len(COUNTRIES) > 230
    for mcc, countries in COUNTRIES.items():
        assert re.fullmatch("[2-79][0-9]{2}", mcc)
        assert countries
        assert all(re.fullmatch("[A-Z]{2}", each) for each in countries)
        assert len(set(countries)) == len(countries)


@pytest.mark.parametrize(
    ("imsi", "plmn", "more", "home"),
    [
        ("460001234567890", "46000", (), True),
        ("460041234567890", "46000", (), False),  # another network code of the same country
        ("460041234567890", "46000", ("46000", "46002"), True),
        ("310260123456789", "310260", (), True),
        ("310260123456789", "310410", (), False),
        ("208011234567890", "46000", (), False),
    ],
)
def test_at_home_is_the_network_of_the_imsi_and_those_that_are_named(
    imsi: str, plmn: str, more: tuple[str, ...], home: bool
) -> None:
    assert is_home(imsi, plmn, more) is home
