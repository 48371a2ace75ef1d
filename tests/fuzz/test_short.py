"""A few seconds of each fuzz driver with a fixed seed; the long runs are `make fuzz`."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
from tests.fuzz import radius, s13, sbi
from tests.fuzz.bench import bench
from tests.fuzz.camara import Camara
from tests.fuzz.ejoin import Ejoin, samples
from tests.fuzz.files import Files
from tests.fuzz.gsup import Gsup
from tests.fuzz.mutate import Mutator
from tests.fuzz.tokens import Token

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("driver", "count"), [(Ejoin, 1500), (Camara, 1500), (Token, 1500)])
async def test_no_input_breaks_a_promise(
    driver: type[Ejoin | Camara | Token], count: int, database_url: str, tmp_path: Path
) -> None:
    async with bench(database_url, tmp_path) as made:
        await (await driver.prepare(made, 1)).run(count, quiet=True)
        refused = sum(times for status, times in made.statuses.items() if status >= 400)
        taken = sum(times for status, times in made.statuses.items() if status < 300)
        assert refused > count / 20, made.statuses
        assert taken > count / 60, made.statuses  # most APIs answer what little the bench's SIMs have been through


def test_no_gsup_packet_breaks_a_promise() -> None:
    packets = Gsup(1)
    packets.run(20_000)
    assert min(packets.counts.values()) > 500


async def test_no_file_breaks_a_promise(database_url: str, tmp_path: Path) -> None:
    files = Files(database_url, tmp_path, 1)
    await asyncio.to_thread(files.run, 60)
    assert files.codes[0] > 2
    assert files.codes[1] > 5


def test_no_packet_breaks_the_codec_of_radius() -> None:
    taken = radius.run(5_000, 1)
    assert taken["understood"] > 1_000
    assert {"attribute", "vendor", "length", "short", "status"} <= taken.keys()


def test_no_request_of_a_5g_core_breaks_a_codec() -> None:
    taken = sbi.run(1_200, 1)
    assert taken["charging understood"] > 100
    assert taken["check"] > 100
    assert {"charging MANDATORY_IE_INCORRECT", "check MANDATORY_QUERY_PARAM_INCORRECT"} <= taken.keys()


def test_no_message_of_an_mme_breaks_the_codec_of_diameter() -> None:
    taken = s13.run(10_000, 1)
    assert min(taken["check understood"], taken["malformed"], taken["answered"], taken["check 5004"]) > 100
    assert {"head version", "head length", "waits", "unsupported", "check 5005", "check 5014"} <= taken.keys()


def test_the_same_seed_makes_the_same_bodies() -> None:
    one, other = ([Mutator(random.Random(5)).body(sample) for sample in samples()] for _ in range(2))
    assert one == other
    assert one != [Mutator(random.Random(6)).body(sample) for sample in samples()]
