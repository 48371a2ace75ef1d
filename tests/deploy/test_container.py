"""The image and the compose file. The tests have no Docker engine: hadolint reads, and we play what Docker would do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.conftest import REPOSITORY
from tests.deploy import dockerfile
from tests.deploy.tools import TOOLS, needs_registry, needs_tools

from simwarden import __version__
from simwarden.demo.processes import free_port
from simwarden.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534


@needs_tools
def test_hadolint_has_no_complaint() -> None:
    done = subprocess.run(
        [TOOLS / "bin" / "hadolint", "--format", "json", REPOSITORY / "Dockerfile"], capture_output=True, check=False
    )
    assert json.loads(done.stdout) == []


def test_only_what_the_image_is_made_of_is_sent_to_the_builder(tmp_path: Path) -> None:
    copied = {
        word.split("/")[0]
        for stage in dockerfile.read(REPOSITORY / "Dockerfile", tmp_path)
        for step in stage.instructions
        if step.name == "COPY" and "--from" not in step.text
        for word in step.words[:-1]
    }
    let_in = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert let_in[0] == "*"
    assert {line[1:].split("/")[0] for line in let_in if line.startswith("!")} == copied


def base_python() -> str:
    """A Python that another user can run too, and that can make environments."""
    for path in (sys._base_executable, "/usr/bin/python3"):  # type: ignore[attr-defined]
        program = "import ensurepip, sys; sys.exit(sys.version_info < (3, 11))"
        with contextlib.suppress(OSError):
            if subprocess.run([path, "-c", program], check=False, **other_user()).returncode == 0:
                return str(path)
    pytest.skip("no Python here can be run by another user and make environments (Debian package python3-venv)")


def other_user() -> dict[str, Any]:
    """Options of a subprocess that is not root's; none when this is not root."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user can get into. Those of pytest are closed again by each pytest that begins beside it."""
    with tempfile.TemporaryDirectory(prefix="simwarden-image-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@needs_registry
async def test_the_image_runs_as_nobody_in_particular_and_is_healthy(open_folder: Path) -> None:
    """Every RUN in a clean folder, then the image's CMD as another user, until its HEALTHCHECK says yes."""
    stages = dockerfile.read(REPOSITORY / "Dockerfile", open_folder)
    image = await asyncio.to_thread(dockerfile.play, stages, REPOSITORY, base_python())
    assert [step.split()[-1] for step in image.skipped] == ["simwarden"]
    assert image.one("USER").text == "10001:10001"
    home = image.root / "var/lib/simwarden"
    environment = {
        "PATH": image.environment["PATH"].replace("$PATH", os.environ["PATH"]),
        **{name: value for name, value in image.environment.items() if name.startswith(("SIMWARDEN", "PYTHON"))},
        "SIMWARDEN_HOST": "127.0.0.1",  # the image listens everywhere; a test does not
        "SIMWARDEN_PORT": str(free_port()),
        "HOME": str(home),
    }
    program = str(image.root / "opt/simwarden/bin/simwarden")
    assert (image.one("CMD").words[0], image.one("CMD").words[1:]) == ("simwarden", ["serve"])
    as_nobody: dict[str, Any] = {"env": environment, "cwd": home, **other_user()}
    if "user" in as_nobody:
        os.chown(home, NOBODY, NOBODY)
    server = await asyncio.create_subprocess_exec(program, "serve", stderr=asyncio.subprocess.PIPE, **as_nobody)
    try:
        health = image.one("HEALTHCHECK").text.partition("CMD ")[2]
        assert json.loads(health) == ["simwarden", "health"]
        async with asyncio.timeout(120):
            while True:
                asked = await asyncio.create_subprocess_exec(program, "health", stdout=-3, stderr=-3, **as_nobody)
                if await asked.wait() == 0:
                    break
                if server.returncode is not None:
                    assert server.stderr is not None
                    pytest.fail((await server.stderr.read()).decode())
                await asyncio.sleep(0.2)
    finally:
        if server.returncode is None:
            server.terminate()
        _, said = await server.communicate()
    assert server.returncode == 0, said.decode()[-4000:]
    assert not (image.root / "opt/simwarden/bin/pip").exists()


def compose() -> dict[str, Any]:
    """The compose file as it is written."""
    found: dict[str, Any] = yaml.safe_load((REPOSITORY / "compose.yaml").read_text())
    return found


def test_the_compose_file_runs_this_version_with_settings_that_it_knows() -> None:
    service = compose()["services"]["simwarden"]
    assert service["image"] == f"simwarden:{__version__}"
    given = {name: "x" for name, text in service["environment"].items() if text.startswith("postgresql")}
    given |= {"SIMWARDEN_SECRET_KEY": "ab" * 32, "SIMWARDEN_PUBLIC_URL": "https://x", "SIMWARDEN_WORKERS": "2"}
    given |= {"SIMWARDEN_ADMIN_PORT": "8090", "SIMWARDEN_ADMIN_HOST": "0.0.0.0"}
    assert given.keys() == service["environment"].keys()
    load({}, given)
    assert service["depends_on"]["database"]["condition"] == "service_healthy"
    assert service["ports"] == ["127.0.0.1:8080:8080", "127.0.0.1:8090:8090"]


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="Debian's package docker-compose is not installed")
def test_compose_reads_the_file_and_asks_for_the_secrets(tmp_path: Path) -> None:
    call: list[Any] = ["docker-compose", "--env-file", tmp_path / "env", "-f", REPOSITORY / "compose.yaml", "config"]
    (tmp_path / "env").write_text("")
    own = {name: value for name, value in os.environ.items() if not name.startswith(("SIMWARDEN", "POSTGRES"))}
    done = subprocess.run(call, capture_output=True, text=True, env=own, check=False)
    assert done.returncode != 0
    assert "write it into .env" in done.stderr
    (tmp_path / "env").write_text(f"POSTGRES_PASSWORD=geheim\nSIMWARDEN_SECRET_KEY={'ab' * 32}\n")
    done = subprocess.run(call, capture_output=True, text=True, env=own, check=False)
    assert done.returncode == 0, done.stderr
    services = yaml.safe_load(done.stdout)["services"]
    url = services["simwarden"]["environment"]["SIMWARDEN_DATABASE_URL"]
    assert url == "postgresql://simwarden:geheim@database/simwarden"
    assert services["database"]["environment"]["POSTGRES_PASSWORD"] == "geheim"
