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


def v2_codecs(codec: Codec, *, typesize: int | None = None) -> list[Any]:
    """Return the numcodecs objects, in the order in which they encode, for Zarr v2.

    Parameters
    ----------
    codec : Codec
        What is asked.
    typesize : int, optional
        Bytes per voxel for Blosc's shuffle; None: taken from each buffer, as Zarr v2 does.
    """
    import numcodecs
    from numcodecs.checksum32 import CRC32C

    made: list[Any] = []
    if codec.kind == "gzip":
        made.append(numcodecs.GZip(codec.level))
    elif codec.kind == "zstd":
        made.append(numcodecs.Zstd(codec.level))
    elif codec.kind == "blosc":
        shuffle = SHUFFLES.index(str(codec.shuffle))
        made.append(numcodecs.Blosc(codec.compressor, codec.level, shuffle, blocksize=0, typesize=typesize))
    if codec.crc32c:
        made.append(CRC32C())
    return made


def v3_codecs(codec: Codec, typesize: int) -> list[Any]:
    """Return zarr's own bytes-to-bytes codecs, in the order in which they encode, for Zarr v3.

    Parameters
    ----------
    codec : Codec
        What is asked.
    typesize : int
        Bytes per voxel, for Blosc's shuffle.
    """
    from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ZstdCodec

    made: list[Any] = []
    if codec.kind == "gzip":
        made.append(GzipCodec(level=codec.level))
    elif codec.kind == "zstd":
        made.append(ZstdCodec(level=codec.level, checksum=False))
    elif codec.kind == "blosc":
        cname: Any = codec.compressor
        made.append(BloscCodec(cname=cname, clevel=codec.level, shuffle=codec.shuffle, typesize=typesize, blocksize=0))
    if codec.crc32c:
        made.append(Crc32cCodec())
    return made


def neutral_name(metadata: Mapping[str, Any], itemsize: int) -> tuple[str, str]:
    """Find the neutral codec name in an array's metadata.

    Parameters
    ----------
    metadata : mapping
        The array's metadata as JSON objects, of either version.
    itemsize : int
        Bytes per voxel.

    Returns
    -------
    tuple of str
        The name and a remark; the name is "?" where no neutral name says exactly this.
    """
    if metadata["zarr_format"] == 2:
        steps = [*(metadata.get("filters") or ()), metadata.get("compressor")]
        chain = [_flat_v2(step, itemsize) for step in steps if step is not None]
    else:
        chain = [(str(c["name"]), dict(c.get("configuration") or {})) for c in _inner(metadata["codecs"])]
        if not chain or chain[0][0] != "bytes":
            return "?", f"codecs on disk: {json.dumps(metadata['codecs'], default=str)}"
        chain = chain[1:]
    remarks: list[str] = []
    parts = [_part(name, config, itemsize, remarks) for name, config in chain]
    name = "+".join(part or "?" for part in parts) or "none"
    try:
        parse_codec(name)
    except UnknownNameError:
        return "?", f"codecs on disk: {json.dumps(chain, default=str)}"
    return name, "; ".join(remarks)


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
        self._chain = v2_codecs(codec, typesize=dtype.itemsize)
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
