"""The group of all commands: imports a command when it is asked for, and turns every error into a sentence."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import click

from storebench.cli._errors import INTERRUPTED, explain_error
from storebench.cli._output import Output, make_streams_safe
from storebench.errors import unknown_name


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """One command: its name, the module of `storebench.cli` that defines ``<name>_command``, and its line in the help."""

    name: str
    module: str
    about: str


class StorebenchGroup(click.Group):
    """Commands that are imported when they are asked for.

    Parameters
    ----------
    entries : sequence of CommandEntry
        In the order of the help.
    """

    def __init__(self, *, entries: Sequence[CommandEntry], **settings: Any) -> None:
        super().__init__(**settings)
        self.entries = {entry.name: entry for entry in entries}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of use, not of the alphabet."""
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None where there is none of that name."""
        if cmd_name not in self.entries:
            return None
        module = importlib.import_module(f"storebench.cli.{self.entries[cmd_name].module}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command, or say the nearest name."""
        if args and not args[0].startswith("-") and args[0] not in self.entries and not ctx.resilient_parsing:
            raise click.UsageError(str(unknown_name("command", args[0], self.entries)), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(entry.name, entry.about) for entry in self.entries.values()])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run one command and end with its exit code; every error becomes a sentence on stderr."""
        make_streams_safe()
        output = extra.setdefault("obj", Output())
        try:
            sys.exit(super().main(args, prog_name, complete_var, standalone_mode=False, **extra) or 0)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(error.exit_code)
        except click.Abort:
            output.note(f"Interrupted. {output.after_interrupt}".rstrip())
            sys.exit(INTERRUPTED)
        except BrokenPipeError:
            # The reader of a pipe went away (`storebench list codecs | head`): nothing is wrong and nothing is left to say.
            sys.stdout = None
            sys.exit(0)
        except Exception as error:  # the one place where the unexpected becomes a sentence and exit code 4
            if output.debug:
                raise
            explained = explain_error(error, output.command)
            output.note(explained.text)
            sys.exit(explained.exit_code)
