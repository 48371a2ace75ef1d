"""The texts of our errors are those of CAMARA's documents, which its feature files ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.conformance.contract import UPSTREAM
from tests.support.documents import read_yaml

import simwarden.northbound.iot_sim_fraud_prevention.routes
import simwarden.sandbox.rules  # noqa: F401 - errors of their own
from simwarden.domain.errors import SimwardenError
from simwarden.northbound.kernel.errors import CamaraError, info

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = [UPSTREAM / f"iot-sim-fraud-prevention{name}.yaml" for name in ("", "-subscriptions")]
NOT_ANSWERED = {"GONE"}
"""Said by consumers."""


def examples(node: Any) -> Iterator[tuple[str, str]]:
    """Code and message of every error example."""
    if isinstance(node, dict):
        if node.keys() == {"status", "code", "message"} and isinstance(node["code"], str):
            yield node["code"], node["message"]
        for value in node.values():
            yield from examples(value)
    elif isinstance(node, list):
        for value in node:
            yield from examples(value)


def errors(base: type[SimwardenError]) -> Iterator[type[SimwardenError]]:
    """Every error of ours below `base`."""
    for each in base.__subclasses__():
        yield each
        yield from errors(each)


@pytest.mark.skipif(not all(path.is_file() for path in FILES), reason="CAMARA's documents are not at hand")
def test_every_error_speaks_as_camara_does() -> None:
    theirs: dict[str, set[str]] = {}
    for path in FILES:
        for code, message in examples(read_yaml(path.read_text(encoding="utf-8"))):
            theirs.setdefault(code, set()).add(message)
    ours = {error for error in errors(CamaraError) if error.code in theirs}
    ours |= {error for error in errors(SimwardenError) if error.code in theirs and error.text}
    assert {error.code for error in ours} == theirs.keys() - NOT_ANSWERED
    for error in ours:
        assert any(info(error()).message.startswith(message) for message in theirs[error.code]), error
