"""Synthetic images: the same bits everywhere, region by region, and measured to be like real ones."""

from __future__ import annotations

import hashlib
import statistics

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.codecs import BloscCodec
from zarr.storage import MemoryStore

from storebench.datasets import _noise
from storebench.datasets._cells import patches
from storebench.datasets.fingerprint import fingerprint
from storebench.datasets.synthetic import FAMILIES, SyntheticDataset, make
from storebench.errors import UnknownNameError, UsageError
from storebench.grid import Region

SMALL = (48, 40, 56)
PINNED = {
    ("random", SMALL, None): "9aa3649b1dab7f2b73e7bbdfe6e13b7b9d5d917dda54beb76f16cb97873afa13",
    ("ct", SMALL, None): "5280075b3f90bea0be73abc2f463f664c63d8d190bfe9a5f984bab7002606e78",
    ("em", SMALL, None): "6b34e18f30ed77315663a6656a43a0980e10b8686a5dd7983f394f8012e81308",
    ("fluorescence", SMALL, None): "a06b21702421ef15b474583cefd8b972c060501e69f9b2717f5449eb634f5b64",
    ("labels_dense", SMALL, None): "e3196732bfb86c7f61f225cea75d060fa758408c2fd5ce14600a3829e9486ea9",
    ("labels_sparse", SMALL, None): "2ec3a6d3c0274e885a97dda06c53eb2e4d02aeaed87ff502d7435a8efc3fe7a9",
    ("constant", SMALL, None): "c9ff894a40594df7f503fbbc3fc681f913e738e75bacbfcba7cf64d037c64b6b",
    ("chapter2d", None, None): "87f1e046a9bd7e7437138c411ec8459d1d99e57a6f18b27cd559ee1a3f76d0ec",
    ("fluorescence5d", (2, 2, 9, 20, 24), None): "27f439c92477010eda35f6101e783b2727914e8bd87a0a3b5f1f72aacc942de7",
    ("random", SMALL, "float16"): "51979bc5c1dec4735479048fb19fa4e60427c4a3024bc0162d78310f2c3440f3",
    ("random", SMALL, "float64"): "ca4c4a47746adb1ce0514dd08c7e84d1e8183f9bc5a639f933279f114d3ae083",
    ("ct", SMALL, "uint8"): "e75393187d1beac26708e6ee624ddf0aa69120f7322dd2ce0e4a3b0d92e6de48",
    ("ct", SMALL, "float32"): "7b40e6a27a77c0f594f187f0668a802f2a56dbf399db7672a85729881119a887",
    ("em", (64, 80), "float16"): "d7d478c6b8c19d8bb805b0a67d48ebbd69d1e893ae5e542af783ac313836dd58",
    ("labels_dense", (3, 30, 40, 50), "int64"): "ae545c84dbfe76f4951949711e1f0c510476ffc0e6b4d444ae2869fbb27d4ff7",
}
DTYPES = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)] + ["float16", "float32", "float64"]
SHAPES = {
    "ct": (37, 70, 90),
    "em": (37, 70, 90),
    "fluorescence": (100, 90),
    "labels_dense": (37, 70, 90),
    "labels_sparse": (2, 37, 70, 45),
    "random": (37, 70, 90),
    "fluorescence5d": (2, 2, 9, 40, 70),
}


def whole(dataset: SyntheticDataset) -> np.ndarray:
    return dataset.read(Region.whole(dataset.shape))


@pytest.fixture(scope="module")
def images() -> dict[str, np.ndarray]:
    return {name: whole(make(name, shape=shape)) for name, shape in SHAPES.items()}


@pytest.mark.parametrize(("case", "digest"), PINNED.items(), ids=lambda value: str(value).replace(" ", ""))
def test_bits_are_pinned(case: tuple, digest: str) -> None:
    """A change here makes old results incomparable: it needs a line under "Results" in CHANGELOG.md."""
    name, shape, dtype = case
    voxels = whole(make(name, shape=shape, dtype=dtype, seed=0))
    little = voxels.astype(voxels.dtype.newbyteorder("<"))
    assert hashlib.sha256(little.tobytes()).hexdigest() == digest


def test_every_family_is_pinned() -> None:
    assert {name for name, _, _ in PINNED} == set(FAMILIES)


