"""Where a subscription's events go: what of it is a secret lies in the database sealed, and masked beside that.

A sink's query often holds a key, and the customer's own headers hold one as a rule. In clear are scheme, host, port and
path of the sink and the names of the headers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

if TYPE_CHECKING:
    from simwarden.store.vault import Vault

MASK = "********"
T = TypeVar("T", bound=msgspec.Struct)


class SinkAddress(msgspec.Struct, frozen=True):
    """A sink and its settings as the customer gave them."""

    sink: str
    protocol_settings: dict[str, Any] | None

    @property
    def has_secrets(self) -> bool:
        """Whether anything of it is to be sealed."""
        return "?" in self.sink or self.protocol_settings is not None

    def masked(self) -> SinkAddress:
        """What may be seen of it."""
        head, query, _ = self.sink.partition("?")
        return SinkAddress(head + (f"?{MASK}" if query else ""), _masked(self.protocol_settings))


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(SinkAddress)


def seal(vault: Vault, subscription_id: str, target: SinkAddress) -> bytes | None:
    """Encrypt a target; None when there is nothing secret in it."""
    return vault.seal(_encoder.encode(target), _purpose(subscription_id)) if target.has_secrets else None


def opened(vault: Vault, row: T) -> T:
    """A subscription or a queue (`id`, `sink`, `protocol_settings`, `sealed_target`) with its target in clear.

    Raises WrongKey.
    """
    sealed: bytes | None = row.sealed_target  # type: ignore[attr-defined]
    if sealed is None:
        return row
    target = _decoder.decode(vault.open(sealed, _purpose(row.id)))  # type: ignore[attr-defined]
    return msgspec.structs.replace(
        row, sink=target.sink, protocol_settings=target.protocol_settings, sealed_target=None
    )


def _purpose(subscription_id: str) -> str:
    return f"subscription-target:{subscription_id}"


def _masked(value: Any) -> Any:
    """Names stay, values go: of headers, and of whatever else stands beside them."""
    if isinstance(value, dict):
        return {name: _masked(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_masked(inner) for inner in value]
    return MASK if isinstance(value, str) else value
