"""OME-Zarr by ngff-zarr: Dask arrays, written and read through zarrista (Rust).

ngff-zarr cuts chunks and shards to what an image holds of them, and leaves out chunks of zeros without a switch against it:
the first is refused where something else was asked, the second is made up for by zarr-python where there are such chunks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from numpy.typing import NDArray

from storebench.backends import _omezarr
from storebench.backends._backend import ArrayReader, ArrayWriter, BlockCodec, WriteRequest
from storebench.backends._omezarr_writers import (
    LevelsReader,
    LevelsWriter,
    OmeZarrLibrary,
    image_name,
    store_what_was_left_out,
)
from storebench.backends._process_threads import dask_of_this_process, limit_dask_threads, limit_rayon_threads
from storebench.backends._refusals import check_thread_limit, refusal
from storebench.codecs import SHUFFLES, Codec
from storebench.grid import Layout, Shape, grid_shape
from storebench.stores import Location

_DTYPES: Final = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64"


class OmeZarrNgffZarr(OmeZarrLibrary):
    """One version of OME-Zarr by ngff-zarr."""

    short = "ngffzarr"
    library = "ngff-zarr"
    distributions = ("ngff-zarr", "zarrista", "dask")
    extra = "ngff-zarr"

    def why_unsupported(self, location: Location, request: WriteRequest) -> str | None:
        """Return None where exactly this can be stored, else the sentence."""
        sentence = refusal(
            self,
            request,
            n_axes=range(2, 6),
            dtypes=_DTYPES,
            kinds=("none", "gzip", "zstd", "blosc"),
            levels=True,
            shards=self.zarr_format == 3,
        ) or _omezarr.why_not(self.name, f"zarr{self.zarr_format}-zarrpython", request)
        if sentence is None and (request.codec.predictor or request.codec.crc32c):
            return f"{self.name} writes voxels and one compressor, without predictor or checksum; use {self.plain.name}"
        if sentence is None and request.layout is not None:
            return self._why_not_cut(request.shape, request.layout)
        return sentence

    def _why_not_cut(self, shape: Shape, layout: Layout) -> str | None:
        """Return the sentence for chunks and shards that ngff-zarr would cut to the image, or None."""
        chunk, shard = layout.chunk_shape, layout.shard_shape
        fitting = tuple(map(min, chunk, shape))
        if fitting != chunk:
            return (
                f"{self.name} cuts chunks to the image: ask for {fitting} instead of {chunk}, or use {self.plain.name}"
            )
        most = tuple(n * c for n, c in zip(grid_shape(shape, chunk), chunk, strict=True))
        if shard is not None and tuple(map(min, shard, most)) != shard:
            fitting = tuple(map(min, shard, most))
            return (
                f"{self.name} cuts shards to the image: ask for {fitting} instead of {shard}, or use {self.plain.name}"
            )
        return None

    @contextmanager
    def create(self, location: Location, request: WriteRequest) -> Iterator[ArrayWriter]:
        """Begin a new image, which is stored when its last level has come."""

        def store(levels: Sequence[NDArray]) -> None:
            self._store(location, request, levels)

        writer = LevelsWriter(request, store)
        yield writer
        writer.close()

    @dask_of_this_process()
    def _store(self, location: Location, request: WriteRequest, levels: Sequence[NDArray]) -> None:
        import ngff_zarr

        images = _images(request, levels, image_name(location))
        paths = [str(level) for level in range(len(levels))]
        ngff_zarr.to_ngff_zarr(
            str(location.path),
            ngff_zarr.NgffMultiscales(images, self._metadata(request, paths, image_name(location))),
            version=self.version,
            overwrite=False,
            consolidate_metadata=False,
            chunks_per_shard=_chunks_per_shard(request.layout),
            **self._compression(request.codec),
        )
        layouts = [_stored_layout(image.data.chunksize, request.layout, image.data.shape) for image in images]
        store_what_was_left_out(location, list(zip(paths, levels, layouts, strict=True)), zarr_format=self.zarr_format)

    def _metadata(self, request: WriteRequest, paths: Sequence[str], name: str) -> Any:
        from ngff_zarr import v04, v05
        from ngff_zarr.v04.zarr_metadata import Axis, Dataset, Scale, Translation

        made = {"scale": Scale, "translation": Translation}
        datasets = [
            Dataset(path=path, coordinateTransformations=[made[t["type"]](t[t["type"]]) for t in transforms])
            for path, transforms in zip(paths, _omezarr.level_transforms(request), strict=True)
        ]
        module = v04 if self.version == "0.4" else v05
        axes = [Axis(name=axis, type=_omezarr.axis_type(axis)) for axis in request.axes]
        return module.zarr_metadata.Metadata(axes=axes, datasets=datasets, coordinateTransformations=None, name=name)

    def _compression(self, codec: Codec) -> dict[str, Any]:
        """Return ngff-zarr's words for a codec."""
        settings: dict[str, Any] = {"level": codec.level}
        if codec.kind == "zstd":
            settings["checksum"] = False
        elif codec.kind == "blosc":
            shuffle = SHUFFLES.index(str(codec.shuffle)) if self.zarr_format == 2 else codec.shuffle
            settings = {"cname": codec.compressor, "clevel": codec.level, "shuffle": shuffle}
        if self.zarr_format == 2:
            settings.pop("checksum", None)
            return {"compressor": None if codec.kind == "none" else {"id": codec.kind, **settings}}
        return {"compressors": [] if codec.kind == "none" else [{"name": codec.kind, "configuration": settings}]}

    @contextmanager
    def open(self, location: Location) -> Iterator[ArrayReader]:
        """Open a stored image with all of its levels, as ngff-zarr does."""
        with self.opening(location):
            import ngff_zarr

            images = ngff_zarr.from_ngff_zarr(str(location.path), version=self.version).images
        yield _Reader(self, location, images)

    def block_codec(self, request: WriteRequest) -> BlockCodec | str:
        """Return the sentence: zarrista compresses inside its own writes."""
        return f"zarrista compresses where it writes, not alone; the same codec alone is {self.plain.name}'s"

    def limit_threads(self, threads: int) -> str | None:
        """Hold Dask's threads, and Rust's where their pool is not there yet."""
        check_thread_limit(threads)
        limit_dask_threads(threads)
        return limit_rayon_threads(threads, ("zarrista",))


