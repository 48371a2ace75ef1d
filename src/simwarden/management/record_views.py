"""Messages and calls of a SIM, as the management API shows them: masked, unless they are to be revealed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def message(row: Mapping[str, Any], *, reveal: bool) -> dict[str, Any]:
    """A short message."""
    content = row["content"]
    return _there(
        {
            "at": row["at"],
            "direction": row["direction"],
            "sender": _number(row["sender"], reveal=reveal),
            "receiver": _number(row["receiver"], reveal=reveal),
            "content": content if reveal or content is None else f"({len(content)} characters)",
            "status": row["status"],
        }
    )


def call(row: Mapping[str, Any], *, reveal: bool) -> dict[str, Any]:
    """A call."""
    return _there(
        {
            "beginAt": row["begin_at"],
            "direction": row["direction"],
            "caller": _number(row["caller"], reveal=reveal),
            "callee": _number(row["callee"], reveal=reveal),
            "answerAt": row["answer_at"],
            "endAt": row["end_at"],
            "reason": row["reason"],
        }
    )


def _number(number: str | None, *, reveal: bool) -> str | None:
    """A number; masked, what tells two of them apart is left."""
    return number if reveal or not number else "*" * (len(number) - 2) + number[-2:]


def _there(shown: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shown.items() if value is not None}
