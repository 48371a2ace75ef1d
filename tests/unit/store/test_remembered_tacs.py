"""Models of devices that customers' calls remember for a while."""

from __future__ import annotations

from typing import cast

from simwarden.domain.device_model import DeviceModel
from simwarden.store.tacs import REMEMBERED, REMEMBERED_FOR, RememberedTacs, Tacs

TAC = "35209900"


class Table:
    """The table, and which TACs were looked up."""

    def __init__(self) -> None:
        self.models: dict[str, DeviceModel] = {}
        self.asked: list[str] = []

    async def find(self, tac: str) -> DeviceModel | None:
        """As Tacs does."""
        self.asked.append(tac)
        return self.models.get(tac)


async def test_a_tac_is_looked_up_again_after_a_while_found_or_not() -> None:
    table, now = Table(), [0.0]
    tacs = RememberedTacs(cast("Tacs", table), now=lambda: now[0])
    assert await tacs.find(TAC) is None
    table.models[TAC] = DeviceModel(TAC, "Quectel", "BG95")
    now[0] = REMEMBERED_FOR - 0.1
    assert await tacs.find(TAC) is None
    now[0] = REMEMBERED_FOR
    assert await tacs.find(TAC) == table.models[TAC]
    table.models[TAC] = DeviceModel(TAC, "Quectel", "BG96")
    assert (await tacs.find(TAC)) != table.models[TAC]
    now[0] = 2 * REMEMBERED_FOR
    assert await tacs.find(TAC) == table.models[TAC]
    assert table.asked == [TAC] * 3


async def test_no_more_than_so_many_are_remembered_the_oldest_go_first() -> None:
    table = Table()
    tacs = RememberedTacs(cast("Tacs", table), now=lambda: 0.0)
    for number in range(REMEMBERED + 1):
        await tacs.find(f"{number:08}")
    table.asked.clear()
    await tacs.find(f"{REMEMBERED:08}")
    await tacs.find("00000001")
    assert table.asked == []
    await tacs.find("00000000")
    assert table.asked == ["00000000"]
