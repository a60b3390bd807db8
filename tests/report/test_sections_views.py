"""The sections about formats, chunks, codecs and libraries: their numbers are the table's, their findings turn with the data."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from storebench.report.answer import answers
from storebench.report.press import Press
from storebench.report.section import Section, Story, Studio
from storebench.report.sections import (
    amplification,
    chunk_bytes,
    chunks,
    codec_speed,
    formats,
    libraries,
    padding,
    rates,
    stacks,
    tradeoff,
)
from storebench.report.sections._families import chunk_facts
from storebench.report.style import house_style
from storebench.report.views import clean_records, make_views
from storebench.units import seconds_text

from ._picked import check, csv_of, points_of, row, sections, table

CUBES = {edge: (edge,) * 3 for edge in (16, 32, 64)}
Rows = list[dict[str, Any]]


def _one(make: Any, rows: Rows, folder: Path) -> Section:
    (section,) = sections(make, table(rows), folder)
    return section


def _texts(section: Section) -> set[str]:
    shown = [*section.tables, *([section.heat] if section.heat else [])]
    return {cell.text for one in shown for cells in one.rows for cell in cells}


def _medians(rows: Rows, section: Section) -> list[float]:
    """Return the medians of the rows that the points name, in the order of the points."""
    medians = table(rows)["median_s"]
    return [float(medians.iloc[position]) for position in points_of(section) if position is not None]


# formats


def _formats(tiff_s: float) -> Rows:
    return [
        row(seconds, pattern=pattern, backend=backend)
        for pattern in ("plane_xy", "roi32")
        for backend, seconds in (("zarr3-zarrpython", 0.01), ("tiff-tifffile", tiff_s))
    ]


@pytest.mark.parametrize(
    ("tiff_s", "finding"),
    [
        (0.02, "zarr3-zarrpython is fastest for all 2 access patterns"),
        (0.005, "tiff-tifffile is fastest for all 2 access patterns"),
        (
            0.01,
            "tiff-tifffile and zarr3-zarrpython are nowhere shown to be slower than another format (2 access patterns)",
        ),
    ],
)
def test_the_fastest_format(tiff_s: float, finding: str, tmp_path: Path) -> None:
    rows = _formats(tiff_s)
    section = _one(formats.make, rows, tmp_path)
    assert section.finding == finding
    assert sorted(csv_of(section, tmp_path)["median_s"]) == pytest.approx(sorted([0.01, 0.01, tiff_s, tiff_s]))
    assert {seconds_text(0.01), seconds_text(tiff_s)} <= _texts(section)
    assert sorted(_medians(rows, section)) == pytest.approx(sorted([0.01, 0.01, tiff_s, tiff_s]))


def test_a_format_that_is_nowhere_slower_is_not_called_fastest(tmp_path: Path) -> None:
    """Two formats beside one that keeps up with each of them: level with the one here, with the other there."""

    def finding(roi_s: float, name: str) -> str:
        times = {"tiff-tifffile": (0.01, 0.01), "zarr3-zarrpython": (0.01, 0.03), "npz-numpy": (0.03, roi_s)}
        rows = [
            row(seconds, pattern=pattern, backend=backend)
            for backend, pair in times.items()
            for pattern, seconds in zip(("plane_xy", "roi32"), pair, strict=True)
        ]
        return _one(formats.make, rows, tmp_path / name).finding

    nowhere = "tiff-tifffile is nowhere shown to be slower than another format (2 access patterns)"
    assert finding(0.01, "level") == f"{nowhere}, nor alone in front"
    assert finding(0.03, "alone") == f"{nowhere}, and alone in front in 1"


def test_patterns_that_few_formats_were_read_by_are_left_out(tmp_path: Path) -> None:
    names = [f"{name}-x" for name in "abcdefg"]
    rows = [row(0.01, backend=name) for name in names] + [row(0.01, backend=names[0], pattern="viewport@1")]
    assert set(csv_of(_one(formats.make, rows, tmp_path), tmp_path)["pattern"]) == {"whole"}


# tradeoff


def _stores(times: dict[str, tuple[float, float, float]]) -> Rows:
    """Return writes and reads by codec: compression ratio, seconds of the write and of a read."""
    rows: Rows = []
    for codec, (ratio, write_s, read_s) in times.items():
        facts = {"codec": codec, "compression_ratio": ratio, "stored_bytes": round(4_194_304 / ratio)}
        rows.append(row(write_s, operation="write", **facts))
        rows += [row(read_s * k, pattern=name, **facts) for name, k in (("plane_xy", 1), ("roi32", 3))]
    return rows


def _answered(rows: Rows, folder: Path) -> Section:
    frame = table(rows)
    views = make_views(frame)
    story = Story(views=views, records=clean_records(frame), answer=answers(views)[0])  # type: ignore[arg-type]
    with house_style():
        (section,) = tradeoff.make(story, Studio(folder, Press()))
    check(section, len(frame))
    return section


TIMES = {"none": (1.0, 0.01, 0.001), "zstd-3": (3.0, 0.012, 0.0012), "gzip-9": (3.1, 0.9, 0.05)}


def test_the_answer_is_the_title_and_the_ringed_point(tmp_path: Path) -> None:
    first = _answered(_stores(TIMES), tmp_path / "a")
    turned = _answered(_stores(TIMES | {"gzip-9": (30.0, 0.009, 0.0009)}), tmp_path / "b")
    for section, folder, codec in ((first, "a", "zstd-3"), (turned, "b", "gzip-9")):
        data = csv_of(section, tmp_path / folder)
        label = f"zarr3-zarrpython 64x64x64 {codec}"
        assert set(data["setting"][data["is_answer"]]) == {label}
        assert section.finding == f"{label} is first for these priorities"
        assert f"the answer: {label}" in (section.svg or "")


def test_reads_are_the_mean_of_the_mix(tmp_path: Path) -> None:
    rows = _stores(TIMES)
    section = _answered(rows, tmp_path)
    data = csv_of(section, tmp_path)
    reads = data[data["panel"] == "Read, mean of 2 patterns"].set_index("setting")["median_s"]
    assert reads["zarr3-zarrpython 64x64x64 zstd-3"] == pytest.approx((0.0012 + 0.0036) / 2)
    assert (
        "the mean of the mix: roi32 and XY plane alike" in section.about or "XY plane and roi32 alike" in section.about
    )
    writes = data[data["panel"] == "Write, whole image"].set_index("setting")
    assert writes["median_s"].to_dict() == pytest.approx(
        {f"zarr3-zarrpython 64x64x64 {codec}": write_s for codec, (_, write_s, _) in TIMES.items()}
    )
    assert data["ci95_low_s"].notna().sum() == 3  # a mean has no interval of its own


def test_the_front_is_what_no_other_beats(tmp_path: Path) -> None:
    section = _one(tradeoff.make, _stores(TIMES | {"gzip-1": (2.9, 0.03, 0.03)}), tmp_path)
    data = csv_of(section, tmp_path)
    assert set(data["setting"][data["on_front"]].str.split().str[-1]) == {"none", "zstd-3", "gzip-9"}
    assert section.finding.endswith("both size and time: 3 of 4 for the write, 3 of 4 for the read")


def test_raw_npy_is_drawn_and_not_ranked(tmp_path: Path) -> None:
    rows = _stores(TIMES)
    raw = {"backend": "npy-numpy", "codec": "none", "chunk_shape": None, "compression_ratio": 1.0}
    rows += [row(0.0001, operation="write", **raw), row(0.0001, pattern="plane_xy", **raw)]
    section = _one(tradeoff.make, rows, tmp_path)
    data = csv_of(section, tmp_path)
    is_raw = data["setting"].str.startswith("npy-numpy")
    assert is_raw.sum() == 2
    assert not data["on_front"][is_raw].any()
    assert section.finding.endswith("3 of 3 for the write, 3 of 3 for the read")
    assert "hollow, not ranked: raw npy" in (section.svg or "")
    assert data["ci95_low_s"].notna().all()  # a read of one pattern has its row's interval
    assert "A bar is the 95 % interval" in section.about
    assert "a mean has no interval" in _answered(_stores(TIMES), tmp_path / "mean").about


def test_a_family_of_codecs_looks_the_same_in_every_figure(tmp_path: Path) -> None:
    """Families rank differently by figure: many settings with gzip, but only zstd and no compression timed alone."""
    rows = _stores(TIMES | {"gzip-1": (2.9, 0.03, 0.03), "gzip-5": (3.0, 0.04, 0.04)}) + _codecs(0.005)
    looks = [_looks(_one(make, rows, tmp_path)) for make in (tradeoff.make, codec_speed.make)]
    common = looks[0].keys() & looks[1].keys()
    assert common == {"none", "zstd"}
    assert {name: looks[0][name] for name in common} == {name: looks[1][name] for name in common}
    assert len({*looks[0].values(), *looks[1].values()}) == 4  # gzip and blosc-lz4 have looks of their own


def test_a_lossy_family_keeps_its_look_and_its_libraries_differ_by_line(tmp_path: Path) -> None:
    rows = _stores(TIMES)
    for backend in ("jp2-glymur", "jp2-imagecodecs"):
        for ratio in (10, 20):
            loss = {"psnr_db": 90.0 - ratio, "max_abs_error": float(ratio), "compression_ratio": float(ratio)}
            rows.append(row(0.1, operation="write", backend=backend, codec=f"jp2-ratio-{ratio}", **loss))
    looks = _looks(_one(tradeoff.make, rows, tmp_path), "jp2-ratio")
    section = _one(rates.make, rows, tmp_path)
    libraries_looks = _looks(section, "jp2-glymur", "jp2-imagecodecs")
    assert set(libraries_looks) == {"jp2-glymur", "jp2-imagecodecs"}
    assert set(libraries_looks.values()) == set(looks.values())
    assert len(points_of(section)) == 4
    assert "stroke-dasharray" in (section.svg or "")


def _looks(section: Section, *names: str) -> dict[str, str]:
    """Return the colour of each family in the legend, which is the last text of that name."""
    svg, looks = section.svg or "", {}
    for name in names or ("none", "zstd", "gzip", "blosc-lz4"):
        before, found, _ = svg.rpartition(f">{name}</text>")
        if found:
            looks[name] = re.findall(r"var\(--(s\d)\)", before)[-1]
    return looks


# chunk shapes, chunk bytes, amplification


def _chunked(times: dict[int, tuple[float, float]], **columns: Any) -> Rows:
    """Return reads and a write by edge of a cube: seconds of a plane and of everything."""
    rows: Rows = []
    for edge, (plane_s, whole_s) in times.items():
        facts = {"chunk_shape": CUBES[edge], "fetched_bytes": 8192 * edge, "asked_bytes": 8192, "requests": edge}
        facts |= {"read_amplification": float(edge), "voxels_asked": 4096, "voxels_decoded": 4096 * edge} | columns
        rows += [row(plane_s, pattern="plane_xz", **facts), row(whole_s, **facts)]
        rows.append(row(whole_s * 2, operation="write", **facts))
    return rows


def test_the_chunk_shape_that_wins_or_none(tmp_path: Path) -> None:
    some = _chunked({16: (0.001, 0.9), 32: (0.002, 0.5), 64: (0.008, 0.1)})
    section = _one(chunks.make, some, tmp_path)
    assert (
        section.finding
        == "No chunk shape wins every access pattern: the wrong one costs up to 9.00x (16x16x16 for the whole image)"
    )
    data = csv_of(section, tmp_path).set_index(["chunks", "pattern"])["times_best"]
    assert data["64x64x64", "plane_xz"] == pytest.approx(8.0)
    assert data["64x64x64", "whole"] == 1.0
    assert "900 ms" in _texts(section)
    same = _one(chunks.make, _chunked(dict.fromkeys(CUBES, (0.01, 0.02))), tmp_path)
    assert same.finding == "No chunk shape is shown to be slower than another in any access pattern"
    best = _one(chunks.make, _chunked({16: (0.01, 0.9), 32: (0.002, 0.01), 64: (0.008, 0.1)}), tmp_path)
    assert best.finding == "Chunks of 32x32x32 are not shown to be slower than others in any access pattern"


def test_of_many_chunk_shapes_the_best_of_every_column_stays(tmp_path: Path) -> None:
    shapes = [(1 + n // 10, 1 + n % 10, 64) for n in range(90)]
    rows = [
        row(0.001 if n == best else 0.01 + n / 1e4, pattern=pattern, chunk_shape=shape)
        for pattern, best in (("whole", 31), ("plane_xy", 67))
        for n, shape in enumerate(shapes)
    ]
    heat = _one(chunks.make, rows, tmp_path).heat
    assert heat is not None
    assert 10 < len(heat.rows) <= chunks.MOST_LAYOUTS
    marked = [[cells[0].text for cells in heat.rows if cells[column].mark == "best"] for column in (1, 2)]
    assert marked == [["4x2x64"], ["7x8x64"]]


def test_the_best_chunk_bytes(tmp_path: Path) -> None:
    rows = _chunked({16: (0.001, 0.9), 32: (0.002, 0.5), 64: (0.008, 0.1)})
    section = _one(chunk_bytes.make, rows, tmp_path)
    assert section.finding == (
        "The best chunk size depends on the task: 512 KiB for reading everything, 8 KiB for XZ plane and 512 KiB for the write"
    )
    data = csv_of(section, tmp_path)
    assert set(data["uncompressed_chunk_bytes"]) == {16**3 * 2, 32**3 * 2, 64**3 * 2}
    assert dict(zip(data["chunks"], data["n_chunks"], strict=True)) == {"16x16x16": 512, "32x32x32": 64, "64x64x64": 8}
    assert set(data["padding_factor"]) == {1.0}
    assert sorted(_medians(rows, section)) == pytest.approx(sorted(r["median_s"] for r in rows))
    assert {"8 KiB", "64 KiB", "512 KiB", "512", "1.00"} <= _texts(section)


def test_no_chunk_bytes_where_nothing_is_shown(tmp_path: Path) -> None:
    same = _one(chunk_bytes.make, _chunked(dict.fromkeys(CUBES, (0.01, 0.02))), tmp_path)
    assert same.finding == "No chunk size is shown to be faster than another with zarr3-zarrpython zstd-3"
    assert set(csv_of(same, tmp_path)["not_shown_slower"]) == {True}
    assert all(cell.mark == "tied" for cells in same.tables[0].rows for cell in cells[4:])
    best = _one(chunk_bytes.make, _chunked({16: (0.01, 0.9), 32: (0.002, 0.01), 64: (0.008, 0.1)}), tmp_path)
    assert best.finding == (
        "Chunks of 64 KiB are not shown to be slower than others for reading everything, XZ plane and the write "
        "(8 KiB to 512 KiB tried with zarr3-zarrpython zstd-3)"
    )


def test_chunk_sizes_are_judged_in_the_first_family_alone(tmp_path: Path) -> None:
    times = {16: (0.001, 0.9), 32: (0.002, 0.5), 64: (0.008, 0.1)}
    rows = _chunked(times) + _chunked(times, codec="none")
    section = _one(chunk_bytes.make, rows, tmp_path)
    judged = csv_of(section, tmp_path).groupby("codec")["not_shown_slower"].count().to_dict()
    assert sorted(judged.values()) == [0, 9]
    assert "of the first: not shown to be slower than its fastest" in (section.svg or "")


def test_chunk_sizes_of_imported_results(tmp_path: Path) -> None:
    """Another tool's file names edges of cubes, no type, no shape of the image: sizes are voxels, nothing is derived."""
    known = {
        "backend": None,
        "format": "zarr3",
        "library": "tensorstore",
        "dtype": None,
        "n_levels": None,
        "store": None,
    }
    rows = _chunked({16: (0.001, 0.9), 32: (0.002, 0.5), 64: (0.008, 0.1)}, **known)
    frame = table(rows).assign(shape=None, logical_bytes=None)
    (section,) = sections(chunk_bytes.make, frame, tmp_path)
    data = csv_of(section, tmp_path)
    assert data[["uncompressed_chunk_bytes", "n_chunks", "padding_factor"]].isna().all(axis=None)
    assert set(data["chunk_voxels"]) == {16**3, 32**3, 64**3}
    assert set(data["backend"]) == {"zarr3-tensorstore"}
    assert "262,144 voxels for reading everything" in section.finding
    assert "Voxels of a chunk" in (section.svg or "")


