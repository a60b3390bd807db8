"""Views of a viewer, one after the other, on storage with levels and without; and what the levels cost.

Every grid of one image replays the same trace, so that its views are the same parts of the image for all of them. Three
samples are enough where a call takes seconds, and for what levels cost, where differences are large.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from storebench.suites._grid import Grid, Subject, Tier
from storebench.suites._images import CT, CT_SMALL, LABELS_DENSE, PLANE, PLANE_HEART
from storebench.suites._reads import BLOSC, class_name

CT_PLANES: Final = Subject("ct", (16, 3072, 3072), "uint16")

_VIEWS: Final = "How long does a viewer wait, view by view, where there are levels?"
_WITHOUT: Final = "The same parts of the image from full resolution alone: what do missing levels cost a viewer?"
_BOXES: Final = "How long does a 3-D viewer wait for its boxes?"
_BUILT: Final = "What does it cost to make levels of an image that is there?"
_STORED: Final = "What does storing cost with levels, and without?"
_PREDICTED: Final = "zstd-3-predictor"
_PARAMS: Final = ("layout", "codec", "pattern")


def multiscale() -> Iterator[Grid]:
    """Yield the grids: a plane, a volume of large planes, a volume seen in boxes; then what levels cost."""
    yield from _smoke()
    yield from _plane()
    yield from _planes_of_a_volume()
    yield from _boxes()
    yield from _costs()


def _grid(tier: Tier, backend: str, subject: Subject, name: str, question: str = _VIEWS, **settings: Any) -> Grid:
    """Return a grid of reads unless it says otherwise, named after tier, backend and what sets it apart.

    Settings are fields of `Grid`, and the parameters "layout", "codec" and "pattern": one value, or several.
    """
    params = {key: settings.pop(key) for key in _PARAMS if key in settings}
    return Grid(
        name=f"{tier.capitalize()}{class_name(backend)}{name}",
        suite="multiscale",
        tier=tier,
        question=question,
        backend=backend,
        subject=subject,
        params={key: value if isinstance(value, tuple) else (value,) for key, value in params.items()},
        **({"operation": "read"} | settings),
    )


def _smoke() -> Iterator[Grid]:
    views: dict[str, Any] = {"pattern": "viewer832x1280", "n_levels": 3}
    yield _grid("smoke", "omezarr-0.5-zarrpython", PLANE, "Plane", layout="256x256", codec=BLOSC, **views)
    yield _grid("smoke", "omezarr-0.5-tensorstore", PLANE, "Plane", layout="256x256", codec=BLOSC, **views)
    yield _grid("smoke", "ometiff-tifffile", PLANE, "Plane", layout="256x256", codec=_PREDICTED, **views)
    own: dict[str, Any] = {"codec": "jp2-lossless", "pattern": "viewer832x1280", "slow": True}
    yield _grid("smoke", "jp2-glymur", PLANE, "Plane", layout="default", **own)
    full: dict[str, Any] = {"pattern": "viewer832x1280-from0", "question": _WITHOUT}
    yield _grid("smoke", "zarr3-zarrpython", PLANE, "Plane", layout="256x256", codec=BLOSC, **full)
    boxes: dict[str, Any] = {"pattern": "viewer_roi64", "n_levels": 2, "question": _BOXES}
    yield _grid("smoke", "omezarr-0.5-zarrpython", CT_SMALL, "Boxes", layout="32x32x32", codec=BLOSC, **boxes)
    yield _grid("smoke", "precomputed-tensorstore", CT_SMALL, "Boxes", layout="32x32x32", codec="none", **boxes)
    yield from _costs_of("smoke", PLANE, "Plane", "256x256", n_levels=3, axes=None)


def _plane() -> Iterator[Grid]:
    """One plane of the heart's size: four levels until it fits the screen."""
    views: dict[str, Any] = {"pattern": "viewer", "n_levels": 4}
    zarr = ("256x256", "512x512", "1024x1024")
    yield _grid("core", "omezarr-0.5-zarrpython", PLANE_HEART, "Plane", layout=zarr, codec=BLOSC, **views)
    sharded = "256x256-in-2048x2048"
    yield _grid("core", "omezarr-0.5-zarrpython", PLANE_HEART, "PlaneSharded", layout=sharded, codec=BLOSC, **views)
    yield _grid("core", "omezarr-0.4-zarrpython", PLANE_HEART, "Plane", layout="256x256", codec=BLOSC, **views)
    yield _grid("core", "omezarr-0.5-tensorstore", PLANE_HEART, "Plane", layout="256x256", codec=BLOSC, **views)
    tiles = ("256x256", "512x512")
    yield _grid("core", "ometiff-tifffile", PLANE_HEART, "Plane", layout=tiles, codec=_PREDICTED, slow=True, **views)
    # JPEG 2000 makes its own levels
    yield _grid(
        "core", "jp2-glymur", PLANE_HEART, "Plane", layout=("default", "512x512"), codec="jp2-lossless",
        pattern="viewer", slow=True,
    )  # fmt: skip
    full: dict[str, Any] = {"pattern": "viewer-from0", "question": _WITHOUT, "slow": True}
    yield _grid("core", "zarr3-zarrpython", PLANE_HEART, "Plane", layout="256x256", codec=BLOSC, **full)
    yield _grid("core", "tiff-tifffile", PLANE_HEART, "Plane", layout="256x256", codec=_PREDICTED, **full)
    yield _grid("core", "npy-numpy", PLANE_HEART, "Plane", layout="default", codec="none", **full)


