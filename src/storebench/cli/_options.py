"""Options and types that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from storebench import __version__
from storebench.cli._group import CommandEntry, StorebenchGroup
from storebench.cli._output import Output
from storebench.errors import UsageError
from storebench.grid import parse_region, parse_shape
from storebench.records import CACHE_STATES, DURABILITIES, OPERATIONS, WRITING, Operation
from storebench.units import parse_bytes

if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType  # generic since click 8.4 only

_F = TypeVar("_F", bound=Callable[..., Any])

_SETTINGS: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 80}


class ParsedText(_ParamType):
    """An option whose text one of storebench's own parsers reads, with the parser's sentence where it cannot.

    Parameters
    ----------
    name : str
        What stands in the help, as in "shape".
    parse : callable
        Text to value; raises `UsageError`.
    """

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value, or end with the parser's sentence."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except UsageError as error:
            self.fail(str(error), param, ctx)


def parse_percent(text: str) -> float:
    """Read a percentage as in "5%", and return the share: 0.05.

    Raises
    ------
    UsageError
        If it is none.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text.strip())
    if match is None:
        raise UsageError(f"{text!r} is no percentage; write it as in 5%")
    return float(match[1]) / 100


def parse_spacing(text: str) -> tuple[float, ...]:
    """Read the size of a voxel per axis, as in "5,1,1".

    Raises
    ------
    UsageError
        If it is no list of numbers.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"\d+(?:\.\d+)?", part) for part in parts):
        raise UsageError(f"{text!r} is no spacing; write the size of a voxel per axis, slowest axis first, as in 5,1,1")
    return tuple(float(part) for part in parts)


SHAPE: Final = ParsedText("shape", parse_shape)
SPACING: Final = ParsedText("numbers", parse_spacing)
REGION: Final = ParsedText("region", parse_region)
BYTES: Final = ParsedText("bytes", parse_bytes)
PERCENT: Final = ParsedText("percent", parse_percent)


def _set_output(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    """Return a callback that puts an option's value into the `Output` of this run, where one was given."""

    def callback(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        if value not in (None, False):
            setattr(ctx.ensure_object(Output), name, value)

    return callback


def _manners() -> list[click.Parameter]:
    """Return --color and --debug, which every command takes, before or after its name."""
    return [
        click.Option(
            ["--color"],
            type=click.Choice(["auto", "always", "never"]),
            expose_value=False,
            callback=_set_output("color"),
            help="Colours; auto: on a terminal, unless NO_COLOR is set.",
        ),
        click.Option(
            ["--debug"],
            is_flag=True,
            expose_value=False,
            callback=_set_output("debug"),
            help="Show the traceback of an error.",
        ),
    ]


def was_given(ctx: click.Context, name: str) -> bool:
    """Tell whether an option was typed, or set in the environment, and does not merely have its default."""
    given = (click.core.ParameterSource.COMMANDLINE, click.core.ParameterSource.ENVIRONMENT)
    return ctx.get_parameter_source(name) in given


def json_option(function: _F) -> _F:
    """Add --json."""
    return click.option("--json", is_flag=True, help="Print one JSON document on stdout and nothing else.")(function)


def storage_option(function: _F) -> _F:
    """Add --storage."""
    return click.option(
        "--storage",
        type=click.Path(path_type=Path),
        envvar="STOREBENCH_ROOT",
        metavar="FOLDER",
        help="Storage root for stores and made datasets (also STOREBENCH_ROOT).",
    )(function)


def results_option(function: _F) -> _F:
    """Add --results."""
    return _folder_option("--results", default="results", about="Results folder.")(function)


def report_option(function: _F) -> _F:
    """Add -o, --output: the folder of the report."""
    return _folder_option("-o", "--output", "reports", default="reports", about="Folder of the report.")(function)


def _folder_option(*names: str, default: str, about: str) -> Callable[[_F], _F]:
    kind = click.Path(path_type=Path, file_okay=False)
    return click.option(*names, type=kind, default=Path(default), show_default=True, metavar="FOLDER", help=about)


def machine_option(function: _F) -> _F:
    """Add --machine."""
    about = "This machine's name in the results; left out: after its processor."
    return click.option("--machine", metavar="NAME", help=about)(function)


def axes_option(function: _F) -> _F:
    """Add --axes."""
    return click.option("--axes", metavar="NAMES", help="Axis names of a FILE that does not name them, as zyx.")(
        function
    )


def cache_option(function: _F) -> _F:
    """Add --cache."""
    return click.option(
        "--cache",
        type=click.Choice(CACHE_STATES),
        default="warm",
        show_default=True,
        help="Page cache before a read or an open, shown by counters; cold-dropped needs root.",
    )(function)


def durability_option(function: _F) -> _F:
    """Add --durability."""
    return click.option(
        "--durability",
        type=click.Choice(DURABILITIES),
        default="returned",
        show_default=True,
        help="When a write ends: as the library returns, once it is on the disk, or after the library's own fsync.",
    )(function)


def operation_option(function: _F) -> _F:
    """Add --operation."""
    about = f"What is timed: {', '.join(OPERATIONS)}."
    kind = click.Choice(OPERATIONS)
    return click.option("--operation", type=kind, metavar="NAME", default="read", show_default=True, help=about)(
        function
    )


def threads_option(function: _F) -> _F:
    """Add --threads."""
    about = "At most so many at once. Left out: as the library comes."
    return click.option("--threads", type=click.IntRange(min=1), help=about)(function)


def require_terms(operation: Operation, cache: str, durability: str) -> None:
    """Refuse a state of the cache or an end of writes that the operation does not know, instead of ignoring it."""
    if cache != "warm" and operation not in ("read", "open"):
        raise UsageError(
            f"cache {cache} is for reads and opens, this is {operation}; leave it out or add --operation read"
        )
    if durability != "returned" and operation not in WRITING:
        raise UsageError(f"durability {durability} is for writes, this is {operation}; add --operation write")


def command(name: str, *, examples: Sequence[str] = ()) -> Callable[[Callable[..., Any]], click.Command]:
    """Return the decorator that makes a command of a function: the manners, and examples at the end of its help.

    Parameters
    ----------
    name : str
        As it is typed.
    examples : sequence of str
        Commands worth copying, without a prompt.
    """
    epilog = "\b\nExamples:\n" + "\n".join(f"  {example}" for example in examples) if examples else None

    def decorate(function: Callable[..., Any]) -> click.Command:
        made = click.command(name, epilog=epilog, cls=_Command, context_settings=dict(_SETTINGS))(function)
        made.params.extend(_manners())
        return made

    return decorate


class _Command(click.Command):
    """A command that leaves its name for error messages."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Note which command runs before its options are read: they may be what is wrong."""
        if parent is not None:
            parent.ensure_object(Output).command = self.name
        return super().make_context(info_name, args, parent, **extra)


def make_group(entries: Sequence[CommandEntry]) -> StorebenchGroup:
    """Return the group of all commands."""

    @click.group(
        name="storebench",
        cls=StorebenchGroup,
        entries=entries,
        context_settings={"auto_envvar_prefix": "STOREBENCH", **_SETTINGS},
        epilog="\b\nStart here:\n"
        "  storebench quick                 a synthetic CT volume\n"
        "  storebench quick my_image.tif    your own image\n"
        "  storebench report                the HTML report",
    )
    @click.version_option(__version__, prog_name="storebench")
    def storebench() -> None:
        """Measure how to store large N-D images: format, chunks, shards, codec.

        Every number comes from the same regions, values that were read back and
        compared, counted bytes, and an interval. Results go to stdout, progress to
        stderr.
        """

    storebench.params.extend(_manners())
    return storebench
