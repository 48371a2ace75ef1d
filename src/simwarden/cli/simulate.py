"""`simwarden simulate`: virtual SIM gateways and a reference event sink on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import click

from simwarden.cli.common import Group

_EXAMPLES = """
\b
Examples:
  simwarden simulate
      Four gateways of 32 ports x 4 slots; says where they take commands.
  URL='http://127.0.0.1:8080/southbound/ejoin/{gateway}'
  simwarden simulate --gateways 2 --report-url "$URL"
      Each reports to its own URL.
  simwarden simulate --scenario sim-moved --report-url "$URL"
      Play a story; --scenario list names them.
  simwarden simulate --generation 3 --username admin --password "$PASSWORD"
      Devices with API v3.
  simwarden simulate --gateways 100 --slots 1 --rate 20000 --report-url "$URL"
      A load for benchmarks: 20,000 sightings a second.
  simwarden simulate --json --duration 30
      For programs: JSON lines, ends by itself.
  simwarden simulate move 460000990000000 gw2 6.1
      Carry a card to another slot of a simulator that runs.
  simwarden simulate sink --port 9000
      Receive CloudEvents; GET /events shows them.
"""


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run on uvloop where there is one."""
    import sys

    if sys.platform == "win32":
        asyncio.run(work)
        return
    import uvloop

    uvloop.run(work)


class _DefaultsToGateways(Group):
    """`simulate [options]` means `simulate gateways [options]`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["gateways", *args]
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show the options of `gateways` too, since they may be given here."""
        own = [record for param in gateways.get_params(ctx) if (record := param.get_help_record(ctx)) is not None]
        with formatter.section("Options"):
            formatter.write_dl(own)
        self.format_commands(ctx, formatter)


@click.group(cls=_DefaultsToGateways, epilog=_EXAMPLES)
def simulate() -> None:
    """Run virtual SIM gateways (the default) or a reference event sink.

    Without a subcommand the options are those of `gateways`.
    """


@simulate.command(epilog=_EXAMPLES)
@click.option("--gateways", default=4, show_default=True, type=click.IntRange(1, 10_000), help="How many devices.")
@click.option("--ports", default=32, show_default=True, type=click.IntRange(1, 512), help="Ports a device has.")
@click.option("--slots", default=4, show_default=True, type=click.IntRange(1, 99), help="SIM slots a port has.")
@click.option(
    "--generation", default="2", show_default=True, type=click.Choice(["2", "3"]), help="HTTP API: 1.x/2.x or v3."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of the command pages.")
@click.option(
    "--base-port", default=0, type=click.IntRange(0, 65535), help="Command port of the first device [free ports]."
)
@click.option(
    "--control-port", default=0, type=click.IntRange(0, 65535), help="Port of the control server [a free one]."
)
@click.option("--username", default="root", show_default=True, help="Login for commands.")
@click.option("--password", default="root", envvar="SIMWARDEN_SIMULATE_PASSWORD", help="[the factory's: root]")
@click.option(
    "--report-url", "report_urls", multiple=True, help="Where to report; one a device, or one with {gateway}."
)
@click.option(
    "--interval", default=60.0, show_default=True, type=click.FloatRange(0), help="Seconds between dev-status; 0 none."
)
@click.option(
    "--effect-delay", default=0.02, show_default=True, type=click.FloatRange(0), help="Seconds a command takes."
)
@click.option("--fill", default=1.0, show_default=True, type=click.FloatRange(0, 1), help="Share of slots with a card.")
@click.option(
    "--imsi-base", default=460000990000000, show_default=True, type=click.IntRange(0, 10**15 - 1), help="First IMSI."
)
@click.option("--one-active", is_flag=True, help="Only a port's active slot registers, other cards report idle.")
@click.option("--counters", is_flag=True, help="Add the call and SMS counters to the reports.")
@click.option(
    "--rate", default=0.0, type=click.FloatRange(0), help="Load: sightings/s of all devices, in place of --interval."
)
@click.option(
    "--changed", default=0.0, type=click.FloatRange(0, 1), help="Load: share of cards that moved since the last report."
)
@click.option("--scenario", metavar="NAME|FILE", help="Play a story: a name (see --scenario list) or a TOML file.")
@click.option("--seed", default=1, show_default=True, type=int, help="Same seed, same devices.")
@click.option("--duration", type=click.FloatRange(0), help="Seconds to run [until Ctrl-C].")
@click.option("--json", "as_json", is_flag=True, help="One JSON line for everything, the first says ready.")
def gateways(
    *,
    gateways: int,
    ports: int,
    slots: int,
    generation: str,
    host: str,
    base_port: int,
    control_port: int,
    username: str,
    password: str,
    report_urls: tuple[str, ...],
    interval: float,
    effect_delay: float,
    fill: float,
    imsi_base: int,
    one_active: bool,
    counters: bool,
    rate: float,
    changed: float,
    scenario: str | None,
    seed: int,
    duration: float | None,
    as_json: bool,
) -> None:
    """Run virtual SIM gateways that push reports and take commands like the vendor's devices."""
    from simwarden.simulator.errors import SimulatorError
    from simwarden.simulator.fleet import FleetPlan
    from simwarden.simulator.scenario import load_scenario, packaged
    from simwarden.simulator.session import Voice, run_gateways

    if scenario == "list":
        click.echo("\n".join(f"{name:16} {load_scenario(name).title}" for name in packaged()))
        return
    plan = FleetPlan(
        gateways=gateways,
        ports=ports,
        slots=slots,
        fill=fill,
        generation=3 if generation == "3" else 2,
        host=host,
        base_port=base_port,
        username=username,
        password=password,
        report_urls=report_urls,
        interval=0.0 if rate else interval,
        effect_delay=effect_delay,
        imsi_base=imsi_base,
        seed=seed,
        one_active=one_active,
        counters=counters,
    )
    try:
        _run(
            run_gateways(
                plan,
                control_port=control_port,
                duration=duration,
                rate=rate,
                changed=changed,
                scenario=load_scenario(scenario) if scenario else None,
                voice=Voice(as_json),
            )
        )
    except (SimulatorError, OSError) as error:
        raise click.ClickException(str(error)) from error


_control_option = click.option(
    "--control",
    envvar="SIMWARDEN_SIMULATOR",
    required=True,
    metavar="URL",
    help="Control server of the simulator, printed when it starts [SIMWARDEN_SIMULATOR].",
)


@simulate.command(
    epilog="\b\nExamples:\n  simwarden simulate move 460000990000000 gw2 6.1\n"
    "  simwarden simulate move --swap 460000990000000 gw1 2.1"
)
@click.argument("imsi")
@click.argument("gateway")
@click.argument("slot", metavar="PORT.SLOT")
@click.option("--swap", is_flag=True, help="Exchange it with the card that is there.")
@_control_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def move(imsi: str, gateway: str, slot: str, control: str, *, swap: bool, as_json: bool) -> None:
    """Carry a card to another slot of a running simulator, as a thief would.

    The gateways report it at once.     PORT.SLOT counts from 1: 6.1 is port 6, slot 1.
    """
    import json

    from simwarden.simulator.client import steer
    from simwarden.simulator.errors import SimulatorError
    from simwarden.simulator.slot_addresses import parse_place

    try:
        place = parse_place(slot)
        body = {"imsi": imsi, "gateway": gateway, "port": place.port, "slot": place.slot, "swap": swap}
        moved = asyncio.run(steer(control, "/move", body))
    except SimulatorError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps(moved))
    else:
        click.echo(f"The card {moved['imsi']} is now in {gateway} slot {place}")