def test_a_size_that_wins_in_one_shape_each_does_not_win(tmp_path: Path) -> None:
    """Two shapes of one size, each best at one pattern: neither shape wins, so the size does not."""
    rows: Rows = []
    for shape, plane_s, whole_s in (((32, 32, 32), 0.5, 0.1), ((8, 64, 64), 0.1, 0.5), ((64, 64, 64), 0.9, 0.9)):
        rows += [row(plane_s, pattern="plane_xy", chunk_shape=shape), row(whole_s, chunk_shape=shape)]
    section = _one(chunk_bytes.make, rows, tmp_path)
    assert section.finding.startswith("The best chunk size depends on the task")


def test_decoding_too_much_is_named_only_where_it_is_shown_to_cost(tmp_path: Path) -> None:
    shown = _one(amplification.make, _chunked({16: (0.001, 0.1), 64: (0.008, 0.1)}), tmp_path)
    assert shown.finding == (
        "XZ plane: chunks of 64x64x64 decode 64.0x the voxels asked for and take 8.00 ms; "
        "chunks of 16x16x16 decode 16.0x and take 1.00 ms"
    )
    assert set(csv_of(shown, tmp_path)["fetched_bytes"]) == {8192 * 16, 8192 * 64}
    same = _one(amplification.make, _chunked({16: (0.001, 0.1), 64: (0.001, 0.1)}), tmp_path)
    assert same.finding == "No access pattern is shown to be slower because more voxels were decoded"
    nothing_counted = [{**r, "read_amplification": None} for r in _chunked({16: (0.001, 0.1), 64: (0.008, 0.1)})]
    assert sections(amplification.make, table(nothing_counted), tmp_path) == []


