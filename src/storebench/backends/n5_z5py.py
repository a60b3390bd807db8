"""N5 by z5py: one dataset in a container, blocks in files of their own; see `_n5` for axes and byte order.

Where z5py cannot be held to the terms of the others, and so differs from tensorstore's N5:

- **blocks of nothing but 0 are never written**, and removed where they were: it has no setting for it.
- a block at the edge is cut, as N5's own library does; a block larger than the image it would shrink silently, which is refused.
- **Blosc's level is 5 whatever is asked** (z5py 3.0.2 reads it by another name than it takes it): other levels are refused.
- gzip is libdeflate's, whose levels cost and give something else than zlib's; level 0 compresses too, and is refused.
- **writing a part of a whole block at the edge destroys its other voxels** (z5py 3.0.2): tensorstore writes such blocks, and
  a write into one is refused. z5py's own are cut.

Files are written in place, not renamed, and opened behind Python's back: nothing is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from storebench.backends import _n5
from storebench.backends._backend import BlockCodec, ParallelWrites, StoredAs, WriteOrder, WriteRequest
from storebench.backends._refusals import check_thread_limit, missing_distributions
from storebench.backends._single_file import check_region, check_values
from storebench.codecs import SHUFFLES, Codec
from storebench.errors import DataError, StorageError, UnsupportedError
from storebench.grid import Region, Shape, block_region, blocks_touched
from storebench.stores import Location

_BLOSC_LEVEL: Final = 5
_limit: dict[str, int] = {}


class N5Z5py:
    """One image of 2 to 5 axes."""

    name = "n5-z5py"
    format = "n5"
    library = "z5py"
    distributions = ("z5py",)
    suffix = ".n5"
    extra = "z5py"
    partial_read = True
    makes_levels = False
    parallel_writes: ParallelWrites = "processes"
    counts_reads = False
    counts_writes = False

    def why_unavailable(self) -> str | None:
        """Return None where z5py is installed."""
        return missing_distributions(self.distributions, self.extra)

    def why_unsupported(self, location: Location, request: WriteRequest) -> str | None:
        """Return None where exactly this can be stored, else the sentence."""
        sentence, codec, layout = _n5.why_not(self, request), request.codec, request.layout
        if sentence is not None:
            return sentence
        if codec.kind == "blosc" and codec.level != _BLOSC_LEVEL:
            exact = f"blosc-{codec.compressor}-{_BLOSC_LEVEL}-{codec.shuffle}"
            return f"{self.name} writes Blosc at level {_BLOSC_LEVEL} whatever is asked; use {exact}, or n5-tensorstore"
        if codec.kind == "gzip" and codec.level == 0:
            return f"{self.name} compresses at gzip's level 0 too; use none, or n5-tensorstore"
        if layout is not None and any(c > n for c, n in zip(layout.chunk_shape, request.shape, strict=True)):
            within = tuple(min(c, n) for c, n in zip(layout.chunk_shape, request.shape, strict=True))
            return f"{self.name} makes chunks no larger than the image; use {','.join(map(str, within))}, or n5-tensorstore"
        return None

    def write_order(self, request: WriteRequest) -> WriteOrder:
        """Any region."""
        return "any"

    @contextmanager
    def create(self, location: Location, request: WriteRequest) -> Iterator[_Z5pyWriter]:
        """Begin a new container with one dataset."""
        import z5py

        with _storing(location):
            file = z5py.N5File(location.path, mode="x")
            dataset = file.create_dataset(
                _n5.DATASET,
                shape=request.shape,
                dtype=request.dtype,
                chunks=None if request.layout is None else request.layout.chunk_shape,
                n_threads=_limit.get("threads", 1),
                **_compression(request.codec),
            )
            dataset.attrs["axes"] = list(request.axes[::-1])
        yield _Z5pyWriter(location, dataset)

    @contextmanager
    def open(self, location: Location) -> Iterator[_Z5pyReader]:
        """Open the stored dataset."""
        yield _Z5pyReader(location, _open(location, "r"))

    @contextmanager
    def reopen(self, location: Location) -> Iterator[_Z5pyWriter]:
        """Open the stored dataset for writing into it."""
        yield _Z5pyWriter(location, _open(location, "r+"), written_by_others=True)

    def block_codec(self, request: WriteRequest) -> BlockCodec | str:
        """There is none."""
        return "z5py compresses inside of datasets only; use zarr3-zarrpython for the codec alone"

    def limit_threads(self, threads: int) -> str | None:
        """Hold datasets opened from now on to so many threads; without it they use z5py's own default, which is one."""
        check_thread_limit(threads)
        _limit["threads"] = threads
        return None

    def facts(self) -> Mapping[str, str]:
        """Return what is not as in other libraries."""
        return {
            "z5py empty chunks": "never written (it has no setting for it)",
            "z5py gzip": "libdeflate",
            "z5py threads": f"{_limit.get('threads', 1)} (its own default: 1)",
        }


