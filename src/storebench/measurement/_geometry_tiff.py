"""What TIFF must be asked for to read a region."""

from __future__ import annotations

import itertools
import math
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any

import numpy as np

from storebench.access import Request
from storebench.backends._tiff_tags import chunk_shape, described, page_shape
from storebench.errors import DataError
from storebench.grid import Region, Shape, blocks_touched, grid_shape
from storebench.measurement._geometry import Prediction
from storebench.stores import Location


def tiff(location: Location, reads: Sequence[Request]) -> Prediction:
    """Header, directories, strips or tiles.

    Directories of pages are a chain: each up to the last one needed. Those of smaller levels hang on their pages: the first
    page's are looked at when the file is opened, others with their voxels.
    """
    return _tiff(location, reads, by_store=False)


def tiff_by_store(location: Location, reads: Sequence[Request]) -> Prediction:
    """The same through tifffile's Zarr store, which parses all pages, and reads each strip or tile by itself."""
    return _tiff(location, reads, by_store=True)


def cog(location: Location, reads: Sequence[Request]) -> Prediction:
    """Header, the chain of directories to its end, tiles."""
    import tifffile

    with tifffile.TiffFile(location.path) as file:
        pages: Sequence[Any] = list(file.pages)
        keys = [pages[0], *(page for page in pages[1:] if page.is_reduced)]
        data = Prediction()
        for read in reads:
            key = keys[read.level]
            shape = page_shape(key)
            data += _voxels(
                key, shape, read, _touched(key, (i for _, i in _segments(read.region, shape, chunk_shape(key))))
            )
        return _with_directories(location, data, keys, n_pages=len(pages))


def _tiff(location: Location, reads: Sequence[Request], *, by_store: bool) -> Prediction:
    import tifffile

    with tifffile.TiffFile(location.path) as file:
        pages: Any = file.pages
        first = pages.first
        pages.useframes = True  # offsets and byte counts of the other pages, no more
        found = described(first)
        if found is None:
            raise DataError(f"{location.path} does not tell its shape, as storebench's files do; write the image anew")
        keys = [first, *(_sub_page(file, first.subifds[k], (0, k)) for k in range(len(first.subifds or ())))]
        last, data, hanging = len(pages) - 1 if by_store else 0, Prediction(), [key.offset for key in keys[1:]]
        for read in reads:
            key = keys[read.level]
            shape = (*found[0][: -len(page_shape(key))], *page_shape(key))
            touched = []
            for page, indexes in itertools.groupby(
                _segments(read.region, shape, chunk_shape(key)), key=lambda at: at[0]
            ):
                last = max(last, page)
                held = key if page == 0 else pages[page]
                if page and read.level:
                    held = _sub_page(file, held.subifds[read.level - 1], (page, read.level - 1), key)
                    hanging.append(held.offset)
                touched += _touched(held, (i for _, i in indexes))
            data += _voxels(key, shape, read, touched, in_runs=not by_store)
        return _with_directories(location, data, keys, n_pages=last + 1, hanging=hanging)


def _touched(page: Any, indexes: Iterable[int]) -> list[tuple[int, int]]:
    """Return (offset, bytes) of those strips or tiles of a page for which something is stored."""
    return [(page.dataoffsets[i], page.databytecounts[i]) for i in indexes if page.databytecounts[i]]


def _voxels(
    key: Any, shape: Shape, read: Request, touched: Sequence[tuple[int, int]], *, in_runs: bool = True
) -> Prediction:
    """Return what the strips or tiles of one read take: one request where they are one run of bytes."""
    one_run = in_runs and key.is_contiguous and read.region == Region.whole(shape) and _side_by_side(touched)
    return Prediction(requests=1 if one_run else len(touched), n_bytes=sum(size for _, size in touched))


def _with_directories(
    location: Location, data: Prediction, keys: Sequence[Any], *, n_pages: int, hanging: Sequence[int] = ()
) -> Prediction:
    """Add the header, the first pages' directories, and those at the offsets `hanging`."""
    with location.path.open("rb") as raw:
        directories = _directory_bytes(raw, n_pages, hanging)
    n_segments = max(math.prod(grid_shape(page_shape(key), chunk_shape(key))) for key in keys)
    # Values too long for their tag lie elsewhere: the first page's description, 2 × 8 bytes for each strip or tile at most.
    beside = 1024 + len(keys[0].description) + len(directories) * (max(directories) + 16 * n_segments)
    header = Prediction(requests=1, n_bytes=16 if keys[0].parent.is_bigtiff else 8, beside_bytes=beside)
    return header + data + Prediction(requests=len(directories), n_bytes=sum(directories), n_parts=len(directories))


def _sub_page(file: Any, offset: int, index: tuple[int, int], key: Any = None) -> Any:
    """Return a page of a smaller level: with all its tags, or where they are those of `key` without."""
    import tifffile

    if key is not None:
        return tifffile.TiffFrame(file, index, offset=offset, keyframe=key)
    file.filehandle.seek(offset)
    return tifffile.TiffPage(file, index=index)


def _side_by_side(touched: Sequence[tuple[int, int]]) -> bool:
    """Tell whether each of (offset, bytes) begins where the one before it ends."""
    return all(at + size == following for (at, size), (following, _) in itertools.pairwise(touched))


def _segments(region: Region, shape: Shape, chunk: Shape) -> Iterator[tuple[int, int]]:
    """Yield page and number in its page of each strip or tile that a region touches."""
    k, grid = len(chunk), grid_shape(shape[-len(chunk) :], chunk)
    part = Region(region.start[-k:], region.stop[-k:])
    lead = [range(a, b) for a, b in zip(region.start[:-k], region.stop[:-k], strict=True)]
    for position in itertools.product(*lead):
        page = int(np.ravel_multi_index(position, shape[:-k])) if position else 0
        for index in blocks_touched(part, chunk):
            yield page, int(np.ravel_multi_index(index, grid))


def _directory_bytes(file: IO[bytes], n_pages: int, hanging: Sequence[int]) -> list[int]:
    """Return the bytes of directories: the first pages' in their chain, and those at the offsets `hanging`."""
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = struct.unpack(f"{order}H", head[2:4])[0] == 43
    count, entry_bytes, link = ("Q", 20, "Q") if big else ("H", 12, "I")
    sizes = []

    def follow(at: int) -> int:
        """Note a directory's bytes and return where its link leads."""
        file.seek(at)
        (n_entries,) = struct.unpack(f"{order}{count}", file.read(struct.calcsize(f"{order}{count}")))
        file.seek(n_entries * entry_bytes, os.SEEK_CUR)
        (following,) = struct.unpack(f"{order}{link}", file.read(struct.calcsize(f"{order}{link}")))
        sizes.append(file.tell() - at)
        return int(following)

    (at,) = struct.unpack(f"{order}{link}", head[8:16] if big else head[4:8])
    for _ in range(n_pages):
        if not at:
            break
        at = follow(at)
    for offset in hanging:
        follow(offset)
    return sizes