# padding


def test_padding_factor() -> None:
    facts = chunk_facts((806, 629, 629), (128, 128, 128))  # HEFTIE's heart
    assert facts is not None
    assert facts.n_chunks == 7 * 5 * 5
    assert facts.padding == pytest.approx(1 / 0.869, rel=1e-3)
    assert chunk_facts(None, (128, 128, 128)) is None
    assert chunk_facts((806, 629), (128, 128, 128)) is None


def _padded(product: float) -> Rows:
    rows = []
    for edge in (48, 100):
        facts = chunk_facts((128, 128, 128), (edge,) * 3)
        assert facts is not None
        ratio = product / facts.padding
        rows.append(row(0.1, chunk_shape=(edge,) * 3, codec="none", compression_ratio=ratio))
        rows.append(row(0.1, chunk_shape=(edge,) * 3, codec="zstd-3", compression_ratio=2.0))
    return rows


def test_padding_is_stored_without_compression(tmp_path: Path) -> None:
    section = _one(padding.make, _padded(1.0), tmp_path)
    assert section.finding == (
        "Without compression edge chunks are stored padded: ratio times padding is 1.00 for all 2 settings, up to 3.81x the bytes"
    )
    data = csv_of(section, tmp_path).set_index("setting")["ratio_times_padding"]
    assert data["zarr3-zarrpython 48x48x48 none"] == pytest.approx(1.0)
    assert data["zarr3-zarrpython 48x48x48 zstd-3"] > 2
    assert len(points_of(section)) == 4


