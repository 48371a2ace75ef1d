"""`simwarden completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command(
    epilog="\b\nExamples:\n  simwarden completion bash >> ~/.bashrc\n"
    "  simwarden completion zsh > ~/.zfunc/_simwarden\n"
    "  simwarden completion fish > ~/.config/fish/completions/simwarden.fish"
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for a shell."""
    from simwarden.cli import main

    found = get_completion_class(shell)
    assert found is not None, "click completes for all shells offered"
    click.echo(found(main, {}, "simwarden", "_SIMWARDEN_COMPLETE").source())
