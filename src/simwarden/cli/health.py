"""`simwarden health`: for container runtimes and scripts."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request

import click

from simwarden.cli.common import current_settings


@click.command(epilog="\b\nExamples:\n  simwarden health\n  simwarden health --live")
@click.option("--live", is_flag=True, help="Ask only whether it lives, not whether it can work.")
@click.option("--timeout", default=5.0, show_default=True, type=click.FloatRange(0.1), help="Seconds to wait.")
def health(timeout: float, *, live: bool) -> None:
    """Ask the server of these settings whether it is ready; exit status 0 means yes, 1 no.

    It asks the server on this machine, so its TLS certificate is not checked.
    """
    settings, _ = current_settings()
    url = settings.own_url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    url += "/healthz" if live else "/readyz"
    trust = ssl.create_default_context()
    trust.check_hostname = False
    trust.verify_mode = ssl.CERT_NONE
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust))
    try:
        with opener.open(url, timeout=timeout):
            click.echo(f"{url} answers: yes")
    except urllib.error.HTTPError as error:
        raise click.ClickException(f"{url} answers {error.code}: {error.read(500).decode(errors='replace')}") from None
    except (OSError, ValueError) as error:
        raise click.ClickException(f"{url} does not answer: {error}") from None
