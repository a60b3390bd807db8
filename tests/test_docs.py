"""The documentation is run: code blocks, links, and the tables that are made from the code.

A block of `python` or `console` is executed. One that takes minutes, or needs what a test has not, says so where it
begins, as in "```console no-run (four minutes)"; "console exit-2" is a command that has to end with that code.
"python needs-iohub" is run where that module is installed.
In the text below a command, "…" stands for anything, and times, speeds and versions are not compared.

`python tests/test_docs.py` prints the tables for docs/formats.md (backends) and docs/method.md (explained differences).
"""

from __future__ import annotations

import ast
import copy
import functools
import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from storebench.backends import BACKENDS, Backend, WriteRequest
from storebench.backends._remote import REMOTE
from storebench.codecs import EXAMPLES, parse_codec
from storebench.errors import UnknownNameError
from storebench.stores import Location

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LANGUAGES = {"python", "console", "text", "make", "json", "toml"}
RUN = {"python", "console"}
MOST_NOT_RUN = 15
"""Blocks that are not run: each one more is a promise that nobody keeps an eye on."""


@dataclass(frozen=True)
class Block:
    """A fenced block: where it begins, its language, what else its first line says, and its text."""

    page: Path
    line: int
    language: str
    info: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def is_run(self) -> bool:
        return self.language in RUN and not self.info.startswith("no-run")

    @property
    def exit_code(self) -> int:
        found = re.fullmatch(r"exit-(\d+)", self.info)
        return int(found[1]) if found else 0


def blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for found in re.finditer(r"^( *)```(\S*)(.*)\n(?s:(.*?))^\1```$", text, re.MULTILINE):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(page, line, found[2], found[3].strip(), textwrap.dedent(found[4]))


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
CONSOLE = [block for block in BLOCKS if block.is_run and block.language == "console"]
PYTHON = {page: [b for b in BLOCKS if b.page == page and b.is_run and b.language == "python"] for page in PAGES}


def commands_of(block: Block) -> list[tuple[str, str]]:
    """Return each command of a console block and the text that is shown below it."""
    found: list[tuple[str, str]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], ""))
        elif found and not found[-1][1] and found[-1][0].endswith("\\"):
            found[-1] = (found[-1][0][:-1] + line, "")
        else:
            assert found, f"{block.place}: output without a command"
            found[-1] = (found[-1][0], found[-1][1] + line + "\n")
    return found


_MEASURED = "Read|Write|Encode|Decode|Open|Interval|Quickest|CPU|Limit|Disk"
"""What a line of `measure` begins with that holds a time or what follows from one; it may go on indented."""


def comparable(text: str) -> str:
    """Take out what differs from run to run, machine to machine and line width to line width."""
    text = re.sub(rf"^(?:{_MEASURED})\b.*\n(?:  +.*\n)*", "", text, flags=re.MULTILINE)
    kept = text.splitlines()
    text = " ".join(" ".join(kept).split())
    return re.sub(r"(?<=[a-z]) \d+\.\d+(\.\w+)*(?=,| |$)", " #", text)