@settings(deadline=None, max_examples=60)
@given(data=st.data(), name=st.sampled_from(sorted(SHAPES)))
def test_a_region_alone_has_the_voxels_of_the_whole(images: dict, data: st.DataObject, name: str) -> None:
    start, stop = [], []
    for extent in SHAPES[name]:
        low = data.draw(st.integers(0, extent - 1))
        start.append(low)
        stop.append(data.draw(st.integers(low + 1, extent)))
    region = Region(tuple(start), tuple(stop))
    part = make(name, shape=SHAPES[name]).read(region)
    np.testing.assert_array_equal(part, images[name][region.slices])
    assert part.flags.c_contiguous
    assert part.flags.writeable
    assert part.shape == region.shape


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(FAMILIES))
@pytest.mark.parametrize("shape", [(40, 60), (9, 40, 50), (2, 9, 20, 30), (2, 1, 9, 20, 30)])
def test_any_dtype_and_number_of_axes(name: str, shape: tuple[int, ...], dtype: str) -> None:
    dataset = make(name, shape=shape, dtype=dtype)
    voxels = whole(dataset)
    assert (voxels.shape, voxels.dtype, len(dataset.axes)) == (shape, np.dtype(dtype), len(shape))
    assert np.isfinite(voxels).all()
    if name not in ("constant", "labels_sparse"):
        assert len(np.unique(voxels)) >= 5, "an image, not a plane"
    if name not in ("random", "chapter2d"):
        assert voxels.min() >= 0, "no negative counts, no wrapped numbers"


def test_random_covers_the_whole_range() -> None:
    for dtype, low, high in (("int8", -128, 127), ("uint16", 0, 65535), ("float32", 0, 1)):
        voxels = whole(make("random", shape=(64, 64, 64), dtype=dtype)).astype(float)
        span = high - low
        assert voxels.min() < low + span / 1000
        assert voxels.max() > high - span / 1000
        assert voxels.mean() == pytest.approx((low + high) / 2, abs=span / 200)


def test_narrow_types_keep_the_contrast() -> None:
    for name in ("ct", "fluorescence"):
        wide = whole(make(name, shape=SMALL)).astype(float).ravel()
        narrow = whole(make(name, shape=SMALL, dtype="uint8")).astype(float).ravel()
        assert narrow.max() < 255, "not clipped flat"
        assert np.corrcoef(wide, narrow)[0, 1] > 0.98


def test_seeds_families_and_times_differ() -> None:
    series = whole(make("fluorescence5d", shape=(2, 2, 8, 32, 32)))
    images = [series[t, c] for t in (0, 1) for c in (0, 1)]
    images += [whole(make("fluorescence", shape=(8, 32, 32), seed=seed)) for seed in (0, 1, -1)]
    assert len({image.tobytes() for image in images}) == len(images)
    assert np.array_equal(images[4], whole(make("fluorescence", shape=(8, 32, 32), seed=0)))


