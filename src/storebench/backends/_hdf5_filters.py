"""HDF5's filters under neutral names: how h5py is asked for them, how they are found in a file, and where they come from.

A filter is a number and a few unsigned integers in the file. Beyond 255 it is no part of HDF5 but a plugin: LZF comes with
h5py, all others here with hdf5plugin. h5py asks for each as optional: HDF5 then stores a chunk that a filter cannot make
smaller without it, and notes that for the chunk.
"""

from __future__ import annotations

import importlib.metadata
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from storebench.backends._backend import WriteRequest
from storebench.backends._refusals import missing_distributions
from storebench.codecs import SHUFFLES, Codec, parse_codec
from storebench.errors import DataError, MissingDependencyError, UnknownNameError
from storebench.stores import Location

if TYPE_CHECKING:
    import h5py

KINDS: Final = ("none", "deflate", "lzf", "zstd", "blosc", "blosc2", "bitshuffle")
"""Families of codecs."""
PLUGIN_KINDS: Final = ("zstd", "blosc", "blosc2", "bitshuffle")
"""Those that hdf5plugin brings."""

_EXTRA: Final = "hdf5plugin"
_DEFLATE, _SHUFFLE, _OWN = 1, 2, range(256)
_LZF, _BLOSC, _BITSHUFFLE, _ZSTD, _BLOSC2 = 32000, 32001, 32008, 32015, 32026
_BLOSC_COMPRESSORS: Final[Mapping[int, str]] = MappingProxyType(
    {0: "blosclz", 1: "lz4", 2: "lz4hc", 4: "zlib", 5: "zstd"}
)
_BITSHUFFLE_LZ4, _BITSHUFFLE_ZSTD, _ITS_OWN_BLOCKS = 2, 3, 0
_MOST_BLOSC_BYTES: Final = 2**31 - 33

Pipeline = Sequence[tuple[int, int, tuple[int, ...], bytes]]
"""Number, flags, settings and name of each filter, in the order in which they are applied."""


def why_not_filtered(name: str, request: WriteRequest) -> str | None:
    """Return the sentence for a codec that HDF5 has, but not here or not for these chunks; None: it can be had.

    Parameters
    ----------
    name : str
        Of the backend.
    request : WriteRequest
        Its codec is of one of `KINDS`.
    """
    codec, layout = request.codec, request.layout
    if codec.predictor:
        return f"{name} has no predictor, which is TIFF's; take the codec without '-predictor'"
    if codec.kind in PLUGIN_KINDS:
        missing = missing_distributions((_EXTRA,), _EXTRA)
        if missing is not None:
            return f"{codec.name} is a plugin's and not HDF5's own: {missing}"
    if codec.kind.startswith("blosc") and layout is not None:
        n_bytes = math.prod(layout.chunk_shape) * request.dtype.itemsize
        if n_bytes > _MOST_BLOSC_BYTES:  # HDF5 would store such a chunk without the filter
            return f"Blosc takes chunks of less than 2 GiB, these have {n_bytes} bytes; use smaller chunks or deflate-1"
    return None


def filter_settings(codec: Codec) -> dict[str, Any]:
    """Return what h5py's `create_dataset` takes for a codec."""
    settings: dict[str, Any] = {"shuffle": True} if codec.filter == "shuffle" else {}
    if codec.kind == "deflate":
        settings |= {"compression": "gzip", "compression_opts": codec.level}
    elif codec.kind == "lzf":
        settings["compression"] = "lzf"
    elif codec.kind in PLUGIN_KINDS:
        settings["compression"] = _plugin(codec)
    return settings


