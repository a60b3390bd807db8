"""Pictures of what a codec lost: pixels against voxels, one symmetric scale, words from the numbers, and the bin-by levels."""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from storebench.records import Case, Crop, Row, pack_values
from storebench.report import build_report
from storebench.report.pictures import TOO_HIGH, TOO_LOW, difference_image, difference_limit, grey_image, grey_window
from storebench.report.press import Press

from ._press import PageAlone
from ._tables import ENVIRONMENT, table

SHAPE = (200, 160)
LOGICAL = 200 * 160 * 2
START, EXTENT = (40, 8), (64, 48)
RATIOS = (2, 5, 10, 20, 100)
BASE = Case(dataset="ct", shape=SHAPE, dtype="uint16", axes="yx", operation="write", backend="jp2-glymur")


def _original() -> NDArray:
    y, x = np.mgrid[:64, :48]
    return (1000 + 9 * y + 4 * x + np.random.default_rng(0).integers(0, 60, EXTENT)).astype(np.uint16)


def _decoded(ratio: int) -> NDArray:
    """Return the original with an error that grows with the ratio and is larger upwards than downwards."""
    noise = np.random.default_rng(ratio).integers(-ratio, 2 * ratio + 1, EXTENT)
    return (_original().astype(int) + noise).astype(np.uint16)


def _crop(values: NDArray, **fields: Any) -> Crop:
    known = {"dataset": "ct", "shape": SHAPE, "dtype": "uint16", "seed": 0, "sha256": "a" * 64}
    return Crop(**{**known, "start": START, "extent": EXTENT, "packed": pack_values(values), **fields})


def _row(codec: str, ratio: float, **facts: Any) -> Row:
    case = replace(
        BASE, **{name: facts.pop(name) for name in ("backend", "operation", "dataset") if name in facts}, codec=codec
    )
    known = {"status": "ok", "format": "jp2", "library": "glymur", "chunk_shape": SHAPE, "logical_bytes": LOGICAL}
    exact = {"max_abs_error": 0.0, "rmse": 0.0, "ssim": 1.0}
    return Row(case=case, **{**known, "stored_bytes": round(LOGICAL / ratio), **exact, **facts})


def _rows() -> list[Row]:
    lossy = [
        _row(f"jp2-ratio-{n}", n, max_abs_error=2.0 * n, rmse=float(n), psnr_db=100 - 10 * math.log10(n), ssim=1 / n)
        for n in RATIOS
    ]
    lossless = [_row("jp2-lossless", 1.8), _row("png-6", 1.6, backend="png-imageio")]
    memory = _row("zstd-9", 50, backend="zarr3-zarrpython", operation="encode")  # blocks in memory are no store
    return [*lossless, *lossy, memory]


def _crops() -> list[Crop]:
    made = [_crop(_decoded(n), backend="jp2-glymur", codec=f"jp2-ratio-{n}", chunk_shape=SHAPE) for n in RATIOS]
    return [_crop(_original()), *made]


