"""`simwarden listen`: a customer's events on the developer's own machine, without a public address."""

from __future__ import annotations

import asyncio
import signal
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
import msgspec

from simwarden.cli.common import current_settings

if TYPE_CHECKING:
    from simwarden.listener.forward import Local
    from simwarden.northbound.listen.schemas import DeliveryVerdict, InboxAnswer, WaitingEvent

_EXAMPLES = """
\b
Examples:
  simwarden listen --forward-to http://localhost:3000/events
  simwarden listen --print-only
  simwarden listen --name alice --forward-to http://localhost:3000

Give the printed sink to your subscriptions; it stays the same, and so does the secret. Events wait while
nobody listens, as long as for any sink that does not answer.
"""


@click.command(epilog=_EXAMPLES)
@click.option("--forward-to", metavar="URL", help="Where your program listens, on this machine.")
@click.option("--print-only", is_flag=True, help="Only print the events; they count as delivered.")
@click.option("--url", help="Address of the server [the one of the settings].")
@click.option("--app-key", envvar="SIMWARDEN_APP_KEY", required=True, help="APPKEY [SIMWARDEN_APP_KEY].")
@click.option(
    "--app-secret",
    envvar="SIMWARDEN_APP_SECRET",
    required=True,
    help="APPSECRET [SIMWARDEN_APP_SECRET]; better there, where no list of processes shows it.",
)
@click.option("--name", default="default", help="Inbox of this name, where several people share an application.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one line each, for programs.")
def listen(
    forward_to: str | None,
    url: str | None,
    app_key: str,
    app_secret: str,
    name: str,
    *,
    print_only: bool,
    as_json: bool,
) -> None:
    """Hand events to a program on this machine, as the server would have posted them."""
    if (forward_to is None) != print_only:
        raise click.UsageError("Say where to: --forward-to URL, or --print-only")
    if forward_to is not None and not forward_to.startswith(("http://", "https://")):
        raise click.UsageError("--forward-to is an address that begins with http:// or https://")
    server = url or current_settings()[0].base_url
    teller = _Json() if as_json else _Lines(server, forward_to)
    asyncio.run(_run(server, app_key, app_secret, name, forward_to, teller))


async def _run(
    server: str, app_key: str, app_secret: str, name: str, forward_to: str | None, teller: _Lines | _Json
) -> None:
    import aiohttp

    from simwarden.listener.client import ListenClient
    from simwarden.listener.forward import Forward, Nowhere
    from simwarden.listener.loop import Loop

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, trust_env=False
    ) as session:
        client = ListenClient(session, server, app_key, app_secret)
        target = Nowhere() if forward_to is None else Forward(session, forward_to)
        await Loop(client, target, teller).run(name, stop)
    teller.stopped()


class _Lines:
    """For people: one line per event."""

    def __init__(self, server: str, forward_to: str | None) -> None:
        self._server = server
        self._forward_to = forward_to

    def opened(self, inbox: InboxAnswer) -> None:
        """The inbox, and what to do with it."""
        click.echo(f"Sink    {inbox.sink}\nSecret  {inbox.secret}")
        click.echo(
            f"Ready: {'printing' if self._forward_to is None else f'forwarding to {self._forward_to}'}. Ctrl-C ends."
        )

    def handed(self, event: WaitingEvent, local: Local, verdict: DeliveryVerdict | None) -> None:
        """When, what, and how it went."""
        met = f"{local.status}" if local.error is None else local.error
        what = f"{datetime.now().astimezone():%H:%M:%S}  {event.type.rpartition('.')[2]:<22} {event.event_id}"
        if self._forward_to is None:
            click.echo(f"{what}\n{event.body}")
            return
        click.echo(f"{what}  {met}, {local.duration_ms} ms{_follows(verdict)}")

    def trouble(self, text: str) -> None:
        """The server is away."""
        click.echo(f"{self._server} cannot be reached ({text}); trying on", err=True)

    def again(self) -> None:
        """The server is back."""
        click.echo(f"{self._server} is reached again", err=True)

    def stopped(self) -> None:
        """The end."""
        click.echo("Stopped; events wait in the inbox until you listen again.", err=True)


class _Json:
    """For programs: one JSON object per line."""

    def opened(self, inbox: InboxAnswer) -> None:
        """The inbox."""
        self._print(inbox=inbox)

    def handed(self, event: WaitingEvent, local: Local, verdict: DeliveryVerdict | None) -> None:
        """An event, the answer, what follows."""
        self._print(
            event=msgspec.Raw(event.body.encode()),
            headers=event.headers,
            attempt=event.attempt,
            local=local,
            outcome=None if verdict is None else verdict,
        )

    def trouble(self, text: str) -> None:
        """The server is away."""
        self._print(trouble=text)

    def again(self) -> None:
        """The server is back."""
        self._print(trouble=None)

    def stopped(self) -> None:
        """Nothing to say."""

    def _print(self, **what: Any) -> None:
        click.echo(msgspec.json.encode(what).decode())


def _follows(verdict: DeliveryVerdict | None) -> str:
    if verdict is None:
        return "; not acknowledged"
    if isinstance(verdict.retry_in_ms, int):
        return f"; again in {max(1, round(verdict.retry_in_ms / 1000))} s"
    return {"DELIVERED": "", "GIVEN_UP": "; given up", "SUBSCRIPTION_ENDED": "; subscription ended"}[verdict.verdict]
