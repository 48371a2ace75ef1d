from __future__ import annotations

from tests.support.fixtures import world, world_database

__all__ = ["world", "world_database"]
