"""What both interfaces of an HLR have in common: how they fail."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from simwarden.engine.ports import CommandFailed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class NotUnderstood(Exception):
    """The other side sent what the protocol does not have."""


@contextlib.asynccontextmanager
async def connected(
    host: str, port: int, what: str, seconds: float
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection for one exchange, which may take so many `seconds` as a whole.

    Raises CommandFailed; `what` names the interface in its text.
    """
    writer: asyncio.StreamWriter | None = None
    reached = False
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(host, port)
            yield reader, writer
            reached = True
    except NotUnderstood as error:
        raise CommandFailed(f"The {what} of the HLR answers what is not understood: {error}") from error
    except (OSError, TimeoutError, EOFError) as error:
        why = str(error) or "no answer in time"
        raise CommandFailed(f"The {what} of the HLR cannot be used: {why}", reached=reached) from error
    finally:
        if writer is not None:
            writer.transport.abort()
