"""Verification finds what is wrong, and its digest is one number for one image."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from storebench.datasets import Dataset, open_dataset, open_file
from storebench.errors import VerificationError
from storebench.grid import Region, Shape
from storebench.pipelines import Target, Threads, source_of, verify_volume, write_volume
from storebench.pipelines._verifying import _InOrder, factors_between, look_at_block

from .conftest import SHAPE, Make


@pytest.fixture
def stored(dataset: Dataset, target: Make) -> Target:
    place = target("a.ome.zarr", "omezarr-0.5-zarrpython", levels=3, codec="zstd-3")
    write_volume(source_of(dataset), place, Threads(2))
    return place


def _spoil(place: Target, level: int, at: Shape) -> int:
    """Change one voxel by 3; return its value before."""
    region = Region(at, tuple(n + 1 for n in at))
    values = place.level(level).read(region)
    place.write(region, values + np.uint16(3), level)
    return int(values.flat[0])


def test_an_image_is_what_it_came_from(dataset: Dataset, stored: Target) -> None:
    found = verify_volume(source_of(open_file(stored.path)), Threads(2), against=source_of(dataset))
    found.require_equal()
    assert [level.difference.n_voxels for level in found.levels] == [np.prod(shape) for shape in stored.shapes]
    digest = hashlib.sha256(f"uint16 {SHAPE}".encode())
    voxels = dataset.read(Region.whole(SHAPE))
    for z in range(0, SHAPE[0], 16):  # the grid of the digest: 16 × 256 × 256
        digest.update(hashlib.sha256(voxels[z : z + 16].tobytes()).digest())
    assert found.levels[0].digest == digest.hexdigest()


@pytest.mark.parametrize(("level", "at"), [(0, (39, 51, 69)), (2, (4, 5, 6))])
def test_one_wrong_voxel_is_found_where_it_is(dataset: Dataset, stored: Target, level: int, at: Shape) -> None:
    before = verify_volume(source_of(open_file(stored.path)), Threads(2))
    _spoil(stored, level, at)
    found = verify_volume(source_of(open_file(stored.path)), Threads(2), against=source_of(dataset))
    wrong = found.levels[level].difference
    assert (wrong.n_wrong, wrong.first, wrong.max_abs_error) == (1, at, 3.0)
    with pytest.raises(VerificationError, match=rf"level {level}: 1 of .* differ .* the first at \({at[0]}, "):
        found.require_equal()
    changed = [n.level for n, m in zip(found.levels, before.levels, strict=True) if n.digest != m.digest]
    assert changed == [level]


def test_levels_are_compared_with_what_the_file_says_of_them(dataset: Dataset, target: Make) -> None:
    place = target("a.ome.zarr", "omezarr-0.4-zarrpython", levels=2, codec="zstd-3", method="nearest")
    write_volume(source_of(dataset), place, Threads(2))
    source = source_of(open_file(place.path))
    verify_volume(source, Threads(2)).require_equal()
    with pytest.raises(VerificationError, match=r"^level 1: "):
        verify_volume(source, Threads(2), level_method="mean").require_equal()


def test_levels_are_held_against_level_0_without_a_source(stored: Target) -> None:
    found = verify_volume(source_of(open_file(stored.path)), Threads(2))
    assert found.levels[0].difference is None
    assert found.levels[1].difference.n_wrong == 0
    other = verify_volume(source_of(open_file(stored.path)), Threads(2), level_method="nearest")
    assert other.levels[1].difference.n_wrong > 0


def test_a_lossy_codec_is_measured_and_no_error(tmp_path: Path) -> None:
    from .conftest import request_for

    data = open_dataset("ct", shape=(4, 64, 64), dtype="uint16")
    request = request_for(data, chunks=None, codec="jp2-psnr-60")
    place = Target(backend="jp2stack-glymur", path=tmp_path / "a.jp2stack", request=request)
    write_volume(source_of(data), place, Threads(1))
    found = verify_volume(source_of(open_file(place.path, axes="zyx")), Threads(1), against=source_of(data))
    assert found.levels[0].difference.n_wrong > 0
    assert found.levels[0].difference.psnr_db > 55


def test_the_digest_keeps_only_what_came_too_early() -> None:
    """Blocks of two layers of the grid and half a row, in two directions: one digest, and never more than a layer is kept."""
    volume = open_dataset("random", shape=(128, 512, 512), dtype="uint8")
    found = []
    for turn in (1, -1):
        digest, kept = _InOrder(volume), 0
        for z in range(0, 128, 32):
            for x in (0, 256)[::turn]:
                region = Region((z, 0, x), (z + 32, 512, x + 256))
                digest.add(look_at_block(region, volume.read(region))[0])
                kept = max(kept, len(digest._early))
        assert 0 < kept <= 2 * 2 * 2
        assert not digest._early
        found.append(digest.text())
    assert found[0] == found[1]
    with pytest.raises(VerificationError, match="0 of 32 blocks"):
        _InOrder(volume).text()


def test_another_shape_is_an_error(dataset: Dataset, stored: Target) -> None:
    other = source_of(open_dataset("ct", shape=(8, 8, 8), dtype="uint8"))
    with pytest.raises(VerificationError, match="is uint16 of 40x52x70 voxels, ct is uint8 of 8x8x8 voxels"):
        verify_volume(source_of(open_file(stored.path)), Threads(1), against=other)


@pytest.mark.parametrize(
    ("shape", "smaller", "factors"),
    [((40, 52, 70), (10, 13, 18), (4, 4, 4)), ((5, 9), (5, 5), (1, 2)), ((9, 9), (3, 3), (4, 4)), ((30,), (10,), (3,))],
)
def test_factors_follow_from_shapes(shape: Shape, smaller: Shape, factors: Shape) -> None:
    assert factors_between(shape, smaller) == factors
