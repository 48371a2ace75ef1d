"""The settings of SMPP."""

from __future__ import annotations

import msgspec

from simwarden.kit.quantities import Positive, Seconds


class SmppSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Part of the server's settings."""

    smpp_enquire_seconds: Seconds = 30.0
    """Seconds without a word from a message centre after which it is asked whether it is there."""
    smpp_window: Positive = 50
    """Messages of a message centre that are stored together, and messages under way to it that it has not answered."""


SETTINGS = SmppSettings