def _compression(codec: Codec) -> dict[str, Any]:
    """Return z5py's names for a codec."""
    if codec.kind in ("gzip", "zstd"):
        return {"compression": codec.kind, "level": codec.level}
    if codec.kind == "blosc":
        shuffle = SHUFFLES.index(str(codec.shuffle))
        return {"compression": "blosc", "codec": codec.compressor, "clevel": codec.level, "shuffle": shuffle}
    return {"compression": "raw"}


def _open(location: Location, mode: str) -> Any:
    """Open the stored dataset.

    Raises
    ------
    DataError
        If there is none, or its attributes cannot be understood.
    """
    import z5py

    for file in (location.path / _n5.ATTRIBUTES, _n5.dataset_folder(location) / _n5.ATTRIBUTES):
        if not file.is_file():
            raise DataError(f"{location.path} is no N5 container with a dataset: it has no {file}; check the path")
    try:
        dataset = z5py.N5File(location.path, mode=mode)[_n5.DATASET]
        if not isinstance(dataset, z5py.Dataset):
            raise TypeError("no dimensions")
    except (RuntimeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(location, error) from error
    dataset.n_threads = _limit.get("threads", 1)
    return dataset


def _damaged(location: Location, error: Exception) -> DataError:
    file = _n5.dataset_folder(location) / _n5.ATTRIBUTES
    return DataError(
        f"the attributes {file} or those of the container around it cannot be understood by z5py "
        f"({' '.join(str(error).split())}); restore them from a copy or write the image anew"
    )


@contextmanager
def _storing(location: Location) -> Iterator[None]:
    """Say what could not be written."""
    try:
        yield
    except RuntimeError as error:
        raise StorageError(f"writing into {location.path} failed: {' '.join(str(error).split())}") from error


class _Z5pyWriter:
    """Writes regions; what lies in a block beside the region is read, kept and written again.

    Parameters
    ----------
    location : Location
        The image.
    dataset : z5py.Dataset
        It, open.
    written_by_others : bool
        Whether there may be blocks that another library wrote.
    """

    def __init__(self, location: Location, dataset: Any, *, written_by_others: bool = False) -> None:
        self._location, self._dataset, self._written_by_others = location, dataset, written_by_others

    def write(self, region: Region, values: NDArray, level: int = 0) -> None:
        """Store a region."""
        check_values(self._dataset, region, values, level)
        if self._written_by_others:
            self._refuse_whole_blocks_at_the_edge(region)
        with _storing(self._location):
            self._dataset[region.slices] = values

    def _refuse_whole_blocks_at_the_edge(self, region: Region) -> None:
        """Refuse to write a part of a block that sticks out of the image."""
        chunk, shape = tuple(self._dataset.chunks), tuple(self._dataset.shape)
        for index in blocks_touched(region, chunk):
            own = block_region(index, chunk, shape)
            if own.shape == chunk or region.intersection(own) == own:
                continue
            path = _n5.block_path(self._location, index)
            if path.is_file() and _n5.block_shape(path, len(shape)) not in (own.shape, None):
                raise UnsupportedError(
                    f"the chunk file {path} sticks out of the image, as tensorstore writes it, and z5py would destroy what lies "
                    "in it beside the region; write whole chunks, or use n5-tensorstore"
                )

    def flush(self) -> None:
        """Do nothing: each write has closed the files of its blocks, and the attributes were there before."""


class _Z5pyReader:
    """Reads regions of the one dataset."""

    def __init__(self, location: Location, dataset: Any) -> None:
        self._location, self._dataset = location, dataset

    @property
    def levels(self) -> tuple[Shape, ...]:
        """Its one shape."""
        return (tuple(self._dataset.shape),)

    def read(self, region: Region, level: int = 0) -> NDArray:
        """Return the voxels of a region."""
        check_region(self._location, self.levels, region, level)
        try:
            values: NDArray = self._dataset[region.slices]
        except RuntimeError as error:
            raise DataError(
                f"the chunk file {self._damaged_block(region)} is damaged ({' '.join(str(error).split())}); "
                "restore it from a copy or write the image anew"
            ) from error
        return values

    def _damaged_block(self, region: Region) -> Path:
        """Return the first block that cannot be read: z5py does not say which."""
        chunk, shape = tuple(self._dataset.chunks), self.levels[0]
        for index in blocks_touched(region, chunk):
            try:
                self._dataset[block_region(index, chunk, shape).slices]
            except RuntimeError:
                return _n5.block_path(self._location, index)
        return _n5.dataset_folder(self._location)

    def stored_as(self) -> StoredAs:
        """Return layout and codec as found in the attributes, after a look at every block's size."""
        try:
            attributes = _n5.Attributes.parse((_n5.dataset_folder(self._location) / _n5.ATTRIBUTES).read_bytes())
        except (ValueError, KeyError, TypeError) as error:
            raise _damaged(self._location, error) from error
        return _n5.describe(self._location, attributes)