def _planes_of_a_volume() -> Iterator[Grid]:
    """Planes of 3072 x 3072, larger than a screen, in a volume: chunks that are thick along z, and levels along z or not."""
    views: dict[str, Any] = {"pattern": "viewer", "n_levels": 3, "slow": True}
    zarr = ("1x512x512", "64x64x64", "128x128x128")
    yield _grid("core", "omezarr-0.5-zarrpython", CT_PLANES, "Volume", layout=zarr, codec=BLOSC, **views)
    flat, sharded = "1x512x512", "1x256x256-in-16x1024x1024"
    yield _grid("core", "omezarr-0.5-zarrpython", CT_PLANES, "VolumeSharded", layout=sharded, codec=BLOSC, **views)
    yield _grid("core", "omezarr-0.4-zarrpython", CT_PLANES, "Volume", layout=flat, codec=BLOSC, **views)
    along: dict[str, Any] = views | {"level_axes": "yx"}
    yield _grid("core", "omezarr-0.5-zarrpython", CT_PLANES, "VolumeAlongYx", layout=flat, codec=BLOSC, **along)
    yield _grid("core", "omezarr-0.5-tensorstore", CT_PLANES, "Volume", layout="64x64x64", codec=BLOSC, **views)
    yield _grid("core", "precomputed-tensorstore", CT_PLANES, "Volume", layout="64x64x64", codec="none", **views)
    yield _grid("core", "ometiff-tifffile", CT_PLANES, "Volume", layout=flat, codec=_PREDICTED, **along)
    full: dict[str, Any] = {"pattern": "viewer-from0", "question": _WITHOUT, "slow": True}
    yield _grid("core", "zarr3-zarrpython", CT_PLANES, "Volume", layout=flat, codec=BLOSC, **full)
    yield _grid("core", "tiff-tifffile", CT_PLANES, "Volume", layout=flat, codec=_PREDICTED, **full)


def _boxes() -> Iterator[Grid]:
    """Boxes of 128 voxels, as a 3-D viewer with little memory on its graphics card asks for."""
    views: dict[str, Any] = {"pattern": "viewer_roi128", "n_levels": 2, "question": _BOXES}
    chunks = ("32x32x32", "64x64x64", "128x128x128")
    yield _grid("core", "omezarr-0.5-zarrpython", CT, "Boxes", layout=chunks, codec=BLOSC, **views)
    sharded = "32x32x32-in-128x128x128"
    yield _grid("core", "omezarr-0.5-zarrpython", CT, "BoxesSharded", layout=sharded, codec=BLOSC, **views)
    yield _grid("core", "omezarr-0.5-tensorstore", CT, "Boxes", layout="64x64x64", codec=BLOSC, **views)
    yield _grid("core", "precomputed-tensorstore", CT, "Boxes", layout="64x64x64", codec="none", **views)
    full: dict[str, Any] = {"pattern": "viewer_roi128-from0", "question": _WITHOUT}
    yield _grid("core", "zarr3-zarrpython", CT, "Boxes", layout="64x64x64", codec=BLOSC, **full)


def _costs() -> Iterator[Grid]:
    """Building and storing levels, by method and by the axes that are halved."""
    yield from _costs_of("core", PLANE_HEART, "Plane", "256x256", n_levels=4, axes=None)
    yield from _costs_of("core", CT_PLANES, "Volume", "1x512x512", n_levels=3, axes=None)
    along_yx = list(_costs_of("core", CT_PLANES, "VolumeAlongYx", "1x512x512", n_levels=3, axes="yx"))
    yield from (grid for grid in along_yx if grid.n_levels > 1)
    for method, subject in (("nearest", PLANE_HEART), ("mode", LABELS_DENSE), ("nearest", LABELS_DENSE)):
        name = f"{method.capitalize()}{class_name(subject.name.replace('_', '-'))}{len(subject.shape)}"
        layout = "256x256" if len(subject.shape) == 2 else "64x64x64"
        yield _grid(
            "core", "omezarr-0.5-zarrpython", subject, f"Build{name}", _BUILT, operation="build_levels",
            layout=layout, codec=BLOSC, n_levels=4, level_method=method, slow=True,
        )  # fmt: skip
    for n_levels in (1, 4):
        yield _grid(
            "core", "ometiff-tifffile", PLANE_HEART, f"WritePlane{n_levels}", _STORED, operation="write",
            layout="256x256", codec=_PREDICTED, n_levels=n_levels, slow=True,
        )  # fmt: skip


def _costs_of(
    tier: Tier, subject: Subject, name: str, layout: str, *, n_levels: int, axes: str | None
) -> Iterator[Grid]:
    """Building levels by means, and writing everything at once with levels and without."""
    build = _grid(
        tier, "omezarr-0.5-zarrpython", subject, f"Build{name}", _BUILT, operation="build_levels", layout=layout,
        codec=BLOSC, n_levels=n_levels, level_axes=axes, slow=True,
    )  # fmt: skip
    prefix = build.name.removesuffix(f"Build{name}")
    write = replace(build, name=f"{prefix}Write{name}", operation="write", question=_STORED)
    yield from (build, write, replace(write, name=f"{prefix}Write{name}1", n_levels=1, level_axes=None))