def test_padding_that_is_not_stored_is_said_so(tmp_path: Path) -> None:
    section = _one(padding.make, _padded(1.5), tmp_path)
    assert section.finding.startswith("Padding of edge chunks is not stored")


def test_without_a_shape_nothing_is_derived(tmp_path: Path) -> None:
    assert sections(padding.make, table(_padded(1.0)).assign(shape=None), tmp_path) == []
    whole = [row(0.1, chunk_shape=(64, 64, 64), codec="none", compression_ratio=1.0)]
    assert sections(padding.make, table(whole), tmp_path) == []


# codec speed


def _codecs(lz4_s: float, operation: str = "decode") -> Rows:
    times = {"zstd-1": (0.02, 2.0), "zstd-9": (0.03, 2.2), "blosc-lz4-5-shuffle": (lz4_s, 1.5), "none": (0.001, 1.0)}
    return [
        row(seconds, operation=operation, codec=codec, compression_ratio=ratio, asked_bytes=2**20)
        for codec, (seconds, ratio) in times.items()
    ]


@pytest.mark.parametrize(
    ("lz4_s", "start"),
    [
        (
            0.005,
            "blosc-lz4-5-shuffle (200 MiB/s at ratio 1.50) decodes fastest of those that compress; zstd-9 saves most (ratio 2.20",
        ),
        (0.08, "zstd-1 (50.0 MiB/s at ratio 2.00) decodes fastest of those that compress; zstd-9 saves most"),
        (0.02, "blosc-lz4-5-shuffle (50.0 MiB/s at ratio 1.50) and zstd-1 decode fastest of those that compress; "),
    ],
)
def test_the_fastest_codec(lz4_s: float, start: str, tmp_path: Path) -> None:
    section = _one(codec_speed.make, _codecs(lz4_s), tmp_path)
    assert section.finding.startswith(start)
    data = csv_of(section, tmp_path).set_index("codec")
    assert data.loc["zstd-9", "throughput_mib_s"] == pytest.approx(1 / 0.03)
    assert data.loc["zstd-9", "low_mib_s"] < data.loc["zstd-9", "throughput_mib_s"] < data.loc["zstd-9", "high_mib_s"]
    assert "33.3 MiB/s" in _texts(section)
    assert "Blocks of the image of 64x64x64 in memory, timed alone" in section.about
    assert "A line joins the levels of one codec, a number is a level." in section.about
    bare = _one(codec_speed.make, [r for r in _codecs(lz4_s) if r["codec"] != "zstd-9"], tmp_path / "bare")
    assert "number" not in bare.about
    assert "line" not in bare.about


