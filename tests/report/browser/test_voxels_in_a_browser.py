"""The live chunk picture: the page's own counts are storebench.grid's, and no input breaks it."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from storebench.access import Target, parse_pattern
from storebench.grid import Region, Shape
from storebench.report import build_report
from storebench.report.isometric import Layer
from storebench.report.voxels import CHAPTER_CHUNKS, CHAPTER_REGION, CHAPTER_SHAPE, read_cost, read_layers
from storebench.units import count_text, seconds_text

from .._press import PageAlone
from .._tables import ENVIRONMENT, table
from ..test_voxels import ANY_READS, any_read
from .conftest import PageOf

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from playwright.sync_api import Page

NONSENSE = (
    "",
    ",",
    "x",
    "0,1,2",
    "-1,2,3",
    "1e3,2,2",
    "10,10,20,",
    "٣,3,3",
    "<b>,1,1",
    "1,1,1,1,1,1",
    "9999999999,1,1",
    "7",
)
HUGE: tuple[Shape, Shape, Region] = (
    (999_999_999,) * 5,
    (7, 100_000, 3, 999_999_998, 64),
    Region((1, 2, 3, 4, 5), (999_999_999, 999_999_998, 4, 999_999_999, 77)),
)


# of each path its corners on the screen, as shares of the picture's view box
_PLACES = """[...document.querySelectorAll('#vx-svg path')].map((path) => {
  const svg = path.ownerSVGElement, box = svg.viewBox.baseVal, own = path.getBBox();
  const matrix = svg.getScreenCTM().inverse().multiply(path.getScreenCTM());
  const corners = [0, 1].flatMap((i) => [0, 1].map((j) =>
    new DOMPoint(own.x + i * own.width, own.y + j * own.height).matrixTransform(matrix)));
  const xs = corners.map((corner) => (corner.x - box.x) / box.width);
  const ys = corners.map((corner) => (corner.y - box.y) / box.height);
  return [path.classList[0], Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
})"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page whose data set and setting have names that nobody should trust."""
    frame = table().assign(dataset="</script><b>x a[b]")
    return build_report(
        frame, {ENVIRONMENT.id: ENVIRONMENT}, tmp_path_factory.mktemp("voxels"), press=PageAlone()
    ).index


@pytest.fixture
def live(report: Path, page_of: PageOf) -> Page:
    return page_of(report).page


def _put(page: Page, shape: object, chunks: object, region: object) -> None:
    for name, value in (("shape", shape), ("chunks", chunks), ("region", region)):
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        page.fill(f"#vx-form [name={name}]", text)


def _numbers(page: Page) -> list[str]:
    return page.locator("#vx-numbers td:nth-child(2)").all_text_contents()


def _errors(page: Page) -> list[str]:
    return page.locator(".vx-error").all_text_contents()


def _expected(shape: Shape, chunk_shape: Shape, region: Region) -> list[str]:
    cost = read_cost(shape, chunk_shape, region)
    return [f"{n:,}" for n in (cost.asked, cost.decoded, cost.wasted, cost.padding, cost.chunks)]


def _outline(path: dict[str, str]) -> tuple[list[float], list[int]]:
    """Return the matrix of a path that the script drew, and its box: left, top, right, bottom."""
    matrix = [float(n) for n in re.findall(r"-?\d[\d.]*(?:e-?\d+)?", path["transform"])]
    left, top, right, bottom = map(int, re.findall(r"^M(\d+) (\d+)H(\d+)V(\d+)", path["d"])[0])
    return matrix, [left, top, right, bottom]


def _lines(path: dict[str, str]) -> set[tuple[int, int, int, int]]:
    """Return the grid's lines in a path that the script drew."""
    drawn = re.findall(r"M(\d+) (\d+)([HV])(\d+)", path["d"].partition("z")[2])
    return {
        (int(u), int(v), int(end) if kind == "H" else int(u), int(v) if kind == "H" else int(end))
        for u, v, kind, end in drawn
    }


def _drawn(page: Page) -> list[dict[str, str]]:
    found: list[dict[str, str]] = page.evaluate(
        "[...document.querySelectorAll('#vx-svg path')].map((path) => ({role: path.classList[0], face: path.classList[1],"
        " d: path.getAttribute('d'), transform: path.style.transform}))"
    )
    return found


def _same_picture(page: Page, layers: Sequence[Layer]) -> bool:
    drawn = {(path["role"], path["face"]): path for path in _drawn(page)}
    for layer in layers:
        path = drawn[layer.role, f"f{layer.face}"]
        matrix, box = _outline(path)
        assert matrix == pytest.approx(layer.matrix, rel=1e-3, abs=1e-2)
        assert tuple(box) == layer.boxes[0]
        assert _lines(path) == set(layer.lines)
    return True


def test_the_page_counts_and_draws_as_python_does(live: Page) -> None:
    flat = ragged = 0
    for shape, chunk_shape, region in [*(any_read(seed) for seed in range(100, 140)), *ANY_READS]:
        _put(live, shape, chunk_shape, region)
        assert _errors(live) == ["", "", ""], (shape, chunk_shape, region)
        assert _numbers(live) == _expected(shape, chunk_shape, region), (shape, chunk_shape, region)
        cost = read_cost(shape, chunk_shape, region)
        assert _same_picture(live, read_layers(cost))
        flat += len(shape) == 2
        ragged += cost.padding > 0
    assert flat >= 8
    assert ragged >= 8


def test_numbers_of_any_size_are_exact(live: Page) -> None:
    _put(live, *HUGE)
    assert _numbers(live) == _expected(*HUGE)
    assert len(_numbers(live)[1]) > 30


def test_the_picture_shows_what_the_numbers_say(live: Page) -> None:
    _put(live, CHAPTER_SHAPE, (2, 2, 3), CHAPTER_REGION)
    widths = live.evaluate("[...document.querySelectorAll('#vx-numbers .vx-bar')].map((bar) => bar.style.width)")
    assert widths[:4] == ["16.6%", "100%", "83.3%", "0%"]
    inside = live.evaluate(_PLACES)
    assert [role for role, *_ in inside] == ["image"] * 3 + ["decoded"] * 3 + ["asked"] * 3
    for role, left, top, right, bottom in inside:
        assert 0.02 < right - left <= 1.001, role
        assert 0.02 < bottom - top <= 1.001, role
        assert min(left, top) >= -0.001, role
        assert max(right, bottom) <= 1.001, role


def test_nonsense_is_told_at_its_field(report: Path, page_of: PageOf) -> None:
    opened = page_of(report)
    page = opened.page
    for text, field in itertools.product(NONSENSE, range(3)):
        values: list[object] = [CHAPTER_SHAPE, (2, 2, 3), CHAPTER_REGION]
        values[field] = text
        _put(page, *values)
        errors = _errors(page)
        assert errors[field], (text, field)
        assert page.locator("#vx-live").is_hidden()
        assert page.locator("#vx-form [aria-invalid=true]").count() == sum(map(bool, errors))
        _put(page, CHAPTER_SHAPE, (2, 2, 3), CHAPTER_REGION)
        assert _errors(page) == ["", "", ""]
        assert page.locator("#vx-live").is_visible()
    assert opened.complaints == []


def test_what_is_wrong_is_said_in_words(live: Page) -> None:
    def said(shape: str, chunks: str, region: str) -> list[str]:
        _put(live, shape, chunks, region)
        return _errors(live)

    assert said("10,10,20", "2,2,3", "2:4,3:3,2:4")[2] == "3:3 is empty."
    assert said("10,10,20", "2,2,3", "2:4,3:5,2:21")[2] == "2:21 ends beyond 20."
    assert said("10,10,20", "2,2", "2:4,3:5,2:4")[1].startswith("Image, chunk and region need the same axes")
    assert said("10;10", "2,2", "2:4,3:5")[0].startswith("Write voxels per axis")
    assert said(" 10 x 10 x 20 ", "2 , 2,3", " 2:4, 3:5,2:4 ") == ["", "", ""]
    described = live.evaluate(
        "[...document.querySelectorAll('#vx-form input')].map((input) =>"
        " document.getElementById(input.getAttribute('aria-describedby')).getAttribute('role'))"
    )
    assert described == ["status"] * 3


def test_a_measured_read_shows_its_time_and_another_its_command(live: Page) -> None:
    frame = table()
    row = frame[(frame["pattern"] == "roi16") & (frame["codec"] == "zstd-3")].iloc[0]
    region = _region("roi16")
    _put(live, (64, 64, 64), row["chunk_shape"], region)
    rows = live.locator("#vx-rows tr")
    assert rows.count() == 1
    text = rows.inner_text()
    for said in (seconds_text(row["median_s"]), "n 8", count_text(row["requests"]), "zstd-3"):
        assert said in text
    assert live.locator("#vx-code").is_hidden()

    _put(live, (64, 64, 64), (7, 8, 9), region)
    assert rows.count() == 0
    assert _command(live)[:3] == ["storebench", "measure", "</script><b>x a[b]"]
    assert _command(live)[-4:] == ["--chunks", "7,8,9", "--pattern", "roi16"]
    assert live.locator("#vx-live .exact").is_visible()

    _put(live, (64, 64, 64), (7, 8, 9), "1:2,0:64,3:5")
    assert _command(live)[-1] == "roi1x64x2"
    assert live.locator("#vx-live .box").is_visible()
    _put(live, (30, 40), (7, 8), "1:2,0:40")
    expected = "storebench measure random --backend zarr3-zarrpython --shape 30,40 --chunks 7,8 --pattern roi1x40"
    assert _command(live) == expected.split()
    _put(live, (2, 30, 40, 9), (1, 7, 8, 9), "0:2,0:1,0:1,0:1")
    assert live.locator("#vx-live .never").is_visible()
    assert live.locator("#vx-code").is_hidden()


def _region(pattern: str) -> Region:
    return parse_pattern(pattern).requests(Target(((64, 64, 64),), "zyx"))[0].region


def _command(page: Page) -> list[str]:
    return shlex.split(page.locator("#vx-code").inner_text())


def test_a_boxs_command_reads_a_box_of_that_extent(live: Page) -> None:
    for shape, chunk_shape, region in (any_read(seed) for seed in range(200, 230)):
        _put(live, shape, chunk_shape, region)
        if live.locator("#vx-live .never").is_visible():
            assert any(n > 1 for n in region.shape[:-3])
            continue
        words = _command(live)
        assert words[words.index("--shape") + 1] == ",".join(map(str, shape))
        axes = "tczyx"[-len(shape) :]  # as the dataset `random` names them
        (request,) = parse_pattern(words[-1]).requests(Target((shape,), axes))
        assert request.region.shape == region.shape


def test_examples_fill_the_form_and_own_input_leaves_them(live: Page) -> None:
    def chosen() -> str:
        return str(live.eval_on_selector("#vx-form select", "(select) => select.selectedOptions[0].text"))

    assert "chunks of 2x2x3" in chosen()
    assert _numbers(live)[:2] == ["8", "48"]
    measured = {"16x16x16": 1, "32x32x32": 2, "1x64x64": 3}  # settings of the table with these chunks
    n_options = live.locator("#vx-form option").count()
    assert n_options == 1 + len(CHAPTER_CHUNKS) + 4 * 3
    for index in range(1, n_options):
        live.select_option("#vx-form select", index=index)
        assert _errors(live) == ["", "", ""]
        assert live.locator("#vx-live").is_visible()
        n_measured = measured.get(chosen().rpartition(" ")[2], 0) if index > len(CHAPTER_CHUNKS) else 0
        assert live.locator("#vx-rows tr").count() == n_measured, chosen()
    live.fill("#vx-form [name=chunks]", "3,3,3")
    assert chosen() == "your own"


def test_copy_copies_the_command(report: Path, page_of: PageOf) -> None:
    page = page_of(report).page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("#vx-form [name=copy]")
    assert page.inner_text("#vx-form [name=copy]") == "Copied"
    assert page.evaluate("navigator.clipboard.readText()") == page.inner_text("#vx-code")
    assert page.inner_text("#vx-code").endswith("--seed 102 --backend zarr3-zarrpython --chunks 2,2,3 --pattern roi2")
    page.fill("#vx-form [name=chunks]", "3,3,3")
    assert page.inner_text("#vx-form [name=copy]") == "Copy"


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 1280)])
def test_it_is_accessible_and_fits_in_every_state(
    report: Path, page_of: PageOf, axe: Callable[[Page], list[str]], scheme: Any, width: int
) -> None:
    opened = page_of(report, scheme, width)
    page = opened.page
    page.evaluate("document.querySelectorAll('#voxels details').forEach((details) => { details.open = true; })")
    states = (
        ((64, 64, 64), (16, 16, 16), _region("plane_xy")),
        ((30, 400), (7, 8), "1:2,0:40"),
        ("nonsense", "2,2", "4:3"),
    )
    for state in states:
        _put(page, *state)
        assert [line for line in axe(page) if "vx-" in line or "voxels" in line] == []
        assert not opened.has_sideways_scroll
    assert opened.complaints == []


def test_without_a_script_pictures_and_measured_reads_are_there(report: Path, page_of: PageOf) -> None:
    page = page_of(report, javascript=False).page
    assert page.locator("#vx-form").is_hidden()
    assert page.locator("#voxels figure:visible").count() == 5
    page.click("#voxels summary")
    assert page.locator("#vx-measured tbody tr:visible").count() > 10


def test_keys_reach_every_field(live: Page) -> None:
    live.focus("#vx-form select")
    reached = []
    for _ in range(6):
        reached.append(live.evaluate("document.activeElement.name || document.activeElement.tagName"))
        live.keyboard.press("Tab")
    assert reached == ["preset", "shape", "chunks", "region", "PRE", "copy"]
