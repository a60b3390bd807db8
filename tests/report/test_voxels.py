"""The chunk pictures: their numbers are the grid's and a counting store's, and the pictures stay small."""

from __future__ import annotations

import itertools
import json
import math
import random
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
import zarr

import storebench.report
from storebench.access import Target, parse_pattern
from storebench.backends._zarr_counting import CountingStore
from storebench.errors import UsageError
from storebench.grid import Region, Shape, blocks_touched
from storebench.report import build_report
from storebench.report.chunk_shapes import CHAPTER_CUTS, N_COLOURS, chunk_picture, chunk_svg
from storebench.report.isometric import Layer, corners
from storebench.report.views import clean_frame, make_views
from storebench.report.voxel_reads import measured_reads, presets
from storebench.report.voxel_section import measured_finding, read_picture
from storebench.report.voxels import (
    CHAPTER_CHUNKS,
    CHAPTER_PATTERN,
    CHAPTER_REGION,
    CHAPTER_SEED,
    CHAPTER_SHAPE,
    read_cost,
    read_layers,
    read_svg,
)
from storebench.stores import RequestLog

from ._press import PageAlone
from ._tables import ENVIRONMENT, PATTERNS, SHAPE, table

ANY_READS: tuple[tuple[Shape, Shape, Region], ...] = (
    ((10, 10, 20), (1, 1, 1), Region((0, 0, 0), (10, 10, 20))),
    ((7614, 7614, 8480), (64, 64, 64), Region((5, 5, 5), (6, 6, 6))),
    ((7614, 7614, 8480), (1, 1, 1), Region((0, 0, 0), (7614, 7614, 8480))),
    ((5, 7, 3), (4, 4, 4), Region((4, 6, 2), (5, 7, 3))),
    ((1, 1, 1), (1, 1, 1), Region((0, 0, 0), (1, 1, 1))),
    ((512, 512, 512), (1, 512, 512), Region((0, 0, 0), (512, 1, 512))),
    ((3, 100_000, 2), (2, 300, 64), Region((1, 99_990, 0), (2, 100_000, 1))),
    ((2048, 2048), (100, 300), Region((684, 999), (940, 1255))),
    ((2, 2, 32, 256, 256), (1, 1, 8, 64, 64), Region((1, 0, 3, 0, 9), (2, 1, 4, 256, 10))),
)


def any_read(seed: int) -> tuple[Shape, Shape, Region]:
    """Return an image of 2 to 5 axes, chunks that rarely divide it (or are larger), and a region of it."""
    rng = random.Random(seed)
    shape = tuple(rng.randint(1, 13) for _ in range(rng.choice((2, 2, 3, 3, 3, 4, 5))))
    chunk_shape = tuple(rng.randint(1, n + 2) for n in shape)
    bounds = [sorted(rng.sample(range(n + 1), 2)) for n in shape]
    return shape, chunk_shape, Region(tuple(a for a, _ in bounds), tuple(z for _, z in bounds))


def _counted(shape: Shape, chunk_shape: Shape, region: Region) -> tuple[int, int]:
    """Return the chunks that zarr fetches from a real store to read a region, and their voxels (one byte each)."""
    store = zarr.storage.MemoryStore()
    values = np.random.default_rng(1).integers(1, 255, shape, dtype="uint8")
    array = zarr.create_array(store, shape=shape, chunks=chunk_shape, dtype="uint8", compressors=None)
    array[...] = values
    log = RequestLog()
    counting = zarr.open_array(CountingStore(store, log), mode="r")
    log.requests.clear()
    np.testing.assert_array_equal(counting[region.slices], values[region.slices])
    assert {request.kind for request in log.requests} == {"get"}
    assert len({request.key for request in log.requests}) == len(log.requests)
    return len(log.requests), log.fetched_bytes


