"""Zarr v3's metadata as they lie in zarr.json: made from a request, for libraries that take them so, and read again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from storebench.backends._backend import WriteRequest
from storebench.codecs import Codec
from storebench.grid import Layout

_LITTLE: Final = {"name": "bytes", "configuration": {"endian": "little"}}


def v3_document(request: WriteRequest) -> dict[str, Any]:
    """Return data type, codecs and dimension names of an array, and its chunk grid where a layout is asked for.

    Shape and fill value are not in it: the same request is used for each level.
    """
    layout = request.layout
    codecs = _codecs(request.codec, request.dtype.itemsize)
    if layout is not None and layout.shard_shape is not None:
        index_codecs = [_LITTLE, {"name": "crc32c"}]
        sharding = {"chunk_shape": list(layout.chunk_shape), "codecs": codecs, "index_codecs": index_codecs}
        codecs = [{"name": "sharding_indexed", "configuration": sharding}]
    document: dict[str, Any] = {
        "data_type": request.dtype.name,
        "codecs": codecs,
        "dimension_names": list(request.axes),
    }
    if layout is not None:
        document["chunk_grid"] = {"name": "regular", "configuration": {"chunk_shape": list(layout.object_shape)}}
    return document


def _codecs(codec: Codec, typesize: int) -> list[dict[str, Any]]:
    """Return the codecs of one chunk, in the order in which they encode."""
    made: list[dict[str, Any]] = [_LITTLE]
    if codec.kind == "gzip":
        made.append({"name": "gzip", "configuration": {"level": codec.level}})
    elif codec.kind == "zstd":
        made.append({"name": "zstd", "configuration": {"level": codec.level, "checksum": False}})
    elif codec.kind == "blosc":
        settings = {"cname": codec.compressor, "clevel": codec.level, "shuffle": codec.shuffle}
        made.append({"name": "blosc", "configuration": settings | {"typesize": typesize, "blocksize": 0}})
    if (
        codec.crc32c
    ):  # without a configuration zarrista writes its bare name, which zarr-python and tensorstore do not read
        made.append({"name": "crc32c", "configuration": {}})
    return made


def v3_layout(document: Mapping[str, Any]) -> Layout:
    """Return chunks and shards as an array's metadata say."""
    outer = tuple(document["chunk_grid"]["configuration"]["chunk_shape"])
    codec = document["codecs"][0]
    if codec["name"] != "sharding_indexed":
        return Layout(chunk_shape=outer)
    return Layout(chunk_shape=tuple(codec["configuration"]["chunk_shape"]), shard_shape=outer)
