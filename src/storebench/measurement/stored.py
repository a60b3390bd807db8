"""Stores that are written once per setting, verified, and then read by many cases and processes."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import storebench.backends
import storebench.levels
import storebench.zarr_codecs
from storebench.backends import Backend, StoredAs, WriteRequest, write_array
from storebench.codecs import parse_codec
from storebench.errors import VerificationError
from storebench.grid import Region
from storebench.levels import build_levels, level_factors
from storebench.measurement.crops import crop_of
from storebench.measurement.fidelity import Fidelity, verified
from storebench.measurement.images import Image
from storebench.records import Case, Crop
from storebench.storage import Storage, content_key
from storebench.stores import Location

_FACTS: Final = "store.json"
_RATIO_SLACK: Final = 1.05
_HEADER_BYTES: Final = 1024
_FACTS_VERSION: Final = 4
"""Of what is kept of a verified store; part of its key, so that a store with older facts is written and verified anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImage:
    """A verified store.

    Attributes
    ----------
    location : Location
        The file or folder.
    request : WriteRequest
        What was asked.
    stored : StoredAs
        What is there.
    stored_bytes, n_files : int
        On disk, metadata included.
    write_s : float
        Seconds that writing it took, once: how long a write is, roughly, before any is counted.
    fidelity : Fidelity
        How near level 0 is to the source.
    level_errors : sequence of float
        Largest error of each level, in the image's units.
    decoded_crop : str or None
        The voxels at the place of the image's crop as they came back, packed; None for lossless codecs: they are the source's.
    """

    location: Location
    request: WriteRequest
    stored: StoredAs
    stored_bytes: int
    n_files: int
    write_s: float
    fidelity: Fidelity
    level_errors: Sequence[float]
    decoded_crop: str | None

    def crops(self, backend: str, original: Crop) -> tuple[Crop, ...]:
        """Return the part of the image that is kept for pictures, and of a lossy codec the same part as it came back."""
        if self.decoded_crop is None:
            return (original,)
        layout = self.stored.layout
        decoded = dataclasses.replace(
            original,
            packed=self.decoded_crop,
            backend=backend,
            codec=self.request.codec.name,
            chunk_shape=layout.chunk_shape if layout else None,
            shard_shape=layout.shard_shape if layout else None,
        )
        return original, decoded


def write_request(case: Case, image: Image) -> WriteRequest:
    """Return what a case asks a backend to store."""
    return WriteRequest(
        shape=image.shape,
        dtype=image.dtype,
        axes=image.axes,
        codec=parse_codec(case.codec),
        layout=case.layout,
        level_factors=level_factors(image.axes, image.shape, case.n_levels, along=case.level_axes),
        level_method=case.level_method,
        stack_axis=case.stack_axis,
    )


def stored_image_of(
    storage: Storage, backend: Backend, request: WriteRequest, image: Image, versions: Mapping[str, str]
) -> StoredImage:
    """Return the store of a setting; it is written and verified the first time, and found again afterwards.

    Parameters
    ----------
    storage : Storage
        Where stores are kept.
    backend, request, image
        Who stores what, and how.
    versions : mapping of str to str
        Of the libraries and builds that take part: another version writes another store.

    Raises
    ------
    UnsupportedError
        If the backend cannot store exactly that.
    VerificationError
        If what is read back is not what was written, or not within the codec's bound.
    """
    asked = dataclasses.asdict(request) | {"dtype": request.dtype.name}
    key = content_key(
        {
            "image": image.key,
            "backend": backend.name,
            "request": asked,
            "versions": dict(versions),
            "code": _writers_hash(),
            "facts": _FACTS_VERSION,
        }
    )
    folder = storage.entry("stores", key)
    if folder is None:
        storage.require_free(2 * math.prod(request.shape) * request.dtype.itemsize)
        with storage.making("stores", key) as new:
            facts = _write_and_verify(backend, Location(new / f"image{backend.suffix}"), request, image)
            (new / _FACTS).write_text(json.dumps(facts))
        folder = storage.root / "stores" / key
    return _load(folder, backend, request)


@functools.cache
def _writers_hash() -> str:
    """Return a hash of the code that writes and makes levels: a mended writer must not find its old stores."""
    package = Path(storebench.backends.__file__).parent
    digest = hashlib.sha256()
    beside = (storebench.levels, storebench.zarr_codecs)
    for path in (*sorted(package.glob("*.py")), *(Path(str(module.__file__)) for module in beside)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _write_and_verify(backend: Backend, location: Location, request: WriteRequest, image: Image) -> dict[str, Any]:
    levels = build_levels(image.voxels(), request.level_factors, request.level_method)
    start = time.perf_counter()
    write_array(backend, location, request, levels)
    write_s = round(time.perf_counter() - start, 6)
    stored_bytes, n_files = location.size()
    with backend.open(location) as reader:
        whole = reader.read(Region.whole(levels[0].shape))
        fidelity = verified(whole, levels[0], request.codec)
        crop = None if request.codec.lossless else crop_of(whole, image.crop)
        errors = [fidelity.max_abs_error]
        for level, values in enumerate(levels[1:], start=1):
            smaller = reader.read(Region.whole(values.shape), level)
            errors.append(verified(smaller, values, request.codec).max_abs_error)
    if request.codec.ratio is not None:
        allowed = levels[0].nbytes / request.codec.ratio * _RATIO_SLACK + _HEADER_BYTES * n_files
        if stored_bytes > allowed:
            raise VerificationError(
                f"{request.codec.name}: {stored_bytes} bytes are stored, {allowed:.0f} at most were asked for"
            )
    sizes = {"stored_bytes": stored_bytes, "n_files": n_files, "write_s": write_s}
    return sizes | {"fidelity": dataclasses.asdict(fidelity), "level_errors": errors, "decoded_crop": crop}


def _load(folder: Path, backend: Backend, request: WriteRequest) -> StoredImage:
    facts = json.loads((folder / _FACTS).read_text())
    location = Location(folder / f"image{backend.suffix}")
    with backend.open(location) as reader:
        stored = reader.stored_as()
    fidelity = Fidelity(**facts.pop("fidelity"))
    return StoredImage(location=location, request=request, stored=stored, fidelity=fidelity, **facts)