@pytest.mark.parametrize(
    ("kwargs", "sentence"),
    [
        ({"shape": (5,)}, "2 to 5 axes"),
        ({"shape": (1, 1, 1, 1, 1, 1)}, "2 to 5 axes"),
        ({"shape": (4, 0)}, "at least 1 voxel"),
        ({"dtype": "bool"}, "cannot be bool"),
        ({"dtype": "complex64"}, "cannot be complex64"),
        ({"dtype": "float128"}, "float"),
        ({"dtype": "nonsense"}, "is no dtype"),
    ],
)
def test_refusals(kwargs: dict, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        make("ct", **kwargs)


def test_unknown_name_and_outside_region() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean labels_dense"):
        make("labels_dens")
    with pytest.raises(UsageError, match="does not lie in"):
        make("ct", shape=(8, 8, 8)).read(Region((0, 0, 0), (8, 8, 9)))


def chunk_ratio(voxels: np.ndarray, compressor: str, shuffle: str) -> float:
    """Logical bytes ÷ bytes of the chunks that zarr-python writes for 128³ chunks."""
    store = MemoryStore()
    array = zarr.create_array(
        store,
        shape=voxels.shape,
        chunks=(128, 128, 128),
        dtype=voxels.dtype,
        compressors=BloscCodec(cname=compressor, clevel=3, shuffle=shuffle),
    )
    array[...] = voxels
    stored = sum(len(value.to_bytes()) for key, value in store._store_dict.items() if not key.endswith("zarr.json"))
    return voxels.nbytes / stored


@pytest.mark.parametrize(
    ("name", "low", "high", "published"),
    [
        (
            "ct",
            0.85,
            1.15,
            {
                ("lz4", "shuffle"): 1.52,
                ("zstd", "shuffle"): 1.88,
                ("zstd", "noshuffle"): 1.54,
                ("zstd", "bitshuffle"): 1.79,
            },
        ),
        ("labels_dense", 0.6, 1.4, {("zstd", "shuffle"): 27.9, ("zstd", "noshuffle"): 36.2}),
        ("labels_sparse", 0.5, 2.0, {("zstd", "shuffle"): 1016.0}),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_compresses_like_the_published_volume(name: str, low: float, high: float, published: dict, seed: int) -> None:
    """Published: HEFTIE zarr-benchmarks, doi 10.5281/zenodo.17806390, 806 x 629 x 629 uint16 in 128³ chunks."""
    voxels = whole(make(name, seed=seed))
    assert (voxels.shape, voxels.dtype) == ((256, 256, 256), np.uint16)
    found = {codec: chunk_ratio(voxels, *codec) / ratio for codec, ratio in published.items()}
    assert all(low <= share <= high for share in found.values()), found


def test_ct_is_noisy_inside_and_quiet_outside() -> None:
    """Standard deviation of the differences of neighbours, over the square root of 2, in counts."""
    voxels = whole(make("ct", shape=(96, 96, 96))).astype(float)
    noise = [np.diff(part, axis=2).std() / 2**0.5 for part in (voxels[38:58, 38:58, 38:58], voxels[:12, :12, :12])]
    assert noise == [pytest.approx(100, rel=0.05), pytest.approx(20, rel=0.05)]


def test_random_cannot_be_compressed() -> None:
    assert chunk_ratio(whole(make("random", shape=(128, 128, 128))), "zstd", "shuffle") == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "entropy_bits", "autocorrelation"), [("em", 7.069, 0.847), ("fluorescence", 5.961, 0.910)]
)
def test_entropy_and_autocorrelation_are_pinned(name: str, entropy_bits: float, autocorrelation: float) -> None:
    found = fingerprint(make(name, shape=(128, 256, 256)))
    assert found.entropy_bits == pytest.approx(entropy_bits, abs=0.1)
    assert found.autocorrelation == pytest.approx([autocorrelation] * 3, abs=0.02)
    if name == "fluorescence":  # both real images of the PyPI package stardist 0.9.2, measured for _fills.py
        assert 5.90 < found.entropy_bits < 7.24
        assert all(0.865 < value < 0.947 for value in found.autocorrelation if value is not None)


def test_hash_is_splitmix64() -> None:
    """The first output of the published generator for seed 0."""
    assert _noise._mix(np.array([0x9E3779B97F4A7C15], dtype=np.uint64))[0] == 0xE220A8397B1DCDAF


def test_no_entry_of_the_normal_table_is_near_a_tie() -> None:
    """So that no last bit of a C library's logarithm can change a voxel."""
    exact = [_noise.GAUSS_UNIT * statistics.NormalDist().inv_cdf((2 * i + 1) / 131072) for i in range(32768, 65536)]
    to_tie = np.abs(np.abs(np.array(exact)) % 1 - 0.5)
    assert to_tie.min() > 1e-6
    table = _noise.gauss_table() / _noise.GAUSS_UNIT
    assert (table.mean(), table.std()) == (pytest.approx(0, abs=1e-6), pytest.approx(1, abs=1e-3))


def test_poisson_table_has_mean_and_variance_of_its_row() -> None:
    means = np.arange(_noise.POISSON_MEANS)
    table = _noise.poisson_table().astype(float)
    np.testing.assert_allclose(table.mean(1), means, atol=0.02, rtol=1e-3)
    np.testing.assert_allclose(table.var(1)[2:], means[2:], rtol=0.01)
    assert (table[1] == 0).mean() == pytest.approx(0.36788, abs=1 / 2048)


def test_cells_belong_to_the_nearest_seed() -> None:
    """Brute force over all seeds around; only rare corners may differ (see `_cells`)."""
    box = Region((20, 20, 20), (52, 52, 52))
    found = list(patches(5, box, 20))
    assert sum(patch.box.n_voxels for patch in found) == box.n_voxels
    seeds = np.unique(np.concatenate([patch.positions for patch in found]), axis=0)
    wrong = 0
    for patch in found:
        points = np.stack(
            np.meshgrid(
                *(np.arange(a, b) for a, b in zip(patch.box.start, patch.box.stop, strict=True)), indexing="ij"
            ),
            -1,
        )
        nearest = ((points[..., None, :] - seeds) ** 2).sum(-1).min(-1)
        own = ((points - patch.positions[patch.nearest()]) ** 2).sum(-1)
        wrong += int((own != nearest).sum())
    assert wrong / box.n_voxels < 0.01