def _plugin(codec: Codec) -> Any:
    """Return hdf5plugin's settings; importing it is what makes its filters known to HDF5."""
    import hdf5plugin

    if codec.kind == "zstd":
        return hdf5plugin.Zstd(clevel=codec.level)
    if codec.kind == "bitshuffle":
        level = {} if codec.level is None else {"clevel": codec.level}
        return hdf5plugin.Bitshuffle(nelems=_ITS_OWN_BLOCKS, cname=codec.compressor, **level)
    shuffle = SHUFFLES.index(codec.shuffle or "noshuffle")
    if codec.kind == "blosc2":
        return hdf5plugin.Blosc2(cname=codec.compressor, clevel=codec.level, filters=shuffle)
    return hdf5plugin.Blosc(cname=codec.compressor, clevel=codec.level, shuffle=shuffle)


def pipeline_of(dataset: h5py.Dataset) -> Pipeline:
    """Return the filters of a dataset as the file has them."""
    made = dataset.id.get_create_plist()
    return [made.get_filter(i) for i in range(made.get_nfilters())]


def codec_name(filters: Pipeline) -> tuple[str, str]:
    """Return the neutral name of a dataset's filters, and a remark where there is none ("?")."""
    if not filters:
        return "none", ""
    shuffled = len(filters) == 2 and filters[0][0] == _SHUFFLE
    last = filters[-1]
    name = _neutral(last[0], tuple(last[2])) if len(filters) == 1 + shuffled else None
    name = name and name + "-shuffle" * shuffled
    try:
        return parse_codec(name or "").name, ""
    except UnknownNameError:  # settings that no neutral name has room for
        return "?", f"filters: {', '.join(f'{name.decode()} {list(values)}' for _, _, values, name in filters)}"


def _neutral(number: int, values: tuple[int, ...]) -> str | None:
    """Return the name of one filter; None where it says less, or more, than names can."""
    if number == _LZF:  # its values are versions, and the bytes of a chunk
        return "lzf"
    if number in (_DEFLATE, _ZSTD) and len(values) == 1:
        return f"{'deflate' if number == _DEFLATE else 'zstd'}-{values[0]}"
    if (number == _BLOSC and len(values) == 7) or (number == _BLOSC2 and len(values) >= 7):
        level, shuffle, compressor = values[4:7]
        if shuffle < len(SHUFFLES) and compressor in _BLOSC_COMPRESSORS:
            family = "blosc" if number == _BLOSC else "blosc2"
            return f"{family}-{_BLOSC_COMPRESSORS[compressor]}-{level}-{SHUFFLES[shuffle]}"
    if number == _BITSHUFFLE and values[3:5] == (_ITS_OWN_BLOCKS, _BITSHUFFLE_LZ4):
        return "bitshuffle-lz4"
    if number == _BITSHUFFLE and values[3:5] == (_ITS_OWN_BLOCKS, _BITSHUFFLE_ZSTD) and len(values) == 6:
        return f"bitshuffle-zstd-{values[5]}"
    return None


def load_filters(location: Location, filters: Pipeline) -> None:
    """Make the filters of a dataset known to HDF5.

    Raises
    ------
    MissingDependencyError
        If one is none of HDF5's or h5py's, and hdf5plugin is not installed.
    DataError
        If hdf5plugin does not have it either.
    """
    import h5py

    foreign = {number: name.decode() for number, _, _, name in filters if number not in (*_OWN, _LZF)}
    if not foreign:
        return
    missing = missing_distributions((_EXTRA,), _EXTRA)
    if missing is None:
        import hdf5plugin  # noqa: F401
    for number, name in foreign.items():
        if h5py.h5z.filter_avail(number):
            continue
        what = f"{location.path} is compressed by HDF5's plugin number {number} ({name.partition(';')[0]})"
        if missing is None:
            raise DataError(
                f"{what}, which hdf5plugin does not have; read it where it was written, or set HDF5_PLUGIN_PATH"
            )
        raise MissingDependencyError(f"{what}: {missing}")


def plugin_facts() -> dict[str, str]:
    """Return the version of hdf5plugin, where it is installed; it is not imported for that."""
    if missing_distributions((_EXTRA,), _EXTRA) is not None:
        return {}
    return {"hdf5plugin": importlib.metadata.version(_EXTRA)}
