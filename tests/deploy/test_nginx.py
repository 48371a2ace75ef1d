"""deploy/nginx as Debian's nginx runs it, in front of a real server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
from typing import TYPE_CHECKING, NamedTuple

import pytest
import pytest_asyncio
from tests.conftest import REPOSITORY
from tests.integration.test_tls import shaken
from tests.support.certificates import self_signed
from tests.support.fixtures import world_database
from tests.support.server import serving

from simwarden.accounts.applications import issue, open_account
from simwarden.demo.processes import free_port
from simwarden.store.accounts import Accounts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from simwarden.store.database import Database

pytestmark = [
    pytest.mark.skipif(shutil.which("nginx") is None, reason="Debian's package nginx-light is not installed"),
    pytest.mark.skipif(shutil.which("curl") is None, reason="Debian's package curl is not installed"),
]
__all__ = ["world_database"]
FOLDER = REPOSITORY / "deploy" / "nginx"


class Proxy(NamedTuple):
    """The ports of a running nginx, and its certificate."""

    certificate: Path
    plain: int
    public: int
    admin: int
    gateways: int
    log: Path


class Answer(NamedTuple):
    """What curl got."""

    status: int
    headers: dict[str, str]
    body: str
    version: str

    @property
    def json(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.body)
        return found


def configuration(folder: Path, upstream: str, admin: int, proxy: Proxy, key: Path) -> str:
    """The files as they are shipped, but for ports, paths, and a body timeout that a test can wait for."""
    text = (FOLDER / "simwarden.conf").read_text()
    for old, new in (
        ("server 127.0.0.1:8080;", f"server {upstream};"),
        ("server 127.0.0.1:8090;", f"server 127.0.0.1:{admin};"),
        ("listen 80;", f"listen 127.0.0.1:{proxy.plain};"),
        ("listen 443 ssl", f"listen 127.0.0.1:{proxy.public} ssl"),
        ("listen 127.0.0.1:8443 ssl", f"listen 127.0.0.1:{proxy.admin} ssl"),
        ("listen 127.0.0.1:8081;", f"listen 127.0.0.1:{proxy.gateways};"),
        ("/etc/ssl/simwarden/fullchain.pem", str(proxy.certificate)),
        ("/etc/ssl/simwarden/privkey.pem", str(key)),
        ("/var/log/nginx/simwarden.log", str(proxy.log)),
        ("warden.example", "localhost"),
        ("client_body_timeout 20s;", "client_body_timeout 2s;"),
    ):
        assert old in text, f"{old} is not in simwarden.conf any more"
        text = text.replace(old, new)
    (folder / "snippets").mkdir()
    shutil.copy(FOLDER / "simwarden-proxy.conf", folder / "snippets")
    (folder / "simwarden.conf").write_text(text)
    temporary = "\n".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"pid {folder}/nginx.pid;\nerror_log {folder}/error.log;\n{'user root;' if os.geteuid() == 0 else ''}\n"
        f"events {{}}\nhttp {{\n{temporary}\ninclude {folder}/simwarden.conf;\n}}\n"
    )


@contextlib.asynccontextmanager
async def running(folder: Path, made: Proxy, key: Path, upstream: str, admin: int) -> AsyncIterator[Proxy]:
    """nginx in front of `upstream` (host:port), whose administrators' port is `admin`."""
    await asyncio.to_thread(folder.mkdir)
    (folder / "nginx.conf").write_text(configuration(folder, upstream, admin, made, key))
    process = await asyncio.create_subprocess_exec(
        "nginx", "-p", folder, "-e", folder / "error.log", "-c", folder / "nginx.conf", "-g", "daemon off;"
    )
    ports = (made.plain, made.public, made.admin, made.gateways)
    until = asyncio.get_running_loop().time() + 60
    try:
        while not all(map(_open, ports)):
            assert process.returncode is None, (folder / "error.log").read_text()
            assert asyncio.get_running_loop().time() < until, "nginx does not listen"
            await asyncio.sleep(0.1)
        yield made
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 60)


def free_ports(certificate: Path, log: Path) -> Proxy:
    """Four ports that nobody listens on."""
    return Proxy(certificate, free_port(), free_port(), free_port(), free_port(), log)


@pytest_asyncio.fixture(scope="module")
async def proxy(tmp_path_factory: pytest.TempPathFactory, world_database: Database) -> AsyncIterator[Proxy]:
    """nginx in front of a server, one for all tests: each asks what no other changes."""
    folder = tmp_path_factory.mktemp("proxy")
    certificate, key = self_signed(folder)
    made = free_ports(certificate, folder / "access.log")
    admin = free_port()
    settings = {
        "public_url": f"https://localhost:{made.public}",
        "admin_port": str(admin),
        "trusted_proxies": "127.0.0.1",
    }
    async with (
        serving(folder, world_database.url, **settings) as url,
        running(folder / "nginx", made, key, url.removeprefix("http://"), admin),
    ):
        yield made


