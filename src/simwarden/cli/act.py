"""`simwarden sim open|close|activate|suspend|restore|deactivate|delete|bind|unbind|resume|release`: one SIM."""

from __future__ import annotations

from typing import Any

import click

from simwarden.cli.building import Plain, examples
from simwarden.cli.common import json_option
from simwarden.cli.policies import policy_body, policy_options
from simwarden.cli.printing import human, print_fields, print_json
from simwarden.cli.remote import Access, Remote, access_options, call, segment, with_server
from simwarden.cli.shapes import limit_fields

FUNCTIONS = ["VOICE", "SMS", "DATA"]
_SWITCHES = {
    "open": "Open communication functions by hand.\n\n"
    "What the customer or the operator closed is opened; what else bars the SIM stays (see simwarden sim explain).",
    "close": "Close communication functions, until they are opened.",
}
_STEPS = {
    "activate": "Activate a SIM that is registered or deactivated.",
    "suspend": "Suspend an active SIM: the network stops it, until it is restored.",
    "restore": "Restore a suspended SIM. What else bars it stays.",
    "deactivate": "Take a SIM out of use. It may be activated again.",
    "delete": "Forget a deactivated SIM: its names are free, its subscriptions end.",
    "unbind": "Remove a SIM's binding, and the bar that it raised.",
    "resume": "Lift the mismatch bar by hand.\n\n"
    "For a SIM that is back in its device and whose policy is --resume manual.",
    "release": "Lift the bars RISK, which rules raised. The rules count anew from then on.",
}
HIDDEN = ("functions", "imei", "imeis", "tac", "firstSeen", "policy", "limits", "area", "to")
"""Properties of an action that its command does not ask for."""


def result(found: dict[str, Any]) -> dict[str, Any]:
    """What came of an action, for people."""
    sim = found.get("sim")
    changed = "yes" if found["changed"] else "no: nothing to change"
    if sim is None:
        return {"Changed": changed, "Deleted": "yes"}
    why = ", ".join(dict.fromkeys(bar["cause"] for bar in sim["bars"]))
    return {
        "Changed": changed,
        "SIM": sim["imsi"],
        "Lifecycle": sim["lifecycle"],
        "Binding": sim["bindingState"],
        "Bound to": sim.get("boundTo"),
        **limit_fields(sim.get("area")),
        "Off": human(sim["off"]) if sim["off"] else "none",
        "Barred by": why,
    }


def commands() -> list[Plain]:
    """The actions that need nothing but the SIM."""
    switches = [
        Plain(
            verb=verb,
            operation="actOnSim",
            help=text,
            fixed={"action": verb},
            hidden=HIDDEN[1:],
            names={"functions": "function"},
            texts={"functions": "Which; repeatable [all]."},
            defaults={"functions": FUNCTIONS},
            examples=(f"sim {verb} 460000990123698", f"sim {verb} 460000990123698 --function data"),
            fields=result,
        )
        for verb, text in _SWITCHES.items()
    ]
    steps = [
        Plain(
            verb=verb,
            operation="actOnSim",
            help=text,
            fixed={"action": verb},
            hidden=HIDDEN,
            examples=(f"sim {verb} 460000990123698",),
            fields=result,
        )
        for verb, text in _STEPS.items()
    ]
    hand_over = Plain(
        verb="hand-over",
        operation="actOnSim",
        help="Make a SIM another account's.\n\nFor the one it is gone, for the other it is new: history, binding, "
        "limits, tags and subscriptions stay behind. Many at once: simwarden sim bulk hand-over.",
        fixed={"action": "hand-over"},
        hidden=HIDDEN[:-1],
        arguments=("to",),
        examples=("sim hand-over 460000990123698 ACME",),
        fields=result,
    )
    return [*switches, *steps, hand_over]


@click.command(
    epilog=examples(
        (
            "sim bind ID  to the device it is in",
            "sim bind ID --imei 353689530707903",
            "sim bind ID --tac 35368953 --alert-only",
            "sim bind ID --first-seen",
        )
    )
)
@click.argument("id")
@click.option("--imei", "imeis", multiple=True, help="The device; repeat for a list of devices.")
@click.option("--tac", help="Any device of this model (8 digits).")
@click.option("--first-seen", is_flag=True, help="The first device seen from now on.")
@policy_options
@access_options
@json_option
def bind(
    id: str,  # noqa: A002 - as the user calls it
    imeis: tuple[str, ...],
    tac: str | None,
    access: Access,
    *,
    first_seen: bool,
    as_json: bool,
    **policy: str | None,
) -> None:
    """Bind a SIM to its device, replacing what bound it.

    Without a device, one that was named before stays. Binding again keeps the policy but for what the options say.
    """
    if (len(imeis) > 0) + (tac is not None) + first_seen > 1:
        raise click.UsageError("Give one of --imei, --tac and --first-seen, not several")
    body: dict[str, Any] = {"action": "bind"}
    if len(imeis) == 1:
        body["imei"] = imeis[0]
    elif imeis:
        body["imeis"] = imeis
    if tac:
        body["tac"] = tac
    if first_seen:
        body["firstSeen"] = True
    wanted = policy_body(dict(policy))

    async def work(remote: Remote) -> Any:
        if wanted:
            now = await remote.call("GET", f"/sims/{segment(id)}")
            body["policy"] = {**now.get("policy", {}), **wanted}
        return await remote.call("POST", f"/sims/{segment(id)}/actions", body)

    found = with_server(work, access)
    if as_json:
        print_json(found)
        return
    for warning in found.get("sim", {}).get("warnings", ()):
        click.echo(f"Warning: {warning['message']}", err=True)
    print_fields(result(found))


@click.command(
    epilog=examples(
        (
            "sim limit 460000990123698 --sms-per-hour 20 --calls-per-hour 5",
            "sim limit 460000990123698 --data-allowance 5120",
            "sim limit 460000990123698 --none",
        )
    )
)
@click.argument("id")
@click.option("--sms-per-hour", type=click.IntRange(0), help="Messages that it may send in an hour of the clock (UTC).")
@click.option("--calls-per-hour", type=click.IntRange(0), help="Calls that it may make in an hour of the clock (UTC).")
@click.option(
    "--data-allowance",
    type=click.IntRange(1),
    metavar="MIB",
    help="Mebibytes of data that it may use in a calendar month (UTC). More is told to who subscribes, not barred.",
)
@click.option("--none", "nothing", is_flag=True, help="Take all limits away.")
@access_options
@json_option
def limit(
    id: str,  # noqa: A002 - as the user calls it
    sms_per_hour: int | None,
    calls_per_hour: int | None,
    data_allowance: int | None,
    access: Access,
    *,
    nothing: bool,
    as_json: bool,
) -> None:
    """Limit what a SIM may send and call in an hour, or give it a data allowance; what is not named is not limited."""
    given = {"smsPerHour": sms_per_hour, "callsPerHour": calls_per_hour, "dataAllowance": data_allowance}
    limits = {name: value for name, value in given.items() if value is not None}
    if bool(limits) == nothing:
        raise click.UsageError("Give --sms-per-hour, --calls-per-hour, --data-allowance; or --none")
    found = call(access, "POST", f"/sims/{segment(id)}/actions", {"action": "limit", "limits": limits})
    if as_json:
        print_json(found)
    else:
        print_fields(result(found))