def matches(shown: str, printed: str) -> bool:
    parts = comparable(shown).split("…")
    return re.fullmatch(".*".join(map(re.escape, parts)), comparable(printed)) is not None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder as a reader may have it: an image without axis names, results of a few cases, and another tool's."""
    import shutil

    import tifffile

    from storebench.datasets.synthetic import make
    from storebench.grid import Region
    from storebench.measurement.images import image_of
    from storebench.measurement.session import Origin, Session
    from storebench.records import Case
    from storebench.storage import Storage

    made = tmp_path_factory.mktemp("docs")
    scan = make("ct", shape=(40, 256, 256))
    shutil.copy(ROOT / "tests" / "data" / "imports" / "0007_zarr-fast.json", made)
    tifffile.imwrite(made / "my_image.tif", scan.read(Region.whole(scan.shape)), photometric="minisblack")
    storage = Storage.open(made / "storage")
    image = image_of(storage, "ct", (32, 64, 64), "uint16", 0)
    journal = made / "results" / "lab-1" / "0123abcd-py3.jsonl"
    for backend, chunks in (("npy-numpy", None), ("zarr3-zarrpython", (32, 32, 32)), ("tiff-tifffile", (1, 32, 32))):
        for operation, pattern in (("read", "plane_xy"), ("read", "plane_xz"), ("write", "whole")):
            case = Case(
                dataset="ct",
                shape=image.shape,
                dtype="uint16",
                axes="zyx",
                operation=operation,
                backend=backend,
                chunk_shape=chunks,
                pattern=pattern,
            )
            session = Session(case, image, storage, journal=journal, origin=Origin(run="docs"))
            for _ in range(3):
                session.prepare()
                session.run()
                session.conclude()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        patch.setenv("STOREBENCH_ROOT", str(made / "storage"))
        # of reports the words are compared; PNG and PDF would be two thirds of their time
        patch.setattr("storebench.cli.results._press_workers", lambda: 0)
        patch.setattr("storebench.report.press.save_for_paper", lambda *_: None)
        for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
            patch.delenv(name, raising=False)
        yield made


@pytest.mark.parametrize("block", CONSOLE, ids=lambda block: block.place)
def test_console_blocks_run_and_print_what_is_shown(block: Block, folder: Path) -> None:
    from click.testing import CliRunner

    from storebench.cli import app

    for command, shown in commands_of(block):
        words = shlex.split(command)
        assert words[0] == "storebench", f"{block.place}: only storebench is run here; mark the block no-run (why)"
        done = CliRunner().invoke(app, words[1:], prog_name="storebench")
        assert done.exit_code == block.exit_code, f"{block.place}: {command}\n{done.output}\n{done.exception!r}"
        assert not shown or matches(shown, done.output), (
            f"{block.place}: {command} prints\n{done.output}\nthe page shows\n{shown}"
        )


@pytest.mark.parametrize("page", [page for page in PAGES if PYTHON[page]], ids=lambda page: page.name)
def test_python_blocks_run_one_after_another(page: Path, folder: Path) -> None:
    """A block that ends with an expression and is followed by a comment "# → value" must have that value."""
    namespace: dict[str, object] = {}
    with _zarr_as_it_was():
        for block in PYTHON[page]:
            if block.info.startswith("needs-"):
                pytest.importorskip(block.info.removeprefix("needs-"), reason=f"{block.place}: {block.info}")
            exec(compile(block.text, block.place, "exec"), namespace)  # noqa: S102 (our own pages)
            for line in block.text.splitlines():
                expression, arrow, value = line.partition("  # → ")
                if arrow:
                    found = eval(expression, namespace)  # noqa: S307 (our own pages)
                    assert found == ast.literal_eval(value), f"{block.place}: {expression} is {found!r}"


@contextmanager
def _zarr_as_it_was() -> Iterator[None]:
    """Undo what a page does to zarr's configuration, and a library without telling."""
    import zarr

    before = copy.deepcopy(zarr.config.config)
    try:
        yield
    finally:
        zarr.config.config.clear()
        zarr.config.config.update(before)


def test_every_block_says_what_it_is_and_few_are_not_run() -> None:
    assert all(block.language in LANGUAGES for block in BLOCKS), [
        b.place for b in BLOCKS if b.language not in LANGUAGES
    ]
    left_out = [block for block in BLOCKS if block.language in RUN and not block.is_run]
    assert len(left_out) <= MOST_NOT_RUN, [block.place for block in left_out]
    assert all(re.fullmatch(r"no-run \(.{4,}\)", block.info) for block in left_out), "say why: no-run (four minutes)"


