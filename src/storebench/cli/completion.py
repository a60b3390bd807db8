"""`storebench completion`: the script that lets a shell complete commands and options."""

from __future__ import annotations

import click

from storebench.cli._options import command
from storebench.cli._output import Output
from storebench.errors import UsageError


@command(
    "completion",
    examples=(
        'eval "$(storebench completion bash)"                   # in ~/.bashrc',
        'eval "$(storebench completion zsh)"                    # in ~/.zshrc',
        "storebench completion fish > ~/.config/fish/completions/storebench.fish",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_obj
def completion_command(output: Output, shell: str) -> None:
    """Print the completion script of a shell."""
    from click.shell_completion import get_completion_class

    from storebench.cli import app

    script = get_completion_class(shell)
    if script is None:
        raise UsageError(f"click has no completion for {shell}; take bash, zsh or fish")
    output.say(script(app, {}, "storebench", "_STOREBENCH_COMPLETE").source())
