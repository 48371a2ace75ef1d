"""What a customer's call counts as in the usage ledger."""

from __future__ import annotations

import msgspec


class Usage(msgspec.Struct, frozen=True):
    """One call that is counted."""

    account_id: str
    app_key: str
    api: str
    operation: str
    """operationId in the API's document."""
