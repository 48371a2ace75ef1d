"""`python -m tests.support.dead_code`: what is defined in the source and used nowhere in it, as vulture finds it.

Run by `make lint`, with [tool.vulture] of pyproject.toml. What only tests use is dead too. Names that a class's body
binds are left out: fields of msgspec's structs and members of enumerations are written and read as JSON and as rows,
which vulture cannot see.
"""

from __future__ import annotations

import ast
import sys
from functools import cache
from pathlib import Path

from vulture.config import make_config
from vulture.core import Vulture

REPOSITORY = Path(__file__).parent.parent.parent


@cache
def _in_classes(path: str) -> frozenset[int]:
    """The lines of a module on which a class has a field or a member."""
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    return frozenset(
        statement.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for statement in node.body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
    )


def find(*paths: str) -> list[str]:
    """One line for each finding. `paths`: in place of the configured ones."""
    config = make_config(["--config", str(REPOSITORY / "pyproject.toml"), *paths])
    searched = Vulture(ignore_names=config["ignore_names"], ignore_decorators=config["ignore_decorators"])
    searched.scavenge([str(REPOSITORY / path) for path in config["paths"]])
    return [
        str(item.get_report())
        for item in searched.get_unused_code(min_confidence=config["min_confidence"])
        if item.typ != "variable" or item.first_lineno not in _in_classes(str(item.filename))
    ]


if __name__ == "__main__":
    sys.exit("\n".join(find()) or 0)