def test_no_codec_is_shown_to_be_faster(tmp_path: Path) -> None:
    rows = [{**r, **{n: v for n, v in _codecs(0.02)[0].items() if n.endswith("_s")}} for r in _codecs(0.02)]
    assert _one(codec_speed.make, rows, tmp_path).finding.startswith(
        "No codec that compresses is shown to decode faster than another"
    )


def test_speeds_beside_timings_show_nothing_to_be_faster(tmp_path: Path) -> None:
    rows = [
        row(0.1, codec=codec, compression_ratio=ratio, codec_bytes_per_s=rate * 2**20)
        for codec, ratio, rate in (("zstd-1", 2.0, 500.0), ("zstd-9", 2.2, 100.0))
    ]
    section = _one(codec_speed.make, rows, tmp_path)
    assert section.finding == (
        "zstd-1 (500 MiB/s at ratio 2.00) was the quickest to decode; zstd-9 saves most (ratio 2.20 at 100 MiB/s)"
    )
    assert "no intervals" in section.about
    assert sorted(csv_of(section, tmp_path)["throughput_mib_s"]) == [100.0, 500.0]


def test_whole_images_stand_in_where_no_codec_was_timed(tmp_path: Path) -> None:
    rows = [r | {"backend": None, "format": "zarr3", "library": "tensorstore"} for r in _stores(TIMES)]
    rows += [{**r, "pattern": "whole", "case_id": f"{r['case_id']}/whole"} for r in rows if r["pattern"] == "plane_xy"]
    section = _one(codec_speed.make, rows, tmp_path)
    data = csv_of(section, tmp_path)
    assert set(data["operation"]) == {"write", "read"}
    speeds = data[data["operation"] == "write"].set_index("codec")["throughput_mib_s"]
    assert speeds["zstd-3"] == pytest.approx(4 / 0.012)
    assert "Whole image with storage: zarr3-tensorstore, chunks 64x64x64" in section.about