def _open(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
        return True
    return False


async def curl(proxy: Proxy, *arguments: str) -> Answer:
    """Ask through nginx, trusting its certificate and no other."""
    process = await asyncio.create_subprocess_exec(
        *("curl", "-sS", "--max-time", "60", "--cacert", str(proxy.certificate), "-D", "-", *arguments),
        *("-w", "\n%{http_version}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    text, _, version = out.decode().replace("\r\n", "\n").rpartition("\n")
    head, _, body = text.partition("\n\n")
    while head.startswith("HTTP/1.1 100"):
        head, _, body = body.partition("\n\n")
    lines = head.splitlines()
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    return Answer(int(lines[0].split()[1]), headers, body, version)


async def test_calls_pass_and_errors_keep_their_form(proxy: Proxy) -> None:
    base = f"https://localhost:{proxy.public}"
    found = await curl(proxy, "--http2", f"{base}/.well-known/openid-configuration")
    assert (found.status, found.version) == (200, "2")
    assert found.json["token_endpoint"] == f"{base}/oauth2/token"
    assert found.headers["strict-transport-security"]

    bind = ["-X", "POST", "-H", "content-type: application/json", "-H", "x-correlator: through-nginx", "-d", "{}"]
    found = await curl(proxy, *bind, f"{base}/iot-sim-fraud-prevention/v0.1/bind")
    assert (found.status, found.json["code"]) == (401, "UNAUTHENTICATED")
    assert found.headers["www-authenticate"].startswith("Bearer")
    assert found.headers["x-correlator"] == "through-nginx"
    assert found.headers["content-type"].startswith("application/json")

    found = await curl(proxy, *bind, f"{base}/iot-sim-fraud-prevention/v0.1/nothing")
    assert (found.status, found.json["code"]) == (404, "NOT_FOUND")
    assert "through-nginx" in proxy.log.read_text()
    assert "/iot-sim-fraud-prevention" not in proxy.log.read_text()


async def test_plain_http_is_sent_to_https(proxy: Proxy) -> None:
    found = await curl(proxy, f"http://127.0.0.1:{proxy.plain}/docs")
    assert (found.status, found.headers["location"]) == (308, "https://localhost/docs")


async def test_administration_and_reports_have_listeners_of_their_own(proxy: Proxy) -> None:
    for path in ("/manage/v1/gateways", "/metrics", "/southbound/ejoin/some-token"):
        found = await curl(proxy, f"https://localhost:{proxy.public}{path}")
        assert (found.status, found.json["code"]) == (404, "NOT_FOUND"), path
    found = await curl(proxy, f"https://localhost:{proxy.admin}/manage/v1/gateways")
    assert (found.status, found.json["code"]) == (401, "UNAUTHENTICATED")
    found = await curl(proxy, f"https://localhost:{proxy.admin}/metrics")
    assert found.status == 200
    assert "# HELP" in found.body
    found = await curl(proxy, "-d", "{}", f"http://127.0.0.1:{proxy.gateways}/southbound/ejoin/nobody")
    assert found.status == 404
    found = await curl(proxy, f"http://127.0.0.1:{proxy.gateways}/readyz")
    assert found.status == 404


async def test_a_large_body_is_refused_in_the_form_of_the_apis(
    proxy: Proxy, tmp_path: Path, world_database: Database
) -> None:
    body = tmp_path / "large.json"
    body.write_text("{" + " " * (2 << 20) + "}")
    post = ["-H", "content-type: application/json", "-H", "expect:", "--data-binary", f"@{body}"]
    found = await curl(proxy, *post, f"https://localhost:{proxy.public}/iot-sim-fraud-prevention/v0.1/bind")
    assert (found.status, found.json["status"]) == (413, 413)
    # up to 4 MB pass where many devices may be named: the server itself reads it and answers
    accounts = Accounts(world_database)
    await open_account(accounts, "ACME")
    issued = await issue(accounts, "ACME", "meters", ["iot-device-management:activate"])
    client = f"{issued.application.app_key}:{issued.app_secret}"
    token = await curl(
        *(proxy, "-u", client, "-d", "grant_type=client_credentials", f"https://localhost:{proxy.public}/oauth2/token")
    )
    post += ["-H", f"authorization: Bearer {token.json['access_token']}"]
    found = await curl(proxy, *post, f"https://localhost:{proxy.public}/iot-device-management/vwip/activate")
    assert (found.status, found.json["code"]) == (422, "MISSING_IDENTIFIER")


async def test_a_call_refused_before_its_body_is_read_keeps_its_answer(proxy: Proxy, tmp_path: Path) -> None:
    """The server reads on, so that nginx, which still writes, gets the 401 and not a closed connection."""
    body = tmp_path / "large.json"
    body.write_text("{" + " " * (2 << 20) + "}")
    post = ["-H", "content-type: application/json", "-H", "expect:", "--data-binary", f"@{body}"]
    for _ in range(10):
        found = await curl(proxy, *post, f"https://localhost:{proxy.public}/iot-device-management/vwip/activate")
        assert (found.status, found.json["code"]) == (401, "UNAUTHENTICATED")


async def test_a_body_that_stops_in_the_middle_is_given_up_by_nginx(proxy: Proxy) -> None:
    trust = ssl.create_default_context(cafile=proxy.certificate)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.public, ssl=trust, server_hostname="localhost")
    writer.write(b"POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\ngrant_type=")
    answer = await asyncio.wait_for(reader.read(), 60)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 408"), answer
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def test_a_server_that_is_away_is_told_as_the_apis_tell_it(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    made = free_ports(certificate, tmp_path / "access.log")
    async with running(tmp_path / "nginx", made, key, f"127.0.0.1:{free_port()}", free_port()):
        found = await curl(made, f"https://localhost:{made.public}/docs")
    assert (found.status, found.json["code"], found.headers["retry-after"]) == (503, "UNAVAILABLE", "5")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_tls_1_1_is_refused(proxy: Proxy) -> None:
    assert await asyncio.to_thread(shaken, proxy.public, proxy.certificate, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    for port in (proxy.public, proxy.admin):
        with pytest.raises(ssl.SSLError):
            await asyncio.to_thread(shaken, port, proxy.certificate, ssl.TLSVersion.TLSv1_1)


def test_the_page_shows_the_files_that_are_tested() -> None:
    page = (REPOSITORY / "docs" / "reverse-proxy.md").read_text()
    for name in ("simwarden.conf", "simwarden-proxy.conf"):
        assert f"```nginx\n{(FOLDER / name).read_text()}```" in page, f"docs/reverse-proxy.md shows an old {name}"
