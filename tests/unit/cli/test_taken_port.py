"""A port that somebody else listens on is named, whenever it was taken."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING

import pytest

from simwarden.cli import serve
from simwarden.domain.errors import SimwardenError
from simwarden.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """A server that would use a database of its owner, at a port that is free now."""
    handler = signal.getsignal(signal.SIGTERM)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = "postgresql://nobody@127.0.0.1:1/none"
    yield Settings(host="127.0.0.1", port=port, data_dir=str(tmp_path), database_url=url)
    signal.signal(signal.SIGTERM, handler)


def test_a_port_that_is_taken_while_the_database_is_prepared_is_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[Settings] = []
    monkeypatch.setattr(serve, "_serve", served.append)
    with socket.socket() as other:

        def prepared(_: Settings) -> bool:
            other.bind((settings.host, settings.port))
            other.listen()
            return True

        monkeypatch.setattr(serve, "_prepared", prepared)
        with pytest.raises(SimwardenError, match=f"Cannot listen on 127.0.0.1:{settings.port}"):
            serve.run(settings)
    assert served == []


def test_a_port_that_is_free_is_served(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[Settings] = []
    monkeypatch.setattr(serve, "_serve", served.append)
    monkeypatch.setattr(serve, "_prepared", lambda _: True)
    serve.run(settings)
    assert [each.port for each in served] == [settings.port]
