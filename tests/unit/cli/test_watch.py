"""Who watches over the database does not give up, whatever happens to him. Found by tests/faults."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from simwarden.cli import serve
from simwarden.store.embedded import EmbeddedPostgres, EmbeddedServerFailed

if TYPE_CHECKING:
    from pathlib import Path


class Dying(EmbeddedPostgres):
    """Cannot be started at first."""

    def __init__(self, directory: Path, stop: threading.Event) -> None:
        super().__init__(directory)
        self.errors: list[Exception] = [OSError(28, "No space left on device"), EmbeddedServerFailed("no")]
        self._stop_watching = stop

    def revive(self) -> bool:
        """Two failures, then it runs."""
        if self.errors:
            raise self.errors.pop(0)
        self._stop_watching.set()
        return True


def test_it_is_tried_until_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(serve, "_WATCH_SECONDS", 0.01)
    stop = threading.Event()
    serve._watch_over(Dying(tmp_path, stop), stop)
    told = capsys.readouterr().err
    assert "No space left on device" in told
    assert "started again" in told
