"""What was lost in which store of which image: picked from the table for the sections that show it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from storebench.codecs import Codec, parse_codec
from storebench.errors import UnknownNameError
from storebench.grid import Shape
from storebench.records import Crop
from storebench.report.section import Story
from storebench.report.views import Record, View
from storebench.units import ratio_text, shape_text

_STORED: Final = ("write", "read", "open")
"""Operations whose row tells of a store; of the codec alone in memory the sizes are others."""
_WORDS: Final = {"jp2": "JPEG 2000"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """One way to store the image, with what is known of it whatever was timed.

    Attributes
    ----------
    row : Record
        A row that tells of it.
    crop : Crop or None
        The kept part of the image as it came back; None for lossless stores and where none was kept.
    """

    row: Record
    crop: Crop | None = None

    @property
    def codec(self) -> str:
        """Neutral name."""
        return self.row["codec"] or "?"

    @property
    def backend(self) -> str:
        """Name."""
        return self.row["backend"] or "?"

    @property
    def ratio(self) -> float:
        """Compression ratio."""
        return float(self.row["compression_ratio"])

    @property
    def at_ratio(self) -> str:
        """Codec and ratio in words, as in "JPEG 2000 at 10.0 : 1"."""
        known = _known_codec(self.codec)
        return f"{_WORDS.get(known.kind if known else '', self.codec)} at {ratio_text(self.ratio)} : 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """The lossy and lossless stores of one view.

    Attributes
    ----------
    view : View
        The image, the machine, the environment.
    lossy : sequence of Store
        With a PSNR each, or with no difference at all; the least lossy first.
    lossless : sequence of Store
        The smallest first.
    original : Crop or None
        The kept part of the image.
    """

    view: View
    lossy: Sequence[Store]
    lossless: Sequence[Store]
    original: Crop | None

    @property
    def series(self) -> dict[str, list[Store]]:
        """The lossy stores that differ in the codec's setting alone, by library and chunks; the longest series first."""
        layouts = {(store.backend, store.row["chunk_shape"]) for store in self.lossy}
        several = Counter(backend for backend, _ in layouts)
        found: dict[str, list[Store]] = {}
        for store in self.lossy:
            chunks = f" {shape_text(store.row['chunk_shape'])}" if several[store.backend] > 1 else ""
            found.setdefault(f"{store.backend}{chunks}", []).append(store)
        return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))


def _known_codec(name: str | None) -> Codec | None:
    """Return a codec; None for a name that this storebench does not know."""
    try:
        return parse_codec(name or "")
    except UnknownNameError:
        return None


def losses_of(story: Story) -> Losses | None:
    """Return the view in which most was stored with loss; None where nothing was, or nothing is known of the loss."""
    found = [_losses(view, story.crops) for view in story.views]
    most = max(found, key=lambda losses: len(losses.lossy), default=None)  # of equals the first
    return most if most is not None and most.lossy else None


def original_crop(view: View, crops: Sequence[Crop]) -> Crop | None:
    """Return the kept part of a view's image; None where none was kept."""
    key = _dataset_key(view)
    return next((crop for crop in crops if crop.is_original and crop.dataset_key == key), None)


def _dataset_key(view: View) -> tuple[str | None, Shape | None, str | None, int | None]:
    return view.dataset, view.shape, view.dtype, view.records[0]["seed"]


def _losses(view: View, crops: Sequence[Crop]) -> Losses:
    original = original_crop(view, crops)
    decoded = {
        (crop.backend, crop.codec, crop.chunk_shape, crop.shard_shape): crop
        for crop in crops
        if original is not None and _is_the_same_part(crop, original)
    }
    stores: dict[tuple[Any, ...], Store] = {}
    for row in view.records:
        if row["status"] == "ok" and row["operation"] in _STORED and row["compression_ratio"] and _is_known(row):
            key = (row["backend"], row["codec"], row["chunk_shape"], row["shard_shape"])
            stores.setdefault((*key, row["n_levels"]), Store(row=row, crop=decoded.get(key)))
    known = [(store, codec) for store in stores.values() if (codec := _known_codec(store.codec)) is not None]
    lossy = [store for store, codec in known if not codec.lossless]
    lossless = [store for store, codec in known if codec.lossless and store.row["max_abs_error"] == 0]
    return Losses(
        view=view,
        lossy=sorted(lossy, key=lambda store: (-(store.row["psnr_db"] or float("inf")), store.ratio, store.backend)),
        lossless=sorted(lossless, key=lambda store: (-store.ratio, store.backend, store.codec)),
        original=original,
    )


def _is_the_same_part(crop: Crop, original: Crop) -> bool:
    """Tell whether two crops are of one place in the same voxels: another version of storebench may have kept another part."""
    names = ("dataset_key", "sha256", "start", "extent")
    return all(getattr(crop, name) == getattr(original, name) for name in names)


def _is_known(row: Record) -> bool:
    """Tell whether it was measured how near the image is that comes back."""
    return row["max_abs_error"] is not None and (row["psnr_db"] is not None or row["max_abs_error"] == 0)
