"""Who opted out, at the operator's door."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.management.test_commands import Shell, shell

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["shell"]
PEER, NUMBER = "+8613715266978", "+8613811000003"


async def test_an_operator_sees_adds_and_removes(shell: Shell, tmp_path: Path) -> None:
    for account in ("Bank", "Shop"):
        await shell.told("account", "create", account)
    file = tmp_path / "sims.csv"
    file.write_text(f"imsi,msisdn\n460000990129991,{NUMBER}\n")
    await shell.told("sim", "import", "--account", "Bank", str(file))
    assert (await shell("account", "opt-out", "add", "Bank", PEER)).exit_code == 0
    assert (await shell("account", "opt-out", "add", "Bank", PEER, "--sim", NUMBER)).exit_code == 0
    assert (await shell("account", "opt-out", "add", "Shop", PEER, "--sim", NUMBER)).exit_code == 1
    masked = await shell.told("account", "opt-out", "list", "Bank")
    assert [(each.get("allSims"), each.get("number"), each["receiver"]) for each in masked] == [
        (None, NUMBER, "************78"),
        (True, None, "************78"),
    ]
    clear = await shell.told("account", "opt-out", "list", "Bank", "--sim", NUMBER, "--reveal")
    assert [(each["receiver"], each["source"]) for each in clear] == [(PEER, "OPERATOR")] * 2
    assert await shell.told("account", "opt-out", "list", "Shop") == []
    assert (await shell("account", "opt-out", "remove", "Bank", PEER)).exit_code == 0
    [left] = await shell.told("account", "opt-out", "list", "Bank")
    assert left["number"] == NUMBER
    usual = await shell.told("account", "opt-out", "words", "Bank")
    assert (usual["own"], "STOP" in usual["words"]) == (False, True)
    own = await shell.told("account", "opt-out", "set-words", "Bank", "--word", "stop,halt")
    assert own == {"words": ["HALT", "STOP"], "own": True}
    refused = await shell("account", "opt-out", "set-words", "Bank", "--word", "start")
    assert (refused.exit_code, "meaning of its own" in refused.output) == (1, True)
    assert (await shell("account", "opt-out", "usual-words", "Bank")).exit_code == 0
    assert (await shell.told("account", "opt-out", "words", "Bank"))["own"] is False