def anchors_of(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of a page's headings."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\[[^\]]+\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{page.name}: no {target}"
        assert not anchor or anchor in anchors_of(there), f"{page.name}: no heading for {target}"


def test_every_finding_is_listed() -> None:
    folder = ROOT / "docs" / "findings"
    listed = set(re.findall(r"\]\(([\w-]+\.md)\)", (folder / "README.md").read_text()))
    assert listed == {page.name for page in folder.glob("*.md")} - {"README.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_names_a_place_on_somebodys_machine(page: Path) -> None:
    found = re.findall(r"(?<![\w.])/(?:home|root|tmp|work|opt|Users)/\S*", page.read_text())
    assert not found


_SHAPES = {2: (32, 48), 3: (16, 32, 48), 4: (2, 16, 32, 48), 5: (2, 2, 16, 32, 48)}
_DTYPES = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)] + ["float16", "float32", "float64"]
_FLAGS = ("-predictor", "+crc32c")


def takes(backend: Backend, n_axes: int, dtype: str, codec: str, *, levels: bool = False) -> bool:
    request = WriteRequest(
        shape=_SHAPES[n_axes],
        dtype=np.dtype(dtype),
        axes="tczyx"[-n_axes:],
        codec=parse_codec(codec),
        level_factors=((2,) * n_axes,) if levels else (),
    )
    return backend.why_unsupported(Location(Path("image" + backend.suffix)), request) is None


def families_of(backend: Backend, n_axes: int, codecs: list[str]) -> list[str]:
    """Return the families of codecs, with what may be added in brackets: "zstd-N[-predictor]"."""
    found: dict[str, str] = {}
    for codec in codecs:
        bare = codec.removesuffix("+crc32c").removesuffix("-predictor")
        blosc = re.match(r"blosc2?-", bare)
        alike = [name for name in codecs if blosc and name.startswith(blosc[0])]
        name = f"{blosc[0]}…" if blosc and len(alike) > 1 else bare if blosc else re.sub(r"-\d+(\.\d+)?", "-N", bare)
        found.setdefault(name, name + "".join(f"[{flag}]" for flag in _FLAGS if adds(backend, n_axes, bare + flag)))
    return list(found.values())


def adds(backend: Backend, n_axes: int, codec: str) -> bool:
    try:
        return any(takes(backend, n_axes, dtype, codec) for dtype in ("uint8", "uint16"))
    except UnknownNameError:
        return False


@functools.cache
def taken(name: str) -> tuple[list[str], list[int], list[str]]:
    """Return what a backend takes: examples of codecs, numbers of axes, dtypes."""
    backend = BACKENDS[name]
    pairs = [(n, d) for n in _SHAPES for d in ("uint8", "uint16", "float32", "uint32")]
    codecs = [c for c in EXAMPLES if any(takes(backend, n, d, c) for n, d in pairs)]
    n_axes = [n for n in _SHAPES if any(takes(backend, n, d, c) for c in codecs for m, d in pairs if m == n)]
    return codecs, n_axes, [d for d in _DTYPES if any(takes(backend, n_axes[0], d, c) for c in codecs)]


def backend_row(backend: Backend) -> str:
    """Return a backend's line of the first table in docs/formats.md, found by asking it."""
    codecs, n_axes, dtypes = taken(backend.name)
    lossless = [codec for codec in codecs if parse_codec(codec).lossless]
    cells = [
        f"`{backend.name}`",
        backend.format,
        ", ".join(backend.distributions),
        str(n_axes[0]) if len(n_axes) == 1 else f"{n_axes[0]} to {n_axes[-1]}",
        "all integers and floats" if dtypes == _DTYPES else ", ".join(dtypes),
        ", ".join(f"`{family}`" for family in families_of(backend, n_axes[0], lossless)),
        ", ".join(f"`{family}`" for family in families_of(backend, n_axes[0], [c for c in codecs if c not in lossless]))
        or "none",
    ]
    return f"| {' | '.join(cells)} |"