# stacks


def _stacked(xy_s: float, xz_s: float) -> Rows:
    stack = {"backend": "tiffstack-tifffile", "chunk_shape": (1, 128, 128), "n_files": 128}
    plain = {"backend": "tiff-tifffile", "chunk_shape": (1, 128, 128), "n_files": 1}
    chunked = {"backend": "zarr3-zarrpython", "chunk_shape": (32, 32, 32), "n_files": 65}
    rows = [row(xy_s, pattern="plane_xy", **stack), row(xz_s, pattern="plane_xz", **stack)]
    rows += [row(0.0001, pattern=name, **plain) for name in ("plane_xy", "plane_xz")]
    return rows + [row(0.01, pattern=name, **chunked) for name in ("plane_xy", "plane_xz")]


@pytest.mark.parametrize(
    ("xy_s", "xz_s", "finding"),
    [
        (0.002, 0.2, "are faster at XY plane (5.00x), and slower at XZ plane (20.0x) than chunked formats"),
        (0.2, 0.002, "are faster at XZ plane (5.00x), and slower at XY plane (20.0x) than chunked formats"),
        (0.01, 0.2, "are slower at XZ plane (20.0x) than chunked formats"),
        (0.01, 0.01, "are not shown to be faster or slower than chunked formats at anything"),
    ],
)
def test_what_stacks_are_good_at(xy_s: float, xz_s: float, finding: str, tmp_path: Path) -> None:
    rows = _stacked(xy_s, xz_s)
    section = _one(stacks.make, rows, tmp_path)
    assert section.finding == f"Stacks of 2-D files {finding}"
    data = csv_of(section, tmp_path)
    assert dict(zip(data["kind"], data["n_files"], strict=True)) == {"stack": 128, "chunked": 65}
    assert "tiff-tifffile" not in " ".join(data["setting"])  # a chunk per plane: a stack in one file
    assert {"128", "65"} <= _texts(section)


