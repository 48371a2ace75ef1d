"""TLS on the server itself."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import TYPE_CHECKING

import aiohttp
import pytest
from cryptography.hazmat.primitives.serialization import PrivateFormat
from tests.support.certificates import PKCS8, TRADITIONAL, self_signed
from tests.support.server import program

from simwarden.demo.processes import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@contextlib.asynccontextmanager
async def serving(folder: Path, database_url: str, certificate: Path, key: Path) -> AsyncIterator[int]:
    """A server with this certificate that answers; its port."""
    port = free_port()
    environment = {
        "SIMWARDEN_DATA_DIR": str(folder / "data"),
        "SIMWARDEN_DATABASE_URL": database_url,
        "SIMWARDEN_PORT": str(port),
        "SIMWARDEN_TLS_CERTIFICATE": str(certificate),
        "SIMWARDEN_TLS_KEY": str(key),
    }
    trust = ssl.create_default_context(cafile=certificate)
    async with program(folder, environment, "serve") as server, aiohttp.ClientSession() as session:
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(aiohttp.ClientConnectionError):
                    async with session.get(f"https://127.0.0.1:{port}/readyz", ssl=trust) as answer:
                        if answer.status == 200:
                            break
                assert server.process.returncode is None, server.errors
                await asyncio.sleep(0.1)
        assert f"on https://127.0.0.1:{port}" in server.errors
        yield port


def shaken(port: int, certificate: Path, version: ssl.TLSVersion) -> str | None:
    """The protocol that a client agrees on that speaks this version only. Raises SSLError when there is none."""
    client = ssl.create_default_context(cafile=certificate)
    # OpenSSL's own level would refuse old versions before the server is asked.
    client.set_ciphers("ALL:@SECLEVEL=0")
    client.minimum_version = client.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", port), 20) as plain,
        client.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        return secure.version()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_the_server_speaks_tls_1_2_and_1_3_and_nothing_older(tmp_path: Path, database_url: str) -> None:
    certificate, key = self_signed(tmp_path)
    async with serving(tmp_path, database_url, certificate, key) as port:
        assert await asyncio.to_thread(shaken, port, certificate, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
        assert await asyncio.to_thread(shaken, port, certificate, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
        for old in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            with pytest.raises(ssl.SSLError, match=r"(?i)alert|version"):
                await asyncio.to_thread(shaken, port, certificate, old)
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientError):
                await session.get(f"http://127.0.0.1:{port}/healthz")
            trust = ssl.create_default_context(cafile=certificate)
            async with session.get(f"https://127.0.0.1:{port}/openapi/manage.yaml", ssl=trust) as answer:
                assert f"https://127.0.0.1:{port}" in await answer.text()


@pytest.mark.parametrize(("elliptic", "form"), [(True, TRADITIONAL), (False, PKCS8), (False, TRADITIONAL)])
async def test_every_usual_form_of_key_is_taken(
    tmp_path: Path, database_url: str, *, elliptic: bool, form: PrivateFormat
) -> None:
    certificate, key = self_signed(tmp_path, elliptic=elliptic, form=form)
    async with serving(tmp_path, database_url, certificate, key):
        pass


async def test_a_key_of_another_certificate_is_refused_before_anything_starts(tmp_path: Path) -> None:
    certificate, _ = self_signed(tmp_path)
    _, key = self_signed(tmp_path, name="other")
    environment = {
        "SIMWARDEN_DATA_DIR": str(tmp_path / "data"),
        "SIMWARDEN_TLS_CERTIFICATE": str(certificate),
        "SIMWARDEN_TLS_KEY": str(key),
    }
    async with program(tmp_path, environment, "serve") as server:
        assert await asyncio.wait_for(server.process.wait(), 60) == 1
        assert "tls_certificate and tls_key cannot be used" in server.errors
        assert "Traceback" not in server.errors
    assert not (tmp_path / "data").exists()
