"""The forms of addresses and secrets in settings."""

from __future__ import annotations

import ipaddress
from typing import Annotated

import msgspec

AbsoluteUri = Annotated[
    str, msgspec.Meta(max_length=2048, pattern=r"^[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+\Z")
]
TilesUrl = Annotated[
    str,
    msgspec.Meta(pattern=r"^https?://[A-Za-z0-9.:\[\]-]+/(?=.*\{z\})(?=.*\{x\})(?=.*\{y\})[A-Za-z0-9{}/._~%?&=@+-]*\Z"),
]
HttpUrl = Annotated[str, msgspec.Meta(max_length=2048, pattern=r"^https?://[^\s/@]+(/\S*)?\Z")]
_GROUP = r"\s*[^=,\s][^=,]*=(viewer|operator|admin|billing)\s*"
GroupRoles = Annotated[str, msgspec.Meta(max_length=4096, pattern=rf"^({_GROUP}(,{_GROUP})*)?\Z")]
"""Groups of an OpenID provider, each with the role that it has here."""
WebhookSecret = Annotated[
    str, msgspec.Meta(max_length=256, pattern=r"^whsec_([A-Za-z0-9+/]{4})+([A-Za-z0-9+/=]{4})?\Z")
]
_ADDRESS = r"[^\s@,<>]+@[^\s@,<>]+"
MailAddress = Annotated[str, msgspec.Meta(max_length=320, pattern=rf"^{_ADDRESS}\Z")]
MailAddresses = Annotated[str, msgspec.Meta(max_length=2048, pattern=rf"^{_ADDRESS}(\s*,\s*{_ADDRESS})*\Z")]


def is_loopback(host: str) -> bool:
    """Whether what listens on this address is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