class _Reader(LevelsReader):
    """Computes regions of ngff-zarr's Dask arrays."""

    def __init__(self, backend: OmeZarrNgffZarr, location: Location, images: Sequence[Any]) -> None:
        super().__init__(backend, location, len(images))
        self._images = images

    def open_level(self, level: int) -> Any:
        """Return the Dask array of a level, which is there already."""
        return self._images[level].data

    def voxels(self, array: Any, slices: tuple[slice, ...]) -> NDArray:
        """Compute a part of it."""
        with dask_of_this_process():
            values: NDArray = array[slices].compute()
        return values


def _images(request: WriteRequest, levels: Sequence[NDArray], name: str) -> list[Any]:
    """Return the levels as ngff-zarr's images, in chunks of the layout or of its own choice for level 0."""
    import ngff_zarr

    images = [ngff_zarr.to_ngff_image(values, dims=tuple(request.axes), name=name) for values in levels]
    if request.layout is None:
        chunk_shape = ngff_zarr.to_multiscales(images[0], scale_factors=[]).images[0].data.chunksize
    else:
        chunk_shape = request.layout.chunk_shape
    for image in images:
        image.data = image.data.rechunk(chunk_shape)
    return images


def _chunks_per_shard(layout: Layout | None) -> tuple[int, ...] | None:
    if layout is None or layout.shard_shape is None:
        return None
    return tuple(s // c for s, c in zip(layout.shard_shape, layout.chunk_shape, strict=True))


def _stored_layout(chunk: Shape, layout: Layout | None, shape: Shape) -> Layout:
    """Return the chunks and shards that a level has got, cut to what it holds of them."""
    times = _chunks_per_shard(layout)
    if times is None:
        return Layout(chunk_shape=chunk)
    whole = zip(chunk, times, grid_shape(shape, chunk), strict=True)
    return Layout(chunk_shape=chunk, shard_shape=tuple(c * min(n, most) for c, n, most in whole))
