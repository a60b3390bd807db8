"""Snippets for more libraries of chunked arrays: zarrista, Icechunk, acquire-zarr and python-blosc2."""

from __future__ import annotations

import json
from typing import Final

from storebench.advise import _snippets_zarr
from storebench.advise._snippet import CODEC_GAP, LAYOUT_GAP, Gaps, Wanted
from storebench.codecs import SHUFFLES, Codec

_ZARRISTA: Final = f"""\
import zarrista
from zarrista import codec

outer, inner = image.shape, None
{LAYOUT_GAP}codecs = [
{CODEC_GAP}]
grid = zarrista.ChunkGrid.regular(image.shape, chunk_shape=outer)
dtype = zarrista.DataType.from_string(image.dtype.name)
zero = zarrista.FillValue(bytes(image.itemsize))
builder = zarrista.ArrayBuilder(grid, dtype, zero)
builder = builder.compressors(codecs).subchunk_shape(inner)
<<names>>array = builder.create(zarrista.store.FilesystemStore("image.zarr"), "/")
whole = tuple(slice(0, n) for n in image.shape)
array.store_array_subset(whole, image, store_empty_chunks=True)
"""
_ICECHUNK: Final = """\
import icechunk
import zarr

storage = icechunk.local_filesystem_storage("image.icechunk")
session = icechunk.Repository.create(storage).writable_session("main")
"""
_ACQUIRE: Final = f"""\
import acquire_zarr as aqz

chunks = shards = (1,) * (image.ndim - 2) + image.shape[-2:]
{LAYOUT_GAP}compression = None
{CODEC_GAP}dimensions = [
    aqz.Dimension(
        name=name,
        kind=aqz.DimensionType.SPACE,
        array_size_px=n,
        chunk_size_px=chunk,
        shard_size_chunks=shard // chunk,
    )
    for name, n, chunk, shard in zip(<<names>>, image.shape, chunks, shards)
]
array = aqz.ArraySettings(
    dimensions=dimensions, data_type=image.dtype, compression=compression
)
settings = aqz.StreamSettings(arrays=[array], store_path="image.zarr")
stream = aqz.ZarrStream(settings)
stream.append(image)  # C-contiguous; its type is not checked
stream.close()
"""
_BLOSC2: Final = f"""\
import blosc2

settings = blosc2.CParams(
{CODEC_GAP}    filters_meta=[0],
    typesize=image.itemsize,
)
blosc2.asarray(
    image,
    urlpath="image.b2nd",
    mode="w",
    cparams=settings,
{LAYOUT_GAP})
"""
_FILTERS: Final = ("NOFILTER", "SHUFFLE", "BITSHUFFLE")


def zarrista(wanted: Wanted) -> Gaps:
    """Store in Zarr v3 by zarrista."""
    names = "" if wanted.axes is None else f"builder = builder.dimension_names({json.dumps(list(wanted.axes))})\n"
    layout = ""
    if wanted.chunk_shape is not None:
        inner = None if wanted.shard_shape is None else wanted.chunk_shape
        layout = f"outer, inner = {wanted.shard_shape or wanted.chunk_shape}, {inner}\n"
    return Gaps(template=_ZARRISTA.replace("<<names>>", names), layout=layout, codec=_zarrista_codecs(wanted.codec))


def _zarrista_codecs(codec: Codec) -> str:
    steps = []
    if codec.kind == "gzip":
        steps.append(f"codec.gzip({codec.level})")
    elif codec.kind == "zstd":
        steps.append(f"codec.zstd({codec.level}, checksum=False)")
    elif codec.kind == "blosc":
        steps.append(f'codec.blosc("{codec.compressor}", {codec.level}, "{codec.shuffle}", typesize=image.itemsize)')
    if codec.crc32c:
        steps.append("codec.crc32c()")
    return "".join(f"    {step},\n" for step in steps)


def icechunk(wanted: Wanted) -> Gaps:
    """Store in an Icechunk repository by zarr-python."""
    made = _snippets_zarr.zarr3(wanted)
    array = made.template.partition("import zarr\n")[2].replace('"image.zarr"', "session.store")
    return Gaps(template=f'{_ICECHUNK}{array.lstrip()}session.commit("image")\n', layout=made.layout, codec=made.codec)


def acquire_zarr(wanted: Wanted) -> Gaps:
    """Store in Zarr v3 by a stream of acquire-zarr."""
    names = f'"{wanted.axes}"' if wanted.axes is not None else '"abcde"'
    layout = codec = ""
    if wanted.chunk_shape is not None:
        layout = f"chunks, shards = {wanted.chunk_shape}, {wanted.shard_shape or wanted.chunk_shape}\n"
    if wanted.codec.kind == "blosc":
        codec = f"""\
compression = aqz.CompressionSettings(
    compressor=aqz.Compressor.BLOSC1,
    codec=aqz.CompressionCodec.BLOSC_{str(wanted.codec.compressor).upper()},
    level={wanted.codec.level},
    shuffle={SHUFFLES.index(str(wanted.codec.shuffle))},  # {wanted.codec.shuffle}
)
"""
    return Gaps(template=_ACQUIRE.replace("<<names>>", names), layout=layout, codec=codec)


def b2nd(wanted: Wanted) -> Gaps:
    """Store with python-blosc2, one array in one file."""
    codec, layout = wanted.codec, ""
    compressor, shuffle = (codec.compressor or "blosclz").upper(), SHUFFLES.index(codec.shuffle or "noshuffle")
    lines = f"""\
    codec=blosc2.Codec.{compressor},
    clevel={codec.level or 0},
    filters=[blosc2.Filter.{_FILTERS[shuffle]}],
"""
    if wanted.chunk_shape is not None:
        layout = f"    chunks={wanted.shard_shape or wanted.chunk_shape},\n    blocks={wanted.chunk_shape},\n"
    return Gaps(template=_BLOSC2, layout=layout, codec=lines)