def abilities_row(backend: Backend, threads: Mapping[str, str]) -> str:
    """Return a backend's line of the second table."""
    codecs, n_axes, dtypes = taken(backend.name)
    levels = any(takes(backend, n, d, c, levels=True) for n in n_axes for d in dtypes[:3] for c in codecs[:3])
    counted = [word for word, is_it in (("reads", backend.counts_reads), ("writes", backend.counts_writes)) if is_it]
    cells = [
        f"`{backend.name}`",
        "yes" if backend.partial_read else "no",
        "its own" if backend.makes_levels else "several" if levels else "one",
        str(n_axes[-1]),
        threads.get(backend.name, "?"),
        ", ".join(counted) or "no",
        {"processes": "yes", "threads": "by threads", "none": "no"}[backend.parallel_writes],
        REMOTE[backend.library],
    ]
    return f"| {' | '.join(cells)} |"


_ASK_FOR_THREADS = """
import json, sys
from storebench.backends import BACKENDS
told = {}
for name, backend in BACKENDS.items():
    if backend.why_unavailable() is None:
        told[name] = backend.limit_threads(int(sys.argv[1])) is None
print(json.dumps(told))
"""


@functools.cache
def threads_held() -> dict[str, str]:
    """Return to how many threads each backend that can work here says it can be held, in a fresh process."""
    held: dict[str, str] = {}
    for threads in (1, 2):
        command = [sys.executable, "-c", _ASK_FOR_THREADS, str(threads)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        for name, is_held in json.loads(done.stdout).items():
            before = held.get(name, "no")
            held[name] = before if before != "no" or not is_held else "yes" if threads == 1 else "to 2 or more"
    return held


def backends_table() -> str:
    heads = ["Backend", "Format", "Libraries", "Axes", "Voxels", "Codecs without loss", "With loss"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    return "\n".join([*lines, *map(backend_row, BACKENDS.values())])


def abilities_table(names: Iterable[str] = BACKENDS) -> str:
    heads = [
        "Backend",
        "Reads a part alone",
        "Levels",
        "Most axes",
        "Threads held",
        "Counted",
        "Parallel writes",
        "Remote",
    ]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    return "\n".join([*lines, *(abilities_row(BACKENDS[name], threads_held()) for name in names)])


def test_the_table_of_abilities_is_what_the_backends_say() -> None:
    """Of those that can work here: how many threads hold a library, the others cannot be asked."""
    page = (ROOT / "docs" / "formats.md").read_text()
    missing = [line for line in abilities_table(threads_held()).splitlines() if line not in page]
    assert missing == [], "python tests/test_docs.py prints the table for docs/formats.md"


def test_of_every_library_it_is_said_whether_it_reads_from_far_away() -> None:
    assert {backend.library for backend in BACKENDS.values()} <= set(REMOTE), "say so in backends/_remote.py"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="of the newest libraries: needs Python 3.12 or newer")
def test_the_table_of_backends_is_what_the_code_does() -> None:
    page = (ROOT / "docs" / "formats.md").read_text()
    assert backends_table() in page, "python tests/test_docs.py prints the table for docs/formats.md"


def test_the_table_of_explained_differences_is_what_the_code_allows() -> None:
    assert explained_table() in (ROOT / "docs" / "method.md").read_text(), "python tests/test_docs.py prints it"


def explained_table() -> str:
    from storebench.measurement.explained import explained_rows

    return "\n".join(explained_rows())


def test_the_number_of_backends_is_right() -> None:
    counted = re.findall(
        r"(\d+) backends|Backends \((\d+) in all\)",
        "".join((ROOT / name).read_text() for name in ("README.md", "CHANGELOG.md")),
    )
    assert {int(a or b) for a, b in counted} == {len(BACKENDS)}


def test_every_dataset_and_suite_is_documented() -> None:
    from storebench.datasets import list_datasets
    from storebench.suites import SUITES

    data, method = (ROOT / "docs" / "data.md").read_text(), (ROOT / "docs" / "method.md").read_text()
    assert [entry.name for entry in list_datasets() if f"`{entry.name}`" not in data] == []
    assert [suite for suite in SUITES if f"`{suite}`" not in method] == []


if __name__ == "__main__":
    os.write(1, f"{backends_table()}\n\n{abilities_table()}\n\n{explained_table()}\n".encode())
