"""RADIUS over TLS: the same requests on one connection, proved by a certificate or by the NAS's secret."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import pytest
from tests.integration.southbound.radius.mobile import HOME, OTHER, Mobile, seconds, until
from tests.support.certificates import self_signed
from tests.support.nas import SECRET, access, accounting
from tests.support.patience import PATIENCE
from tests.support.world import imsi

from simwarden.demo.processes import free_port
from simwarden.domain.identifiers import full_imei
from simwarden.southbound.radius import codec
from simwarden.southbound.radius.accounting import AccountingStatus
from simwarden.southbound.radius.codec import Code, Packet

if TYPE_CHECKING:
    from pathlib import Path


class Client:
    """One connection of a NAS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, secret: bytes) -> None:
        self.reader, self.writer, self.secret = reader, writer, secret

    async def receive(self) -> Packet:
        async with asyncio.timeout(PATIENCE):
            head = await self.reader.readexactly(4)
            return codec.decode(head + await self.reader.readexactly(int.from_bytes(head[2:], "big") - 4))

    def access(self, identifier: int, imei: str) -> bytes:
        asked = access(imsi(1), imei=full_imei(imei) + "1")
        return codec.encode_proved_request(
            Code.ACCESS_REQUEST, identifier, asked, self.secret, bytes([identifier]) * 16
        )

    def start(self, identifier: int) -> bytes:
        told = accounting(AccountingStatus.START, "S1", imsi=imsi(1), imei=full_imei(HOME) + "1", at=seconds())
        return codec.encode_request(Code.ACCOUNTING_REQUEST, identifier, told, self.secret)


async def one_octet(port: int, context: ssl.SSLContext) -> None:
    """A TLS 1.3 client learns only when it reads that its certificate is missed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        await reader.readexactly(1)
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("certified", [True, False])
async def test_requests_of_both_kinds_on_one_connection(mobile: Mobile, tmp_path: Path, *, certified: bool) -> None:
    server, client = self_signed(tmp_path), self_signed(tmp_path, name="client")
    port = free_port()
    settings = {"radius_tls_port": port, "radius_tls_certificate": str(server[0]), "radius_tls_key": str(server[1])}
    if certified:
        settings["radius_tls_clients"] = str(client[0])
    await mobile.source.stop()
    await mobile.start(mobile.another_source(**settings))
    context = ssl.create_default_context(cafile=server[0])
    if certified:
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            await one_octet(port, context)
        context.load_cert_chain(*client)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    nas = Client(reader, writer, b"radsec" if certified else SECRET)
    writer.write(nas.access(1, OTHER))
    assert (await nas.receive()).code == Code.ACCESS_REJECT
    writer.write(nas.access(2, HOME)[:30])
    await writer.drain()
    await asyncio.sleep(0)
    writer.write(nas.access(2, HOME)[30:] + nas.start(3))
    answers = {(await nas.receive()).code, (await nas.receive()).code}
    assert answers == {Code.ACCESS_ACCEPT, Code.ACCOUNTING_RESPONSE}
    assert await mobile.live() == ["S1"]
    status = codec.encode_proved_request(Code.STATUS_SERVER, 4, [], nas.secret, bytes(16))
    writer.write(status)
    answer = await nas.receive()
    assert (answer.code, answer.identifier) == (Code.ACCESS_ACCEPT, 4)
    assert codec.is_authentic_response(answer, bytes(16), nas.secret)

    nas.secret = SECRET if certified else b"radsec"
    writer.write(nas.start(5))
    await until(lambda: mobile.counted["forged", ""] == 1)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")  # no length that a packet may have
    assert await asyncio.wait_for(reader.read(), PATIENCE) == b""
    writer.close()