@pytest.mark.parametrize(("chunk_shape", "chunks", "decoded"), [((10, 10, 1), 2, 200), ((2, 2, 3), 4, 48)])
def test_the_chapters_numbers_are_a_counting_stores(chunk_shape: Shape, chunks: int, decoded: int) -> None:
    assert chunk_shape in CHAPTER_CHUNKS
    cost = read_cost(CHAPTER_SHAPE, chunk_shape, CHAPTER_REGION)
    assert (cost.asked, cost.chunks, cost.decoded, cost.wasted) == (8, chunks, decoded, decoded - 8)
    assert (cost.chunks, cost.decoded) == _counted(CHAPTER_SHAPE, chunk_shape, CHAPTER_REGION)
    assert f"asked for 8 voxels, the computer decoded {decoded}: {chunks} of" in read_svg(cost)


@pytest.mark.parametrize("seed", range(50))
def test_any_reads_numbers_are_a_counting_stores(seed: int) -> None:
    shape, chunk_shape, region = any_read(seed)
    cost = read_cost(shape, chunk_shape, region)
    assert (cost.chunks, cost.decoded) == _counted(shape, chunk_shape, region)
    assert cost.asked == math.prod(z - a for a, z in zip(region.start, region.stop, strict=True))
    inside = np.zeros(tuple(n + c for n, c in zip(shape, chunk_shape, strict=True)), bool)
    for index in blocks_touched(region, chunk_shape):
        inside[tuple(slice(i * c, i * c + c) for i, c in zip(index, chunk_shape, strict=True))] = True
    assert np.count_nonzero(inside) == cost.decoded
    assert cost.padding == cost.decoded - np.count_nonzero(inside[Region.whole(shape).slices])
    assert np.count_nonzero(inside[cost.decoded_region.slices]) == cost.decoded_region.n_voxels == cost.decoded


def test_some_of_those_reads_are_ragged_flat_and_padded() -> None:
    costs = [read_cost(*any_read(seed)) for seed in range(50)]
    assert sum(cost.padding > 0 for cost in costs) >= 10
    assert sum(len(cost.shape) == 2 for cost in costs) >= 10
    assert sum(cost.chunks > 3 for cost in costs) >= 10


def test_words() -> None:
    ragged = read_cost((5, 7), (4, 4), Region((4, 6), (5, 7)))
    assert ragged.sentence == (
        "You asked for 1 voxel, the computer decoded 16: 1 of 4 chunks, 15 voxels for nothing, "
        "13 of them padding beyond the image's edge."
    )
    exact = read_cost((1000, 4), (500, 4), Region((0, 0), (1000, 4)))
    assert exact.sentence.endswith("decoded 4,000: 2 of 2 chunks, nothing more than that.")


def test_the_chapters_read_is_a_pattern_of_its_own() -> None:
    (request,) = parse_pattern(CHAPTER_PATTERN).requests(Target((CHAPTER_SHAPE,), "zyx"), CHAPTER_SEED)
    assert request.region == CHAPTER_REGION


def _drawn(svg: str) -> list[tuple[float, float]]:
    """Return every corner in an SVG's paths, where its matrix puts it."""
    points = []
    for path in ET.fromstring(svg).iter("path"):  # noqa: S314 (our own text)
        a, b, c, d, e, f = map(float, re.findall(r"-?[\d.]+(?:e-?\d+)?", path.attrib["transform"]))
        u = v = 0.0
        for kind, numbers in re.findall(r"([Mhv])([-\d. ]+)", path.attrib["d"]):
            values = [float(n) for n in numbers.split()]
            u, v = values if kind == "M" else (u + values[0], v) if kind == "h" else (u, v + values[0])
            points.append((a * u + c * v + e, b * u + d * v + f))
    return points


def _is_in_its_box(svg: str) -> bool:
    left, top, width, height = map(float, ET.fromstring(svg).attrib["viewBox"].split())  # noqa: S314
    return all(left <= x <= left + width and top <= y <= top + height for x, y in _drawn(svg))


