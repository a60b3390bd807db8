"""Neutral codecs as zarr's, and back: from the metadata of an opened array to the neutral name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from storebench.codecs import SHUFFLES, Codec, parse_codec
from storebench.errors import UnknownNameError
from storebench.grid import Shape
from storebench.zarr_codecs import (
    FILTERS,
    V3_PREFIX,
    array_codec,
    name_of_array_codec,
    suffix_of_filter,
)

BUILT_IN: Final = ("none", "gzip", "zstd", "blosc")
"""Codec families that zarr has of itself, in both versions of the format, and every pipeline with it."""

KINDS: Final = BUILT_IN
"""Codec families that zarr-python's own pipeline has."""

BLOSC_MAX_BYTES: Final = 2**31 - 17
"""Largest block that Blosc 1 takes: its header counts in signed 32-bit integers."""


def why_not(name: str, codec: Codec, chunk_bytes: int) -> str | None:
    """Return the sentence for what zarr's codecs cannot do, or None.

    Parameters
    ----------
    name : str
        The backend's name.
    codec : Codec
        What is asked; its kind is one of `KINDS`.
    chunk_bytes : int
        Size of one decoded chunk.
    """
    if codec.predictor:
        return f"{name} has no predictor, which is TIFF's; use a shuffle instead, as in blosc-zstd-3-shuffle"
    if codec.kind == "blosc" and chunk_bytes > BLOSC_MAX_BYTES:
        limit = f"Blosc takes chunks of at most {BLOSC_MAX_BYTES} bytes"
        return f"{limit}, these have {chunk_bytes}; use smaller chunks or zstd-3"
    return None


def v2_codecs(codec: Codec, dtype: np.dtype, chunk_shape: Shape | None, *, typesize: int | None = None) -> list[Any]:
    """Return the numcodecs objects, in the order in which they encode, for Zarr v2.

    Parameters
    ----------
    codec : Codec
        What is asked.
    dtype : numpy.dtype
        Of a voxel.
    chunk_shape : tuple of int or None
        Voxels of a chunk; None: zarr chooses.
    typesize : int, optional
        Bytes per voxel for Blosc's shuffle; None: taken from each buffer, as Zarr v2 does.
    """
    import numcodecs
    from numcodecs.checksum32 import CRC32C

    made: list[Any] = []
    if codec.filter is not None:
        step = FILTERS[codec.filter]
        made.append(numcodecs.get_codec({"id": step.id, **step.settings(codec, dtype)}))
    whole = array_codec(codec)
    if whole is not None:
        kept = {"shape": chunk_shape, "dtype": dtype.str} if codec.kind == "sz3" else {}  # v2 does not tell a codec
        made.append(numcodecs.get_codec({"id": whole.id, **whole.settings(codec), **kept}))
    elif codec.kind == "gzip":
        made.append(numcodecs.GZip(codec.level))
    elif codec.kind == "zstd":
        made.append(numcodecs.Zstd(codec.level))
    elif codec.kind == "blosc":
        shuffle = SHUFFLES.index(str(codec.shuffle))
        made.append(numcodecs.Blosc(codec.compressor, codec.level, shuffle, blocksize=0, typesize=typesize))
    if codec.crc32c:
        made.append(CRC32C())
    return made


def v3_codecs(codec: Codec, dtype: np.dtype) -> dict[str, Any]:
    """Return the three kinds of codecs of Zarr v3, as `zarr.create_array` takes them.

    Parameters
    ----------
    codec : Codec
        What is asked.
    dtype : numpy.dtype
        Of a voxel.
    """
    from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ZstdCodec

    filters: list[Any] = []
    compressors: list[Any] = []
    serializer: Any = "auto"
    whole = array_codec(codec)
    if codec.filter is not None:
        step = FILTERS[codec.filter]
        kind = compressors if step.on_bytes else filters
        kind.append(_named(V3_PREFIX + step.id, step.settings(codec, dtype)))
    if whole is not None:
        serializer = _named(whole.id_in(3), whole.settings(codec))
    elif codec.kind == "gzip":
        compressors.append(GzipCodec(level=codec.level))
    elif codec.kind == "zstd":
        compressors.append(ZstdCodec(level=codec.level, checksum=False))
    elif codec.kind == "blosc":
        settings: dict[str, Any] = {"cname": codec.compressor, "clevel": codec.level, "shuffle": codec.shuffle}
        compressors.append(BloscCodec(**settings, typesize=dtype.itemsize, blocksize=0))
    if codec.crc32c:
        compressors.append(Crc32cCodec())
    return {"filters": filters or None, "serializer": serializer, "compressors": compressors or None}