# libraries


def _matched(second_s: float, n: int = 6, **second: Any) -> Rows:
    """Return cases of two libraries, by level of the codec: 10 ms, and as long as the other takes."""
    rows: Rows = []
    for level in range(1, n + 1):
        same = {"codec": f"zstd-{level}", "format": "zarr3"}
        rows.append(row(0.01, backend="zarr3-zarrpython", library="zarrpython", **same))
        other = {"backend": "zarr3-tensorstore", "library": "tensorstore"} | second
        rows.append(row(second_s, **same, **other))
    return rows


@pytest.mark.parametrize(
    ("second_s", "finding"),
    [
        (0.005, "tensorstore is shown to be faster than zarrpython in 6 of 6 matched cases"),
        (0.02, "zarrpython is shown to be faster than tensorstore in 6 of 6 matched cases"),
        (0.01, "No difference between tensorstore and zarrpython is shown in 6 matched cases"),
    ],
)
def test_which_library_is_faster(second_s: float, finding: str, tmp_path: Path) -> None:
    section = _one(libraries.make, _matched(second_s), tmp_path)
    assert section.finding == finding
    data = csv_of(section, tmp_path)
    assert data["ratio"].to_list() == pytest.approx((data["second_median_s"] / data["first_median_s"]).to_list())
    assert len(data) == 6
    assert len(points_of(section)) == 6
    assert set(data["shown"]) == {second_s != 0.01}


