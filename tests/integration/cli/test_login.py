"""A person at the command line: log in, get a second factor, log out."""

from __future__ import annotations

import base64
import json
import re
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner
from tests.support.server import serving

from simwarden.accounts import totp
from simwarden.cli import main

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from click.testing import Result

PASSWORD = "correct horse battery"


@pytest.fixture
async def server(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """A server that the commands of this process speak to."""
    async with serving(tmp_path, database_url) as url:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
        monkeypatch.setenv("SIMWARDEN_DATABASE_URL", database_url)
        monkeypatch.setenv("SIMWARDEN_DATA_DIR", str(tmp_path / "data"))
        monkeypatch.setenv("SIMWARDEN_PORT", url.rpartition(":")[2])
        yield


@pytest.mark.usefixtures("server")
def test_a_person_logs_in_gets_a_second_factor_and_logs_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    echo = click.echo

    def run(*arguments: str, given: str = "") -> Result:
        return CliRunner().invoke(main, list(arguments), input=given)

    def told(*arguments: str) -> Any:
        result = run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    made = told("user", "add", "ann@x.example", "--name", "Ann", "--role", "viewer")
    result = run("login", "--setup-code", made["setupCode"], given=f"{PASSWORD}\n{PASSWORD}\n")
    assert result.exit_code == 0, result.output
    kept = tmp_path / "config" / "simwarden" / "session.key"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert told("user", "whoami")["user"]["email"] == "ann@x.example"
    assert run("account", "create", "ACME").exit_code == 1, "she is a viewer, whoever may read the server's key"

    def shown(text: str = "", **options: Any) -> None:
        said.append(text)
        echo(text, **options)

    def asked(text: str, **_options: Any) -> str:
        if text == "Password":
            return PASSWORD
        [secret] = re.findall(r"authenticator: (\w+)", "\n".join(said))
        return totp.code(base64.b32decode(secret), totp.step_of(datetime.now(UTC)))

    with monkeypatch.context() as patch:
        patch.setattr(click, "echo", shown)
        patch.setattr(click, "prompt", asked)
        result = run("user", "second-factor")
    assert result.exit_code == 0, result.output
    codes = re.findall(r"^  (\w{5}-\w{5}-\w{5})$", result.output, re.MULTILINE)
    assert len(codes) == 10
    assert run("login", "ann@x.example", given=f"{PASSWORD}\nwrong\n").exit_code == 1
    assert run("login", "ann@x.example", given=f"{PASSWORD}\n{codes[0]}\n").exit_code == 0
    assert len(told("user", "sessions")) == 2
    assert run("logout").exit_code == 0
    assert not kept.exists()
    assert run("account", "create", "ACME").exit_code == 0, "the server's key again"
    assert told("audit", "verify")["faults"] == []
    rows = told("audit", "list", "--operator", "ann@x.example")
    assert {"setUp", "beginSecondFactor", "confirmSecondFactor", "logIn", "logOut", "createAccount"} == {
        row["operation"] for row in rows
    }
