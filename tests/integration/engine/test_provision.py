"""Registering SIMs, one by one and as a file."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tests.support.patience import PATIENCE
from tests.support.world import ACCOUNT, CALLER, World, device, iccid, imsi

from simwarden.domain.errors import InvalidIdentifier, SimExists
from simwarden.domain.events import EventType
from simwarden.domain.locating import Site
from simwarden.domain.sim import BindingState, IdentifierKind, SimRef
from simwarden.engine import imports, provision
from simwarden.engine.imports import BadFile, Imported, Way, import_rows, lines_of, read_rows
from simwarden.engine.keeping import Keeping
from simwarden.engine.provision import BadRow, NewSim
from simwarden.store import places, sim_names, sims

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

HEADER = "iccid,imsi,msisdn,imei\n"


def rows(text: str | bytes) -> list[NewSim | BadRow]:
    data = text if isinstance(text, bytes) else text.encode()
    return list(read_rows(lines_of(data), ACCOUNT))


def line(number: int, *, imei: str = "", msisdn: str | None = None) -> str:
    return f"{iccid(number)},{imsi(number)},{msisdn if msisdn is not None else f'+86138{number:08}'},{imei}\n"


def test_a_row_is_read_with_its_line() -> None:
    (row,) = rows(HEADER + f"8986-0099 000000000001F, {imsi(1)} ,8613800000001,35-{device(5)[2:]}\n")
    assert isinstance(row, NewSim)
    assert (row.line, row.sim.iccid, row.sim.imsi, row.sim.msisdn) == (
        2,
        "898600990000000000 01".replace(" ", ""),
        imsi(1),
        "+8613800000001",
    )
    assert row.imei == f"35-{device(5)[2:]}"


@pytest.mark.parametrize(
    "header",
    [
        "imsi",
        "IMSI,ICCID",
        " imsi , imei ",
        "\ufeffimsi",
        '"imsi","iccid"',
    ],
)
def test_columns_may_be_named_in_any_order_and_only_the_imsi_is_needed(header: str) -> None:
    values = ",".join(imsi(1) if "imsi" in name.lower() else "" for name in header.split(","))
    (row,) = rows(f"{header}\r\n{values}\r\n")
    assert isinstance(row, NewSim)
    assert row.sim.imsi == imsi(1)


@pytest.mark.parametrize(
    "text",
    ["", "\n", "iccid,msisdn\n", "imsi|iccid\n", "imsi,imsi\n", "imsi,colour\n", "imsi,\n", f"{imsi(1)}\n", '"imsi\n'],
)
def test_a_file_with_another_first_line_is_refused(text: str) -> None:
    with pytest.raises(BadFile, match=r"first line must name the columns|^Line 1"):
        rows(text)


@pytest.mark.parametrize("data", [b"imsi\n\xff\xfe", "imsi\nhöst".encode("latin-1"), "imsi".encode("utf-16")])
def test_a_file_that_is_not_utf_8_is_refused(data: bytes) -> None:
    with pytest.raises(BadFile, match="not UTF-8 text"):
        rows(data)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (f"{iccid(1)},4600,,\n", "An IMSI has 6 to 15 digits"),
        (f"{iccid(1)},,,\n", "An IMSI has 6 to 15 digits"),
        (f"{iccid(1)},4.6E+14,,\n", "An IMSI has 6 to 15 digits"),  # what spreadsheets make of it
        (f"123,{imsi(1)},,\n", "An ICCID has 18 to 22 digits"),
        (f",{imsi(1)},0138,\n", "A phone number has 5 to 15 digits"),
        (f",{imsi(1)},,123\n", "An IMEI has 14 or 15 digits"),
        (f",{imsi(1)},,00000000000000\n", "zeros"),
        (f",{imsi(1)}\n", "2 values, but the first line names 4 columns"),
        (f",{imsi(1)},,,\n", "5 values"),
        (f',"{imsi(1)}"x,,\n', "not valid CSV"),
        (f',"{imsi(1)},,\n', "not valid CSV"),  # a quote that is never closed
        (f",{imsi(1)},\x00,\n", "A phone number"),
        (f",{imsi(1)},{'9' * 200_000},\n", ""),
    ],
)
def test_a_bad_row_is_told_with_its_line_and_spoils_no_other(bad: str, reason: str) -> None:
    before, found, after = rows(HEADER + line(2) + bad + "\n" + line(3))
    assert isinstance(before, NewSim)
    assert isinstance(found, BadRow)
    assert found.line == 3
    assert reason in found.reason
    assert len(found.reason) < 300
    assert isinstance(after, NewSim)
    assert after.line == 5


async def test_a_file_is_taken_in_with_what_is_wrong_told_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "BATCH", 3)
    await world.card(1)
    other = provision.new_sim("other", imsi=imsi(7), msisdn="+861390000007")
    await provision.add(world.db, other, CALLER)
    text = HEADER + "".join(
        [
            line(1),  # stands already
            line(2),
            line(3, imei=device(5)),
            line(2),  # twice in the file, in the next batch
            line(4, msisdn="+8613800000003"),  # the number of 3
            line(5),
            line(5),  # twice in one batch
            f",{imsi(8)},+861390000007,\n",  # another tenant's number
            "x,y\n",
            line(6),
        ]
    )
    batches: list[tuple[int, int, list[int]]] = []
    done = await import_rows(
        world.db,
        read_rows(lines_of(text.encode()), ACCOUNT),
        ACCOUNT,
        Way(CALLER),
        lambda batch: batches.append((batch.added, batch.unchanged, [row.line for row in batch.bad])),
    )
    assert (done.added, done.unchanged, [row.line for row in done.bad]) == (4, 2, [2, 6, 9, 10])
    assert batches == [(2, 0, [2]), (1, 1, [6]), (0, 1, [9, 10]), (1, 0, [])]
    assert [sim.imsi for sim in await world.sims.page(account_id=ACCOUNT)] == [imsi(n) for n in (1, 2, 3, 5, 6)]
    assert await world.types(3) == [EventType.SIM_ADDED, EventType.BINDING_CREATED]
    assert await world.state(3) is BindingState.LOCKED
    assert await world.types(5) == [EventType.SIM_ADDED]
    found = await world.sims.find_any("+8613800000003")
    assert found is not None
    assert found.imsi == imsi(3)


async def test_a_clash_does_not_say_whose_it_is(world: World) -> None:
    await provision.add(world.db, provision.new_sim("other", imsi=imsi(7), msisdn="+861390000007"), CALLER)
    bad: list[BadRow] = []
    for text in (f",{imsi(7)},,\n", f",{imsi(8)},+861390000007,\n"):
        await import_rows(
            world.db,
            read_rows(lines_of((HEADER + text).encode()), ACCOUNT),
            ACCOUNT,
            Way(CALLER),
            lambda batch: bad.extend(batch.bad),
        )
    assert [row.reason for row in bad] == [
        f"a SIM with the imsi {imsi(7)} exists already",
        "a SIM with the msisdn +861390000007 exists already",
    ]


async def test_one_sim_is_added_once(world: World) -> None:
    await world.card(1)
    with pytest.raises(SimExists, match="exists already"):
        await world.card(1)
    with pytest.raises(InvalidIdentifier):
        await provision.add(world.db, provision.new_sim(ACCOUNT, imsi=imsi(2)), CALLER, imei="123")
    assert await world.sims.find_any(imsi(2)) is None


async def test_two_imports_at_once_take_every_row_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "BATCH", 20)
    numbers = range(1, 101)

    async def run(order: Sequence[int]) -> Imported:
        text = HEADER + "".join(line(number) for number in order)
        return await import_rows(world.db, read_rows(lines_of(text.encode()), ACCOUNT), ACCOUNT, Way(CALLER))

    done = await asyncio.wait_for(asyncio.gather(run(numbers), run(numbers[::-1]), run(numbers)), PATIENCE)
    assert sum(each.added for each in done) == 100
    assert sum(each.unchanged for each in done) == 200
    assert await world.db.fetchval("select count(*) from event") == 100
    assert await world.db.fetchval("select count(*) from sim_identifier") == 200


async def test_nothing_of_a_batch_stays_when_its_events_cannot_be_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_args: Any) -> None:
        raise RuntimeError("no events today")

    with monkeypatch.context() as patch:
        patch.setattr(sims, "add_events", broken)
        with pytest.raises(RuntimeError):
            await world.card(1, imei=device(1))
    assert await world.db.fetchval("select count(*) from sim") == 0
    assert await world.db.fetchval("select count(*) from sim_identifier") == 0


async def test_imsis_among_the_names_of_earlier_servers_are_deleted_bit_by_bit(world: World) -> None:
    await world.card(1, 2, 3)
    await world.db.execute(
        "insert into sim_identifier (kind, value, bucket, imsi, account_id) "
        "select 'imsi', imsi, bucket, imsi, account_id from sim"
    )
    assert await sim_names.forget_imsi_names(world.db, 2) == 2
    assert await Keeping(world.db, world.vault, timedelta(days=30), clock=world.clock).step()
    assert await world.db.fetchval("select count(*) from sim_identifier where kind = 'imsi'") == 0
    assert not await Keeping(world.db, world.vault, timedelta(days=30), clock=world.clock).step()
    found = [await world.sims.find(ACCOUNT, SimRef(IdentifierKind.IMSI, imsi(n))) for n in (1, 2, 3)]
    assert [sim.imsi for sim in found if sim] == [imsi(1), imsi(2), imsi(3)]


async def import_text(world: World, text: str, *, update: bool = False, dry_run: bool = False) -> Imported:
    source = read_rows(lines_of((HEADER + text).encode()), ACCOUNT)
    return await import_rows(world.db, source, ACCOUNT, Way(CALLER, update=update, dry_run=dry_run))


async def test_the_same_file_again_changes_nothing(world: World) -> None:
    text = line(1) + line(2, imei=device(2)) + line(3)
    assert (await import_text(world, text)).added == 3
    before = [await world.written(table) for table in ("sim", "sim_identifier", "event")]
    again = await import_text(world, text + f",{imsi(3)},,\n")
    assert (again.added, again.unchanged, again.changed, again.bad) == (0, 4, 0, [])
    assert [await world.written(table) for table in ("sim", "sim_identifier", "event")] == before


async def test_a_row_that_says_something_else_of_a_sim_is_refused_and_names_the_column(world: World) -> None:
    await import_text(world, line(1) + line(2, imei=device(2)) + line(3))
    done = await import_text(
        world, f"{iccid(9)},{imsi(1)},,\n" + line(2, imei=device(3)) + line(3, msisdn="+8613800000033")
    )
    assert [row.reason for row in done.bad] == [
        f"the SIM with the imsi {imsi(1)} has another iccid already",
        f"the SIM with the imsi {imsi(2)} has another imei already",
        f"the SIM with the imsi {imsi(3)} has another msisdn already",
    ]


async def test_an_update_gives_sims_the_phone_numbers_of_their_rows(world: World) -> None:
    await import_text(world, line(1) + line(2) + line(3))
    text = line(1, msisdn="+8613800000011") + line(2, msisdn="+8613800000003") + line(3)
    tried = await import_text(world, text, update=True, dry_run=True)
    assert (tried.changed, (await world.sim(1)).msisdn) == (2, "+8613800000001")
    done = await import_text(world, text, update=True)
    assert (done.changed, done.unchanged) == (1, 1)
    assert [row.reason for row in done.bad] == ["Another SIM has the msisdn already"]
    assert (await world.sim(1)).msisdn == "+8613800000011"
    assert await world.types(1) == [EventType.SIM_ADDED, EventType.SIM_CHANGED]


async def test_a_dry_run_writes_nothing(world: World) -> None:
    await import_text(world, line(1))
    done = await import_text(world, line(1) + line(2) + "x,y\n", dry_run=True)
    assert (done.added, done.unchanged, len(done.bad)) == (1, 1, 1)
    assert await world.db.fetchval("select count(*) from sim") == 1


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_semicolons_and_tabs_separate_too_and_a_reason_is_read_over(delimiter: str) -> None:
    text = f'reason,imsi,msisdn\n"line 2: no; not, so",{imsi(1)},+8613800000001\n'.replace(",", delimiter)
    (row,) = rows(text)
    assert isinstance(row, NewSim)
    assert (row.sim.imsi, row.sim.msisdn) == (imsi(1), "+8613800000001")


def test_a_file_may_be_in_another_encoding() -> None:
    (row,) = list(read_rows(lines_of(f"reason,imsi\n坏,{imsi(1)}\n".encode("gbk"), "gbk"), ACCOUNT))
    assert isinstance(row, NewSim)


async def test_a_row_may_give_an_installation_address(world: World) -> None:
    text = "imsi,latitude,longitude,radius\n"
    text += f"{imsi(1)},52.52,13.405,50\n{imsi(2)},,,\n"
    done = await import_rows(world.db, read_rows(lines_of(text.encode()), ACCOUNT), ACCOUNT, Way(CALLER))
    assert (done.added, done.bad) == (2, [])
    assert await places.address(world.db, await world.sim(1)) == Site(52.52, 13.405, 50.0)
    assert await places.address(world.db, await world.sim(2)) is None


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("52.52,13.405,", "radius: a number is needed"),
        ("52.52,x,50", "longitude: a number is needed"),
        ("52.52,13.405,0", "radius: 0 is not more than 0"),
        ("121.47,31.23,50", "look swapped"),
        ("nan,1,1", "latitude"),
    ],
)
def test_a_bad_installation_address_is_told_by_its_column(address: str, reason: str) -> None:
    (found,) = rows(f"imsi,latitude,longitude,radius\n{imsi(1)},{address}\n")
    assert isinstance(found, BadRow)
    assert found.line == 2
    assert reason in found.reason
