"""`simwarden demo`."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from pathlib import Path

import click

_COLOURS = {"act": "cyan", "see": "green", "time": "yellow", "note": "bright_black"}
_MARKS = {"act": "\n", "do": "  · ", "see": "  ✓ ", "time": "    ", "note": "    "}


@click.command(epilog="\b\nExamples:\n  simwarden demo\n  simwarden demo --keep ./demo    keep its data and logs")
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Keep data and logs in this folder.")
def demo(keep: Path | None) -> None:
    """Play the stolen-SIM story against a freshly started server.

    A server, two virtual SIM gateways and a customer's sink are started as processes of their own and speak HTTP with
    each other. Ends with 0 only if every step really happened.
    """
    from simwarden.demo.processes import StepFailed

    if keep is not None and keep.exists() and any(keep.iterdir()):
        raise click.UsageError(f"{keep} is not empty: the demo begins with a fresh server")
    directory = keep or Path(tempfile.mkdtemp(prefix="simwarden-demo-"))
    directory.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    try:
        asyncio.run(_play(directory.resolve()))
    except StepFailed as error:
        click.secho(f"\nThe story broke off: {error}", fg="red", err=True)
        log = directory / "server.log"
        if log.exists():
            click.echo("The server's log ends:\n" + "\n".join(log.read_text().splitlines()[-20:]), err=True)
        raise SystemExit(1) from None
    finally:
        if keep is None:
            shutil.rmtree(directory, ignore_errors=True)
    click.secho(f"\nEvery step happened ({time.monotonic() - began:.0f} s).", bold=True)


async def _play(directory: Path) -> None:
    import aiohttp

    from simwarden.demo.story import Story
    from simwarden.demo.world import World

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        world = World(session, directory)
        try:
            await Story(world, say).play()
        finally:
            await world.processes.stop()


def say(kind: str, text: str) -> None:
    """Print one line of the story."""
    click.secho(_MARKS[kind] + text, fg=_COLOURS.get(kind), bold=kind == "act")