@simulate.command(epilog="\b\nExample:\n  simwarden simulate cards --control http://127.0.0.1:40123")
@_control_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def cards(control: str, *, as_json: bool) -> None:
    """Show the cards of a running simulator: in which slot each is, in which device, locked or not."""
    import json

    from simwarden.cli.printing import print_table
    from simwarden.simulator.client import steer
    from simwarden.simulator.errors import SimulatorError

    try:
        rows = asyncio.run(steer(control, "/sims"))["sims"]
    except SimulatorError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps(rows))
    else:
        print_table(rows, ["gateway", "slot", "imsi", "msisdn", "imei", "locked"], empty="There are no cards")


@simulate.command(epilog="\b\nExample:\n  simwarden simulate sink --port 9000")
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="Port to listen on, on 127.0.0.1 [a free one].")
@click.option("--bearer", envvar="SIMWARDEN_SINK_BEARER", help="Expect this bearer token [none].")
@click.option("--secret", envvar="SIMWARDEN_SINK_SECRET", help="Expect signatures with this secret (whsec_) [none].")
@click.option("--keep", default=10_000, show_default=True, type=click.IntRange(1), help="Deliveries to remember.")
@click.option("--duration", type=click.FloatRange(0), help="Seconds to run [until Ctrl-C].")
@click.option("--json", "as_json", is_flag=True, help="One JSON line for everything, the first says ready.")
def sink(
    *, port: int, bearer: str | None, secret: str | None, keep: int, duration: float | None, as_json: bool
) -> None:
    """Receive CloudEvents.

    GET /events shows them, DELETE /events forgets, POST /behaviour misbehaves.
    """
    from simwarden.simulator.errors import SimulatorError
    from simwarden.simulator.session import Voice, run_sink

    try:
        _run(run_sink(port=port, bearer=bearer, secret=secret, keep=keep, duration=duration, voice=Voice(as_json)))
    except (SimulatorError, OSError) as error:
        raise click.ClickException(str(error)) from error
