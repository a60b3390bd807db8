"""The chunk pictures: their numbers are the grid's, and the pictures stay small."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from storebench.errors import UsageError
from storebench.grid import Region, chunks_touched, voxels_decoded
from storebench.report.voxels import CHAPTER_CHUNKS, CHAPTER_REGION, CHAPTER_SHAPE, read_cost, voxel_pieces, voxel_svg


@pytest.mark.parametrize(("chunk_shape", "chunks", "decoded"), [((10, 10, 1), 2, 200), ((2, 2, 3), 4, 48)])
def test_the_chapters_numbers(chunk_shape: tuple[int, ...], chunks: int, decoded: int) -> None:
    assert chunk_shape in CHAPTER_CHUNKS
    cost = read_cost(CHAPTER_SHAPE, chunk_shape, CHAPTER_REGION)
    assert (cost.asked, cost.chunks, cost.decoded) == (8, chunks, decoded)
    assert (cost.chunks, cost.decoded) == (
        chunks_touched(CHAPTER_REGION, chunk_shape),
        voxels_decoded(CHAPTER_REGION, chunk_shape),
    )
    svg = voxel_svg(cost)
    assert f"asked for 8 voxels, the computer decoded {decoded}" in svg
    assert len(svg) <= 20_000


@pytest.mark.parametrize(
    ("shape", "chunk_shape", "region"),
    [
        ((7614, 7614, 8480), (64, 64, 64), Region((5, 5, 5), (6, 6, 6))),
        ((5, 7, 3), (4, 4, 4), Region((4, 6, 2), (5, 7, 3))),
        ((1, 1, 1), (1, 1, 1), Region((0, 0, 0), (1, 1, 1))),
        ((512, 512, 512), (1, 512, 512), Region((0, 0, 0), (512, 1, 512))),
    ],
)
def test_any_shape_is_small_and_well_formed(
    shape: tuple[int, ...], chunk_shape: tuple[int, ...], region: Region
) -> None:
    svg = voxel_svg(read_cost(shape, chunk_shape, region))
    assert len(svg) <= 20_000
    # our own text
    root = ET.fromstring(svg)  # noqa: S314
    left, top, width, height = map(float, root.attrib["viewBox"].split())
    paths = " ".join(re.findall(r' d="([^"]+)"', svg))
    points = [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", paths)]
    assert points
    assert all(left <= x <= left + width and top <= y <= top + height for x, y in points)


def test_outside_is_refused() -> None:
    with pytest.raises(UsageError, match="inside the image"):
        voxel_pieces((4, 4, 4), (2, 2, 2), Region((3, 3, 3), (5, 5, 5)))
    with pytest.raises(UsageError, match="three axes"):
        voxel_pieces((4, 4), (2, 2), Region((0, 0), (1, 1)))