class _Section(HTMLParser):
    """The images and the text of one section."""

    def __init__(self, page: str, name: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.words: list[str] = []
        found = re.search(rf'<section id="{name}".*?</section>', page, re.DOTALL)
        self.there = found is not None
        self.feed(found[0] if found else "")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.images.append(dict(attrs))
        self.words.append(" " if tag in ("br", "span") else "")

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def _pixels(image: dict[str, str | None] | Any, mode: str) -> NDArray:
    src = image["src"] if isinstance(image, dict) else image.src
    assert src is not None
    head, data = src.split(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert(mode)).astype(int)


def _report(folder: Path, rows: Sequence[Row], crops: Sequence[Crop], press: Press | None = None) -> str:
    press = press or PageAlone()
    files = build_report(table(rows), {ENVIRONMENT.id: ENVIRONMENT}, folder, crops=crops, press=press)
    return files.index.read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lossy")
    _report(folder, _rows(), _crops(), Press())
    return folder


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return (folder / "index.html").read_text()


def test_the_original_what_came_back_and_what_differs_stand_beside_each_other(page: str) -> None:
    section = _Section(page, "lossy")
    original = _original().astype(float)
    low, high = np.percentile(original, [0.5, 99.5])
    shown = [original, original, *(_decoded(n).astype(float) for n in (2, 10, 100))]  # lossless beside the lossy ones
    greys = [section.images[0], *section.images[1::2]]
    assert len(section.images) == 9
    for image, values in zip(greys, shown, strict=True):
        expected = np.clip((values - low) / (high - low), 0, 1) * 255
        assert abs(_pixels(image, "L") - expected).max() <= 0.5 + 1e-9
    for image, values in zip(section.images[2::2], shown[1:], strict=True):
        _check_difference(_pixels(image, "RGBA"), values - original)
    assert all(image["alt"] and len(image["src"] or "") < 20_000 for image in section.images)
    assert {(image["width"], image["height"]) for image in section.images} == {("48", "64")}


def _check_difference(pixels: NDArray, difference: NDArray) -> None:
    """Hold colour and strength of each voxel: nothing where nothing differs, full from the 99.5th percentile on, either way."""
    limit = np.percentile(abs(difference), 99.5)
    strength = np.clip(abs(difference) / (limit or 1), 0, 1) * 255
    assert abs(pixels[..., 3] - strength).max() <= 255 / 127
    assert not pixels[..., 3][difference == 0].any()
    for colour, where in ((TOO_LOW, difference < 0), (TOO_HIGH, difference > 0)):
        visible = where & (pixels[..., 3] > 0)
        assert (pixels[..., :3][visible] == colour).all()


def test_the_words_are_the_numbers(page: str) -> None:
    text = _Section(page, "lossy").text
    original = _original().astype(float)
    assert (
        "JPEG 2000 at 10.0 : 1 keeps 90.0 dB; the largest error is 20, where the part shown spans "
        f"{original.max() - original.min():,.0f} grey values" in text
    )
    for n in (2, 10, 100):
        limit = np.percentile(abs(_decoded(n).astype(float) - original), 99.5)
        ends = re.findall(rf"−(\S+) ?\+(\S+) ?jp2-ratio-{n}\b", text)
        (end,) = ends
        assert end[0] == end[1]
        assert float(end[0]) == pytest.approx(limit, rel=0.005)
    assert "no voxel differs" in text
    assert "PSNR (peak 65,535)" in text
    assert "from y 40, x 8 on" in text


def test_the_curve_names_the_lossless_limit_and_what_lies_beyond(page: str) -> None:
    section = _Section(page, "rates")
    assert (
        "Up to 1.80 : 1 nothing need be lost; JPEG 2000 at 10.0 : 1 keeps 90.0 dB, at 100 : 1 80.0 dB" in section.text
    )
    assert "lossless: 1.80 (jp2-lossless, jp2-glymur)" in section.text
    for n in RATIOS:
        assert f"±{2 * n}" in section.text


def test_the_numbers_lie_beside_as_csv_and_the_pictures_as_files(folder: Path) -> None:
    header, *lines = (folder / "figures" / "rates.csv").read_text().splitlines()
    assert header == "store,codec,compression_ratio,psnr_db,ssim,rmse,max_abs_error"
    assert lines[0].startswith("jp2-glymur,jp2-lossless,")
    assert len(lines) == 1 + len(RATIOS)
    for name in ("lossy", "rates", "binning"):
        assert all((folder / "figures" / f"{name}.{kind}").stat().st_size > 0 for kind in ("svg", "png", "pdf", "csv"))


def test_the_levels_are_means_and_their_bytes_add_up(page: str) -> None:
    section = _Section(page, "binning")
    assert len(section.images) == 4
    low, high = np.percentile(_original(), [0.5, 99.5])
    for image, n in zip(section.images, (1, 2, 4, 8), strict=True):
        means = np.rint(_original().reshape(64 // n, n, 48 // n, n).astype(float).mean((1, 3)))
        expected = np.clip((means - low) / (high - low), 0, 1) * 255
        assert abs(_pixels(image, "L") - expected).max() <= 0.5 + 1e-9
    share = (100 * 80 + 50 * 40 + 25 * 20) / (200 * 160)
    assert (
        f"Three smaller levels together add {100 * share:.1f} % to the bytes; the smallest is 64.0x smaller"
        in section.text
    )


def test_a_volumes_levels_add_a_seventh(tmp_path: Path) -> None:
    shape = (64, 64, 64)
    case = replace(BASE, shape=shape, axes="zyx", backend="npy-numpy")
    row = replace(_row("none", 1.0), case=case, chunk_shape=None, logical_bytes=2 * 64**3)
    crop = _crop(_original(), shape=shape, start=(32, 0, 0), extent=(1, *EXTENT))
    section = _Section(_report(tmp_path, [row], [crop]), "binning")
    share = 1 / 8 + 1 / 64 + 1 / 512
    assert f"add {100 * share:.1f} % to the bytes; the smallest is 512x smaller" in section.text
    assert "binned within itself" in section.text
    assert "32x32x32" in section.text
    assert not _Section((tmp_path / "index.html").read_text(), "lossy").there


@pytest.mark.parametrize("other", [{"sha256": "b" * 64}, {"start": (1, 1)}], ids=["voxels", "place"])
def test_crops_of_other_voxels_are_not_compared(other: dict[str, Any], tmp_path: Path) -> None:
    first, *others = _crops()
    page = _report(tmp_path, _rows(), [first, *(replace(crop, **other) for crop in others)])
    assert not _Section(page, "lossy").there
    assert _Section(page, "rates").there


def test_without_crops_there_are_no_pictures(tmp_path: Path) -> None:
    page = _report(tmp_path, _rows(), [])
    assert [_Section(page, name).there for name in ("lossy", "binning", "rates")] == [False, False, True]


def test_same_results_same_bytes_and_no_script_is_needed(tmp_path: Path, folder: Path, page: str) -> None:
    assert _report(tmp_path, _rows(), _crops()[::-1], Press()) == page
    for name in ("lossy", "rates", "binning"):
        for kind in ("svg", "png", "pdf", "csv"):
            one, other = (place / "figures" / f"{name}.{kind}" for place in (folder, tmp_path))
            assert one.read_bytes() == other.read_bytes()
    assert "http" not in re.sub(r"http://www.w3.org/\S+", "", _Section(page, "lossy").text)


def test_names_are_text(tmp_path: Path) -> None:
    nasty = '</script><b>x"'
    rows = [replace(row, case=replace(row.case, dataset=nasty)) for row in _rows()]
    page = _report(tmp_path, rows, [replace(crop, dataset=nasty) for crop in _crops()])
    assert nasty in _Section(page, "lossy").text
    assert any(nasty in (image["alt"] or "") for image in _Section(page, "lossy").images)
    assert "<b>x" not in page


def test_a_lossy_codec_that_lost_nothing_is_said(tmp_path: Path) -> None:
    rows = [_row("jp2-lossless", 1.8), _row("jp2-ratio-2", 2.0)]
    crops = [_crop(_original()), _crop(_original(), backend="jp2-glymur", codec="jp2-ratio-2", chunk_shape=SHAPE)]
    page = _report(tmp_path, rows, crops)
    assert "JPEG 2000 at 2.00 : 1 lost nothing of this image" in _Section(page, "lossy").text
    assert not _Section(page, "rates").there


def test_a_scale_is_symmetric_and_never_empty() -> None:
    difference = np.zeros((40, 40))
    assert difference_limit(difference) == 0
    difference[3, 4] = -7  # 1 of 1,600: below the percentile
    assert difference_limit(difference) == 7
    pixels, mirrored = (_pixels(difference_image(sign * difference, 7, "x"), "RGBA") for sign in (1, -1))
    assert (pixels[..., 3] == mirrored[..., 3]).all()
    assert tuple(pixels[3, 4]) == (*TOO_LOW, 255)
    assert tuple(mirrored[3, 4]) == (*TOO_HIGH, 255)


def test_voxels_that_are_no_numbers_are_drawn_as_nothing() -> None:
    values = np.array([[np.nan, 1.0], [2.0, np.inf]])
    assert grey_window(values) == pytest.approx((1.005, 1.995))
    assert _pixels(grey_image(values, grey_window(values), "x"), "L").tolist() == [[0, 0], [255, 255]]
    assert _pixels(difference_image(values - 2, 1.0, "x"), "RGBA")[0, 0, 3] == 0
    assert grey_window(np.full((2, 2), np.nan)) == (0.0, 1.0)
