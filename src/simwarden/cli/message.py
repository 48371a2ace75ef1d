"""`simwarden message`."""

from __future__ import annotations

import click

from simwarden.cli.building import Plain, add_all
from simwarden.cli.common import Group

_COLUMNS = ("queuedAt", "state", "reason", "imsi", "receiver", "text", "parts", "carrier", "stateSince", "id")


@click.group(cls=Group)
def message() -> None:
    """Short messages sent from SIMs, and what became of them."""


add_all(
    message,
    [
        Plain(
            verb="send",
            operation="sendMessage",
            arguments=("receiver", "text"),
            help="Send a short message from a SIM.\n\n"
            "It is queued. The gateway in whose slot the SIM is sends it, or a message centre from its phone number.",
            examples=('message send 460000990123698 +8613715266978 "report now"',),
            done="Queued as {id}: simwarden message show {id}",
        ),
        Plain(
            verb="try",
            operation="previewMessage",
            arguments=("receiver", "text"),
            help="Tell by what a message would be sent, and what would refuse it. Nothing is sent.",
            examples=('message try 460000990123698 +8613715266978 "report now"',),
        ),
        Plain(
            verb="sent",
            operation="listSentMessages",
            help="List messages that were sent from SIMs, the newest first: of a SIM or of an account.\n\n"
            "Receivers and texts are masked unless --reveal is given.",
            flags=("reveal",),
            examples=("message sent --sim 460000990123698", "message sent --account ACME --reveal"),
            columns=_COLUMNS,
            empty="Nothing was sent",
        ),
        Plain(
            verb="show",
            operation="getSentMessage",
            help="Show how far a message has come, for each of its receivers.",
            flags=("reveal",),
            rows="messages",
            examples=("message show 7f019b0c8e2d7a51b1c3d4e5f60718293a",),
            columns=_COLUMNS,
        ),
    ],
)
