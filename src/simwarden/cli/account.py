"""`simwarden account`."""

from __future__ import annotations

from typing import Any

import click

from simwarden.cli.building import Plain, add_all
from simwarden.cli.common import Group
from simwarden.cli.limit import limit


@click.group(cls=Group)
def account() -> None:
    """Accounts: the tenants to whom SIMs belong."""


def _fields(found: dict[str, Any]) -> dict[str, Any]:
    policy = found["policy"]
    return {
        "Account": found["name"],
        "Id": found["id"],
        "A SIM never seen": "is not bound" if found["strict"] else "is bound to the first device seen",
        "In another device": policy["onMismatch"],
        "IMEI not known": policy["unknown"],
        "When it is back": policy["resume"],
        "At home, too, in": ", ".join(found["homeNetworks"]) or None,
        "Area": found.get("area") or f"{found['areaRadius']} m around the SIM's place",
        "Opened": found["createdAt"],
    }


add_all(
    account,
    [
        Plain(
            verb="create",
            operation="createAccount",
            arguments=("name",),
            examples=("account create ACME", "account create ACME --strict --alert-only"),
            fields=_fields,
            after="Next: simwarden app create --account NAME --name APP",
        ),
        Plain(
            verb="list",
            operation="listAccounts",
            examples=("account list",),
            columns=("name", "id", "strict", "createdAt"),
            empty="No accounts yet: simwarden account create NAME",
        ),
        Plain(verb="show", operation="getAccount", examples=("account show ACME",), fields=_fields),
        Plain(
            verb="set",
            operation="changeAccount",
            help="Change an account: its name, and what holds for its calls that leave it open.\n\n"
            "Bindings that exist keep their policy. Running servers follow at once.",
            examples=("account set ACME --strict --alert-only", "account set ACME --name Acme"),
            fields=_fields,
        ),
        Plain(
            verb="delete",
            operation="deleteAccount",
            examples=("account delete ACME",),
            done="{accountid} is deleted",
        ),
    ],
)


@account.group("hotzone", cls=Group)
def hotzone() -> None:
    """Hotzones: named lists of countries and number ranges that fraud comes from or goes to.

    The account's applications give them to fraud-hotzone as list:NAME. Each change is a version of its own.
    """


add_all(
    hotzone,
    [
        Plain(
            verb="set",
            operation="setHotzone",
            arguments=("name",),
            names={"zones": "zone"},
            splits=("zones",),
            help="Set a list, replacing the one of this name.",
            examples=(
                "account hotzone set ACME call-centres --zone KH,MM,+85620",
                "account hotzone set ACME satellites --zone 001",
            ),
            done="{accountid} has the hotzones {name}",
        ),
        Plain(
            verb="list",
            operation="listHotzones",
            examples=("account hotzone list ACME", "account hotzone list ACME --name call-centres  its versions"),
            columns=("name", "zones", "version", "setAt"),
            empty="No hotzones yet: simwarden account hotzone set --help",
            rows="hotzones",
        ),
        Plain(
            verb="remove",
            operation="removeHotzone",
            arguments=("name",),
            help="Remove a list. Its history stays.",
            examples=("account hotzone remove ACME satellites",),
            done="{accountid} has no hotzones {name} any more",
        ),
    ],
)


@account.group("opt-out", cls=Group)
def opt_out() -> None:
    """Receivers who want no messages from an account's SIMs.

    They say so by a message that is nothing but a word such as STOP, or the customer or you set it. Nothing is sent to
    them.
    """


add_all(
    opt_out,
    [
        Plain(
            verb="list",
            operation="listOptOuts",
            flags=("reveal",),
            examples=("account opt-out list ACME", "account opt-out list ACME --sim +8613800000001 --reveal"),
            columns=("receiver", "number", "allSims", "since", "source"),
            empty="Nobody opted out",
        ),
        Plain(
            verb="add",
            operation="addAccountOptOut",
            arguments=("receiver",),
            help="Send a receiver no more messages: from one SIM, or from all.",
            examples=(
                "account opt-out add ACME +8613715266978",
                "account opt-out add ACME +8613715266978 --sim +8613800000001",
            ),
            done="No more messages go to {receiver}",
        ),
        Plain(
            verb="remove",
            operation="removeAccountOptOut",
            arguments=("receiver",),
            help="Let a receiver have messages again.",
            examples=("account opt-out remove ACME +8613715266978",),
            done="Messages go to {receiver} again",
        ),
        Plain(
            verb="words",
            operation="getOptOutWords",
            help="Show the words that opt out.",
            examples=("account opt-out words ACME",),
        ),
        Plain(
            verb="set-words",
            operation="setOptOutWords",
            names={"words": "word"},
            splits=("words",),
            help="Let these words opt out, in the place of the usual ones.",
            examples=("account opt-out set-words ACME --word STOP,STOPP,ABMELDEN",),
            done="{accountid} has words of its own",
        ),
        Plain(
            verb="usual-words",
            operation="removeOptOutWords",
            help="Let the usual words opt out again.",
            examples=("account opt-out usual-words ACME",),
            done="{accountid} has the usual words",
        ),
    ],
)


@account.group("range", cls=Group)
def range_() -> None:
    """Number ranges: which SIMs an account's applications may register.

    KIND is imsi, iccid, msisdn (phone numbers with their country code) or nai. RANGE is a prefix of digits, FIRST-LAST
    (all numbers that begin with digits from FIRST to LAST), or for nai a realm. Every number that is given with a SIM
    must lie in a range of its kind; an account without ranges can register nothing. Ranges of different accounts do not
    overlap. The operator's own commands are not bound to them, but warn.
    """


add_all(
    range_,
    [
        Plain(
            verb="add",
            operation="addRange",
            arguments=("kind", "range"),
            help="Give an account a range. Refused when a part of it is another account's.",
            examples=(
                "account range add ACME imsi 46000099",
                "account range add ACME iccid 898600",
                "account range add ACME msisdn +8613800000000-+8613800099999",
            ),
            done="{accountid} may register SIMs with {kind} {range}",
        ),
        Plain(
            verb="list",
            operation="listRanges",
            examples=("account range list ACME",),
            columns=("kind", "range", "since"),
            empty="No ranges yet: simwarden account range add --help",
            rows="ranges",
        ),
        Plain(
            verb="remove",
            operation="removeRange",
            arguments=("kind", "range"),
            help="Take a range away, written as list shows it. SIMs that are registered in it stay.",
            examples=("account range remove ACME imsi 46000099",),
            done="{accountid} may no longer register SIMs with {kind} {range}",
        ),
    ],
)

account.add_command(limit)