def _named(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "configuration": dict(settings)}


def neutral_name(metadata: Mapping[str, Any], dtype: np.dtype) -> tuple[str, str]:
    """Find the neutral codec name in an array's metadata.

    Parameters
    ----------
    metadata : mapping
        The array's metadata as JSON objects, of either version.
    dtype : numpy.dtype
        Of a voxel.

    Returns
    -------
    tuple of str
        The name and a remark; the name is "?" where no neutral name says exactly this.
    """
    if metadata["zarr_format"] == 2:
        steps = [*(metadata.get("filters") or ()), metadata.get("compressor")]
        chain = [_flat_v2(step, dtype.itemsize) for step in steps if step is not None]
    else:
        chain = [(str(c["name"]), dict(c.get("configuration") or {})) for c in _inner(metadata["codecs"])]
    remarks: list[str] = []
    name = _name_of(chain, dtype, remarks)
    try:
        parse_codec(name)
    except UnknownNameError:
        return "?", f"codecs on disk: {json.dumps(chain, default=str)}"
    return name, "; ".join(remarks)


def _name_of(chain: Sequence[tuple[str, dict[str, Any]]], dtype: np.dtype, remarks: list[str]) -> str:
    """Return the name of steps in the order in which they encode; none that parses where they have none."""
    parts: list[str] = []
    suffix = ""
    for name, config in chain:
        if name == "bytes":  # what v3 has between voxels and bytes
            continue
        added = suffix_of_filter(name, config, dtype)
        if added is not None and not suffix:
            suffix = added
            continue
        part = name_of_array_codec(name, config) or _part(name, config, dtype.itemsize, remarks) or "?"
        parts.append(part + suffix)
        suffix = ""
    return "+".join(parts) + suffix or "none"


def _inner(codecs: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Return the codecs of one chunk: those inside the shard where there is one."""
    if len(codecs) == 1 and codecs[0]["name"] == "sharding_indexed":
        inner: Sequence[Mapping[str, Any]] = codecs[0]["configuration"]["codecs"]
        return inner
    return codecs


def _flat_v2(config: Mapping[str, Any], itemsize: int) -> tuple[str, dict[str, Any]]:
    """Return a v2 codec's configuration in v3's words."""
    rest = {key: value for key, value in config.items() if key != "id"}
    if config["id"] == "blosc":
        shuffle = rest["shuffle"]
        if shuffle == -1:  # "auto", which numcodecs resolves by the size of a voxel
            shuffle = 2 if itemsize == 1 else 1
        rest |= {"shuffle": SHUFFLES[shuffle], "typesize": rest.get("typesize") or itemsize}
    return str(config["id"]), rest


def _part(name: str, config: Mapping[str, Any], itemsize: int, remarks: list[str]) -> str | None:
    """Return one codec's part of the neutral name, or None where it has none."""
    if name == "gzip":
        return f"gzip-{config['level']}"
    if name == "zstd" and not config.get("checksum", False):
        if config["level"] == 0:
            remarks.append("zstd level 0 on disk, which is its default and equal to 3")
        return f"zstd-{config['level'] or 3}"
    if name == "blosc" and config.get("blocksize", 0) == 0 and config.get("typesize", itemsize) == itemsize:
        return f"blosc-{config['cname']}-{config['clevel']}-{config['shuffle']}"
    if name == "crc32c" and config.get("location", "end") == "end":
        return "crc32c"
    return None


class ZarrBlockCodec:
    """Compression of one chunk in memory, by the numcodecs functions that zarr calls.

    Parameters
    ----------
    codec : Codec
        What is asked.
    shape : tuple of int
        Voxels of a block.
    dtype : numpy.dtype
        Of a voxel.
    """

    def __init__(self, codec: Codec, shape: Shape, dtype: np.dtype) -> None:
        self._chain = v2_codecs(codec, dtype, shape, typesize=dtype.itemsize)
        self._shape, self._dtype = shape, dtype

    def encode(self, block: NDArray) -> bytes:
        """Compress one block of voxels."""
        data: Any = np.ascontiguousarray(block)
        for step in self._chain:
            data = step.encode(data)
        return data if isinstance(data, bytes) else memoryview(data).tobytes()

    def decode(self, data: bytes) -> NDArray:
        """Return the block again."""
        raw: Any = data
        for step in reversed(self._chain):
            raw = step.decode(raw)
        block = np.frombuffer(raw, dtype=self._dtype).reshape(self._shape)
        # Without a codec a view would measure nothing: an array has to be filled here as elsewhere.
        return block if self._chain else block.copy()
