"""Writing to a connection that the other side may have reset."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


def write(writer: asyncio.StreamWriter, octets: bytes) -> None:
    """Hand octets to a connection; ConnectionResetError where it is closed.

    asyncio drops what is written to a closed connection, while uvloop raises RuntimeError.
    """
    if writer.is_closing():
        raise ConnectionResetError("The connection is closed")
    writer.write(octets)
