"""What can be asked of the simulator that it cannot do, each with the HTTP status its control server answers."""

from __future__ import annotations


class SimulatorError(Exception):
    """The simulator cannot do this."""

    status = 400

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)


class InvalidRequest(SimulatorError):
    """A parameter is missing, unknown or out of range."""


class NotFound(SimulatorError):
    """There is no such gateway, slot or SIM."""

    status = 404


class Conflict(SimulatorError):
    """The state forbids it, for example a slot that already holds a card."""

    status = 409