@pytest.mark.parametrize(("shape", "chunk_shape", "region"), ANY_READS)
def test_any_picture_is_small_quick_and_inside_its_box(shape: Shape, chunk_shape: Shape, region: Region) -> None:
    cost, cut = read_cost(shape, chunk_shape, region), chunk_picture(shape, chunk_shape)
    for draw in (lambda: read_svg(cost), lambda: chunk_svg(cut)):
        times = []
        for _ in range(5):
            start = time.perf_counter()
            svg = draw()
            times.append(time.perf_counter() - start)
        assert min(times) <= 0.05
        assert len(svg.encode()) <= 20_000
        assert _drawn(svg)
        assert _is_in_its_box(svg)
        assert [text.text for text in ET.fromstring(svg).iter("text")] == [str(n) for n in shape[-3:]]  # noqa: S314


def _area(layer: Layer) -> float:
    boxes = [corners(layer, box) for box in layer.boxes]
    pairs = [(a, b) for box in boxes for a, b in zip(box, (*box[1:], box[0]), strict=True)]
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairs)


@pytest.mark.parametrize(("shape", "chunk_shape", "region"), ANY_READS)
def test_chunks_cover_each_face_once(shape: Shape, chunk_shape: Shape, region: Region) -> None:
    picture = chunk_picture(shape, chunk_shape)
    image = {layer.face: _area(layer) for layer in read_layers(read_cost(shape, shape, Region.whole(shape)))}
    for face, area in image.items():
        assert math.isclose(sum(_area(layer) for layer in picture.layers if layer.face == face), area, rel_tol=1e-9)
    n_cells = sum(len(layer.boxes) for layer in picture.layers)
    assert n_cells <= 400
    if picture.cell_chunks == (1, 1, 1):
        *_, a, b, c = (1, *(-(-n // k) for n, k in zip(shape, chunk_shape, strict=True)))
        assert n_cells == (b * c if len(shape) == 2 else a * b + b * c + c * a)
    else:
        assert "each block drawn stands for" in picture.sentence


def test_the_chapters_image_has_20_8_and_175_chunks() -> None:
    pictures = [chunk_picture(CHAPTER_SHAPE, chunk_shape) for chunk_shape in CHAPTER_CUTS]
    assert [(p.n_chunks, p.stored_voxels) for p in pictures] == [(20, 2000), (8, 2000), (175, 2100)]
    assert pictures[2].sentence == "175 chunks of 2x2x3, stored whole at the edge: 2,100 voxels for 2,000."


def _luminances() -> tuple[list[list[float]], str]:
    """Return the luminance of each chunk colour in the page's light and dark style, 0 to 1."""
    css = (Path(storebench.report.__file__).parent / "static" / "voxels.css").read_text(encoding="utf-8")
    schemes = re.findall(r":root\{(--k0[^}]+)\}", css)
    weights = (0.2126, 0.7152, 0.0722)
    return [
        [
            sum(w * (int(text[i : i + 2], 16) / 255) ** 2.2 for w, i in zip(weights, (0, 2, 4), strict=True))
            for text in re.findall(r"--k\d:#(\w{6})", scheme)
        ]
        for scheme in schemes
    ], css


def test_neighbours_differ_in_colour_and_in_greyscale() -> None:
    colours = {}
    for layer in chunk_picture((8, 8, 8), (1, 1, 1)).layers:
        for u, v, _, _ in layer.boxes:
            colours[layer.face, u, v] = int(layer.role.removeprefix("k"))
    neighbours = [
        (c, colours[f, u + i, v + j])
        for (f, u, v), c in colours.items()
        for i, j in ((0, 1), (1, 0))
        if (f, u + i, v + j) in colours
    ]
    assert len(neighbours) == 3 * 2 * 7 * 8
    schemes, _ = _luminances()
    assert [len(scheme) for scheme in schemes] == [N_COLOURS, N_COLOURS]
    for scheme in schemes:
        for one, other in neighbours:
            low, high = sorted((scheme[one], scheme[other]))
            assert (high + 0.05) / (low + 0.05) >= 2


def test_few_chunks_have_a_colour_each_and_runs_change_theirs() -> None:
    eight = {
        (box, layer.face): layer.role for layer in chunk_picture((2, 2, 2), (1, 1, 1)).layers for box in layer.boxes
    }
    assert len({eight[box, face] for box, face in eight if face == 1}) == 4
    assert len(set(eight.values())) == 7, "the eighth is hidden behind the others"
    row = {
        box: layer.role
        for layer in chunk_picture((1, 1, 16), (1, 1, 1)).layers
        for box in layer.boxes
        if layer.face == 1
    }
    assert len(set(row.values())) == N_COLOURS


def test_noise_is_marked(tmp_path: Path) -> None:
    frame = table()
    frame["noisy"] = frame["pattern"] == "roi16"
    page = build_report(frame, {ENVIRONMENT.id: ENVIRONMENT}, tmp_path, press=PageAlone()).index.read_text(
        encoding="utf-8"
    )
    rows = re.findall(r'<tr data-read="([^"]+)">(.*?)</tr>', page)
    (view,) = _views(frame)
    noisy = {read.key for read in measured_reads([view]) if read.row["pattern"] == "roi16"}
    assert {key for key, row in rows if "noisy</b>" in row} == noisy != set()


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="inside the image"):
        read_cost((4, 4, 4), (2, 2, 2), Region((3, 3, 3), (5, 5, 5)))
    with pytest.raises(UsageError, match="same number of axes"):
        read_cost((4, 4, 4), (2, 2), Region((0, 0, 0), (1, 1, 1)))
    with pytest.raises(UsageError, match="at least two axes"):
        chunk_picture((4,), (2,))
    with pytest.raises(UsageError, match="differ in their axes"):
        chunk_picture((4, 4), (2,))


def test_bars_are_shares_of_what_was_decoded() -> None:
    picture = read_picture(read_cost(CHAPTER_SHAPE, (10, 10, 1), CHAPTER_REGION))
    assert [(n.name, n.text, n.bar) for n in picture.numbers] == [
        ("Requested", "8", 4.0),
        ("Decoded", "200", 100.0),
        ("Wasted", "192", 96.0),
        ("of which padding", "0", 0.0),
        ("Chunks", "2", 0.0),
    ]


def _views(frame: pd.DataFrame) -> Any:
    return make_views(clean_frame(frame))


def test_measured_reads_have_the_rows_own_numbers() -> None:
    (view,) = _views(table())
    reads = measured_reads([view])
    assert {(r.setting.backend, r.cost.chunk_shape, r.row["pattern"]) for r in reads} == {
        (s.backend, s.chunk_shape, pattern) for s in view.settings if s.chunk_shape for pattern in PATTERNS
    }
    for read in reads:
        assert (read.cost.asked, read.cost.decoded) == (read.row["voxels_asked"], read.row["voxels_decoded"])
        shape, region, chunks = read.key.split()
        assert (shape, chunks) == ("64,64,64", ",".join(map(str, read.cost.chunk_shape)))
        (request,) = parse_pattern(read.row["pattern"]).requests(Target((SHAPE,), "zyx"), 0)
        assert region == str(request.region)
    assert {r.setting.codec for r in reads[:12]} == {"zstd-3"}, "the library and codec with the most chunk shapes first"


@pytest.mark.parametrize(
    "changes",
    [{"voxels_decoded": 7}, {"voxels_asked": 7}, {"pattern": "heftie"}, {"axes": None}, {"axes": "yx"}, {"seed": 5}],
)
def test_rows_that_geometry_does_not_explain_are_left_out(changes: dict[str, Any]) -> None:
    frame = table()
    reads = frame["operation"] == "read"
    for name, value in changes.items():
        frame.loc[reads, name] = value
    kept = {read.row["pattern"] for view in _views(frame) for read in measured_reads([view])}
    if changes == {"seed": 5}:  # another seed reads elsewhere, where other chunks may be touched
        assert "whole" in kept
    else:
        assert kept == set()


def test_the_chapters_read_is_found_in_another_view() -> None:
    frame = table()
    own = frame[(frame["pattern"] == "whole") & (frame["backend"] == "zarr3-zarrpython")].iloc[[0]].copy()
    chapter = own.assign(
        dataset="random", seed=CHAPTER_SEED, pattern=CHAPTER_PATTERN, voxels_asked=8, voxels_decoded=48
    )
    chapter["shape"], chapter["chunk_shape"] = [CHAPTER_SHAPE], [(2, 2, 3)]
    reads = measured_reads(_views(pd.concat([frame, chapter], ignore_index=True)))
    assert [read.key for read in reads if read.cost.shape == CHAPTER_SHAPE] == ["10,10,20 2:4,3:5,2:4 2,2,3"]


def test_the_chapters_read_of_two_machines_is_never_compared_across_them() -> None:
    frame = table()
    own = frame[(frame["pattern"] == "whole") & (frame["backend"] == "zarr3-zarrpython")].iloc[[0]].copy()
    chapter = own.assign(dataset="random", seed=CHAPTER_SEED, pattern=CHAPTER_PATTERN, voxels_asked=8)
    chapter["shape"] = [CHAPTER_SHAPE]
    rows = []
    for machine, times in (("slow", 10.0), ("quick", 1.0)):
        for chunk_shape, decoded, median_s in (((10, 10, 1), 200, 0.004), ((2, 2, 3), 48, 0.002)):
            row = chapter.assign(machine=machine, voxels_decoded=decoded, median_s=median_s * times)
            row = row.assign(ci95_low_s=row["median_s"] * 0.99, ci95_high_s=row["median_s"] * 1.01)
            row["chunk_shape"] = [chunk_shape]
            rows.append(row)
    views = _views(pd.concat(rows, ignore_index=True))
    assert len(views) == 2
    found = measured_finding(measured_reads(views), views[0])
    assert found == "The chunks that decode the fewest voxels were never shown to be slower (1 access pattern)"


def test_commands_can_be_pasted_whatever_the_names_are() -> None:
    frame = table().assign(dataset="</script><b>x; rm -rf ~")
    (view,) = _views(frame)
    chapter, *own = presets(measured_reads([view]), view)
    assert shlex.split(chapter.command)[:6] == ["storebench", "measure", "random", "--shape", "10,10,20", "--seed"]
    assert {preset.pattern for preset in own} == set(PATTERNS)
    for preset in own:
        words = shlex.split(preset.command)
        assert words[:3] == ["storebench", "measure", "</script><b>x; rm -rf ~"]
        assert words[words.index("--backend") + 1] == "zarr3-zarrpython"
        assert set(preset.chunk_shapes) == {(16, 16, 16), (1, 64, 64), (32, 32, 32)}


@pytest.mark.parametrize("chunk_shape", CHAPTER_CHUNKS)
def test_the_command_measures_what_the_picture_shows(chunk_shape: Shape, tmp_path: Path) -> None:
    chapter, *_ = presets([], None)
    words = [
        *shlex.split(chapter.command)[1:],
        "--chunks",
        ",".join(map(str, chunk_shape)),
        "--pattern",
        chapter.pattern,
    ]
    command = [sys.executable, "-m", "storebench", *words, "--samples", "1", "--json", "--storage", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    row = json.loads(done.stdout)
    cost = read_cost(CHAPTER_SHAPE, chunk_shape, CHAPTER_REGION)
    assert (row["voxels_asked"], row["voxels_decoded"], row["chunks_touched"]) == (
        cost.asked,
        cost.decoded,
        cost.chunks,
    )
    assert row["requests"] == cost.chunks + 1, "the metadata are one request more"


def test_a_files_command_names_no_shape_and_cold_is_said() -> None:
    (view,) = _views(table().assign(seed=None, cache="cold"))
    _, *own = presets(measured_reads([view]), view)
    assert own
    assert all("--shape" not in p.command and "--cache cold" in p.command for p in own)


def _finding(frame: pd.DataFrame) -> str:
    (view,) = _views(frame)
    return measured_finding(measured_reads([view]), view)


def test_the_finding_follows_the_intervals() -> None:
    frame = table()
    assert (
        _finding(frame) == "The chunks that decode the fewest voxels were never shown to be slower (3 access patterns)"
    )
    own = (frame["pattern"] == "roi16") & (frame["backend"] == "zarr3-zarrpython") & (frame["codec"] == "zstd-3")
    most = own & (frame["voxels_decoded"] == frame.loc[own, "voxels_decoded"].max()).fillna(False)
    assert 0 < most.sum() < own.sum()
    quick = frame.copy()
    for name in ("median_s", "ci95_low_s", "ci95_high_s"):
        quick.loc[most, name] /= 1000
    quick.loc[most, "samples_s"] = quick.loc[most, "samples_s"].map(lambda samples: tuple(s / 1000 for s in samples))
    assert _finding(quick).endswith("other chunks were faster in 1 of 3 access patterns")
    wide = quick.copy()
    wide["ci95_low_s"], wide["ci95_high_s"] = 0.0, 9.0
    assert "never shown to be slower" in _finding(wide), "intervals that overlap show nothing"
    one = frame[frame["chunk_shape"].map(lambda shape: shape == (16, 16, 16))]
    assert _finding(one) == "What each read asked for, what was decoded for it, and what it took"
    assert measured_finding([], None).startswith("No read was measured")


def test_the_page_has_it_all_without_a_script(tmp_path: Path) -> None:
    files = build_report(table(), {ENVIRONMENT.id: ENVIRONMENT}, tmp_path)
    page = files.index.read_text(encoding="utf-8")
    section = page.partition('<section id="voxels"')[2].partition("</section>")[0]
    assert "You asked for 8 voxels; the computer decoded 200 or 48" in section
    assert section.count("<svg") == 2 + len(CHAPTER_CUTS) + 1
    assert "96 voxels" in section
    rows = re.findall(r'<tr data-read="([^"]+)">(.*?)</tr>', section)
    (view,) = _views(table())
    assert [key for key, _ in rows] == [read.key for read in measured_reads([view])]
    assert all(re.search(r"\bms\b|\bus\b", row) and "n 8" in row for _, row in rows)
    assert "The heading is about zarr3-zarrpython zstd-3." in section
    assert re.search(r'<form id="vx-form" hidden', section)
    numbers = (tmp_path / "figures" / "voxels.csv").read_text(encoding="utf-8").splitlines()
    assert numbers[0].startswith("shape,chunk_shape,region,n_chunks,chunks_touched,voxels_asked,voxels_decoded,")
    assert numbers[1].endswith("20,2,8,200,192,0")
    assert numbers[2].endswith("175,4,8,48,40,0")
    cut = (tmp_path / "figures" / "chunk-shapes.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split('"')[-1] for line in cut[1:]] == [",20,2000,2000", ",8,2000,2000", ",175,2000,2100"]
    for name, kind in itertools.product(("voxels", "chunk-shapes"), ("svg", "png", "pdf", "csv")):
        assert f'href="figures/{name}.{kind}"' in section
        assert (tmp_path / "figures" / f"{name}.{kind}").stat().st_size > 100


def test_the_script_is_small() -> None:
    script = Path(storebench.report.__file__).parent / "static" / "voxels.js"
    assert script.stat().st_size <= 4096
