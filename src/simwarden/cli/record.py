"""`simwarden record`."""

from __future__ import annotations

import click

from simwarden.cli.building import Plain, add_all
from simwarden.cli.common import Group


@click.group(cls=Group)
def record() -> None:
    """What SIMs did: messages, calls, and what gateways count of them."""


add_all(
    record,
    [
        Plain(
            verb="sms",
            operation="listMessages",
            help="List short messages, the newest first: of a SIM, of an account, or of a gateway.\n\n"
            "Texts and other parties' numbers are masked unless --reveal is given.",
            flags=("reveal", "unknown"),
            examples=(
                "record sms --sim 460000990123698 --from 24h",
                "record sms --sim 460000990123698 --other-party 10086 --reveal",
                "record sms --gateway gw1 --unknown  of cards that are not registered",
                "record sms --account ACME --direction outbound --csv",
            ),
            columns=(
                *("at", "direction", "imsi", "sender", "receiver", "statusText", "content", "gateway", "port", "slot"),
                *("sentAt", "status", "account", "iccid"),
            ),
            empty="No messages",
        ),
        Plain(
            verb="calls",
            operation="listCalls",
            help="List calls, the newest first: of a SIM, of an account, or of a gateway.\n\n"
            "Other parties' numbers are masked unless --reveal is given.",
            flags=("reveal", "unknown"),
            examples=(
                "record calls --sim 460000990123698 --from 24h",
                "record calls --account ACME --direction outbound --from 7d --csv",
            ),
            columns=(
                *("beginAt", "direction", "imsi", "caller", "callee", "state", "seconds", "reason", "cause", "gateway"),
                *("port", "slot", "ringingSeconds", "account", "iccid"),
            ),
            empty="No calls",
        ),
        Plain(
            verb="counters",
            operation="listCounters",
            help="List what SIMs used on each day (UTC) by the counters of the gateways, the newest day first.\n\n"
            "Days on which no counter moved are left out.",
            examples=(
                "record counters --sim 460000990123698",
                "record counters --account ACME --from 2026-11-01 --csv",
            ),
            columns=(
                *("day", "imsi", "messages=used.messages", "calls=used.calls", "talks=used.talks"),
                *("minutes=used.callMinutes", "megabytes=used.megabytes", "balance=readings.balance", "resets"),
                *("gateway", "account", "at"),
            ),
            empty="Nothing was used",
        ),
    ],
)
