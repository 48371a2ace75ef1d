"""What the status codes of a slot mean."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

STATUS_MEANING: Mapping[int, str] = MappingProxyType(
    {
        0: "no SIM",
        1: "idle SIM exists",
        2: "registering",
        3: "registered",
        4: "call connected",
        5: "no balance or alarm",
        6: "register failed",
        7: "SIM locked by device",
        8: "SIM locked by operator",
        9: "recognise-SIM error",
        11: "card detected",
        12: "user locked",
        13: "port inter-calling",
        14: "inter-calling holding",
        15: "accessing mobile network",
        16: "module response timeout",
    }
)
"""The vendor's words for each `st` code (4.1; 15 and 16 from v2.4 and v3). 10 is assigned in no document."""