def test_reading_and_writing_are_told_apart_where_they_disagree(tmp_path: Path) -> None:
    rows = _matched(0.005) + [{**r, "operation": "write", "case_id": f"w{i}"} for i, r in enumerate(_matched(0.02))]
    assert _one(libraries.make, rows, tmp_path).finding == (
        "tensorstore is shown to read faster than zarrpython in 6 of 6 matched cases; "
        "zarrpython is shown to write faster than tensorstore in 6 of 6 matched cases"
    )


def test_who_is_shown_to_be_faster_stands_first_and_above_the_median(tmp_path: Path) -> None:
    """Faster in most cases, but in none of them shown: that is no finding."""
    rows = _matched(0.00999, n=6)
    rows = [r if r["library"] == "zarrpython" or r["codec"] > "zstd-2" else r | _timed(0.02) for r in rows]
    section = _one(libraries.make, rows, tmp_path)
    assert (
        section.finding
        == "zarrpython is shown to be faster than tensorstore in 2 of 6 matched cases, tensorstore in none"
    )
    svg = section.svg or ""
    (shown,) = [gid for gid, positions in section.points.items() if len(positions) == 2]
    (unshown,) = [gid for gid, positions in section.points.items() if len(positions) == 4]
    median = svg.index("stroke-width:1.6")
    assert svg.index(f'"libraries-{unshown}"') < median < svg.index(f'"libraries-{shown}"')


def _timed(median_s: float) -> dict[str, Any]:
    return {name: value for name, value in row(median_s).items() if name.endswith("_s")}


def test_two_environments_of_another_tool_meet_case_by_case(tmp_path: Path) -> None:
    rows = []
    for level in range(1, 5):
        for environment, seconds in (("zarr-python-v3", 0.02), ("tensorstore", 0.01)):
            known = {
                "backend": None,
                "environment": environment,
                "environment_id": environment,
                "codec": f"zstd-{level}",
            }
            rows.append(row(seconds, case_id=f"test_read[{level}]", chunk_shape=None, **known))
    section = _one(libraries.make, rows, tmp_path)
    assert section.finding == "tensorstore is shown to be faster than zarr-python-v3 in 4 of 4 matched cases"
    renamed = [{**r, "case_id": f"{r['environment']} {r['case_id']}"} for r in rows]
    assert sections(libraries.make, table(renamed), tmp_path) == []


@pytest.mark.parametrize(
    "other",
    [
        {"machine": "lab-2"},
        {"environment_id": "e2"},
        {"format": "zarr2"},
        {"chunk_shape": (32, 32, 32)},
        {"threads": 1},
        {"cache": "cold"},
        {"dataset": "em"},
    ],
)
def test_what_differs_in_more_than_the_library_does_not_meet(other: dict[str, Any], tmp_path: Path) -> None:
    rows = [{**r, **other} if r["library"] == "tensorstore" else r for r in _matched(0.005)]
    assert sections(libraries.make, table(rows), tmp_path) == []


def test_another_machine_never_joins(tmp_path: Path) -> None:
    frame = pd.concat([table(_matched(0.005)), table(_matched(0.02)).assign(machine=None)], ignore_index=True)
    (section,) = sections(libraries.make, frame, tmp_path)
    assert len(csv_of(section, tmp_path)) == 6


def test_many_chunk_shapes_of_one_pattern_make_no_map(tmp_path: Path) -> None:
    rows = [row(0.001 * edge, chunk_shape=(edge, edge, edge)) for edge in range(1, 14)]
    assert len(_one(chunks.make, rows[:12], tmp_path).heat.rows) == 12
    assert list(sections(chunks.make, table(rows), tmp_path)) == []
