"""Codecs of Zarr arrays beyond Zarr's own, as zarr-python has them: by numcodecs, and by imagecodecs through its two registrars.

Two kinds: `Filter` works on the voxels or their bytes before Zstandard, `ArrayCodec` makes bytes of a whole chunk of voxels.
Both have the same settings in both versions of Zarr. In v2 they are numcodecs' objects under their `id`; in v3 numcodecs' have
"numcodecs." before it. Another zarr-python reads them where the same distributions are installed, without any code of storebench:
imagecodecs-numcodecs and imagecodecs-zarr hold nothing but entry points, so that a process which meets none of them pays nothing.

Here is only what stands in metadata, for who writes it, who reads it, and for the code that is shown; no library is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from storebench.codecs import Codec, parse_codec
from storebench.errors import UnknownNameError

Settings = dict[str, Any]

V3_PREFIX: Final = "numcodecs."
"""What zarr-python puts before the id of a codec of numcodecs in Zarr v3."""

_FIXED_ACCURACY: Final = 4
"""zfpy.mode_fixed_accuracy; numcodecs has no reversible mode, but zfpy takes this one with a tolerance below 0 for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What is done before Zstandard.

    Attributes
    ----------
    id : str
        numcodecs' name of it.
    dtypes : str
        numpy's names of the voxels that it takes and gives back as promised.
    on_bytes : bool
        Whether it works on the bytes of a chunk: in v3 it is a compressor then.
    settings : callable
        (codec, dtype) → its settings.
    suffix : callable
        Its settings → what it adds to the neutral name.
    why : str
        Why other voxels are refused.
    """

    id: str
    dtypes: str
    on_bytes: bool = False
    settings: Callable[[Codec, np.dtype], Settings]
    suffix: Callable[[Mapping[str, Any]], str]
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayCodec:
    """What makes bytes of a chunk of voxels.

    Attributes
    ----------
    id : str
        Name in Zarr v2; in v3 with `V3_PREFIX` where `registrars` is None.
    dtypes : str
        numpy's names of the voxels that it takes and gives back as promised.
    settings : callable
        codec → its settings.
    name : callable
        Its settings → the neutral name.
    distribution, extra : str
        Who brings it in both versions, and the extra that installs that; "" for imagecodecs, which has one for each version.
    planes : bool
        Whether a chunk must be one plane: (1, …, y, x).
    most_axes : int
        Most axes of a chunk.
    danger : str
        What a chunk that is cut off does to whoever reads it, where that is worse than an error or other voxels: it is taken with a
        checksum only, which is looked at first. "": nothing worse.
    ignored : mapping
        Settings that say nothing more, as libraries spell them out; ``...``: whatever they are.
    """

    id: str
    dtypes: str
    settings: Callable[[Codec], Settings]
    name: Callable[[Mapping[str, Any]], str]
    distribution: str = ""
    extra: str = "imagecodecs-zarr"
    planes: bool = False
    most_axes: int = 5
    danger: str = ""
    ignored: Mapping[str, Any] = field(default_factory=dict)

    def distribution_for(self, zarr_format: int) -> str:
        """Return the distribution that registers it for a version of Zarr."""
        return self.distribution or {2: "imagecodecs-numcodecs", 3: "imagecodecs-zarr"}[zarr_format]

    def id_in(self, zarr_format: int) -> str:
        """Return its name in a version of Zarr."""
        return V3_PREFIX + self.id if zarr_format == 3 and self.distribution else self.id


def _plain(value: float) -> str:
    """Return a number as neutral names spell it, without an exponent."""
    return np.format_float_positional(value, trim="-")


def _error_of(scale: float) -> float:
    """Return the error whose double is one step of a fixed scale: the shortest number that gives this scale."""
    return next(
        (short for n in range(1, 17) if 1 / (2 * (short := float(f"{0.5 / scale:.{n}g}"))) == scale), 0.5 / scale
    )


_WHOLE: Final = "int8 int16 int32 int64 uint8 uint16 uint32 uint64"

FILTERS: Final[Mapping[str, Filter]] = MappingProxyType(
    {
        "shuffle": Filter(
            id="shuffle",
            dtypes=f"bool {_WHOLE} float16 float32 float64 complex64 complex128",
            on_bytes=True,
            settings=lambda _, dtype: {"elementsize": dtype.itemsize},
            suffix=lambda _: "-shuffle",
            why="",
        ),
        "delta": Filter(
            id="delta",
            dtypes=_WHOLE,
            settings=lambda _, dtype: {"dtype": dtype.str},
            suffix=lambda _: "-delta",
            why="of floats the differences are rounded, so a chunk drifts away and one NaN takes all behind it along, and of "
            "bool they come back wrong; use zstd-3-shuffle",
        ),
        "bitround": Filter(
            id="bitround",
            dtypes="float16 float32 float64",
            settings=lambda codec, _: {"keepbits": codec.keep_bits},
            suffix=lambda found: f"-bitround-{found['keepbits']}",
            why="it rounds the mantissas of floats; use zstd-3-shuffle",
        ),
        "fixedscale": Filter(
            id="fixedscaleoffset",
            # The whole numbers are kept as floats of the same type: no integer type holds every float, and what does not fit
            # comes back as rubbish without an error (so does NaN). float16 ends at 65,504, which whole steps soon pass.
            dtypes="float32 float64",
            settings=lambda codec, dtype: {
                "offset": 0,
                "scale": 0.5 / float(codec.max_error or 0),
                "dtype": dtype.str,
                "astype": dtype.str,
            },
            suffix=lambda found: f"-fixedscale-{_plain(_error_of(found['scale']))}",
            why="it rounds floats to whole steps; use zstd-3-shuffle",
        ),
    }
)
"""By `Codec.filter`."""

_ARRAY_CODECS: Final[Mapping[str, ArrayCodec]] = MappingProxyType(
    {
        "pcodec": ArrayCodec(
            id="pcodec",
            dtypes="int16 int32 int64 uint16 uint32 uint64 float16 float32 float64",
            settings=lambda codec: {"level": codec.level},
            name=lambda found: f"pcodec-{found['level']}",
            distribution="pcodec",
            extra="pcodec",
            ignored={
                "mode_spec": "auto",
                "delta_spec": "auto",
                "paging_spec": "equal_pages_up_to",
                "equal_pages_up_to": 262144,
            },
        ),
        "zfp": ArrayCodec(
            id="zfpy",
            dtypes="float32 float64",
            settings=lambda codec: {"mode": _FIXED_ACCURACY, "tolerance": codec.max_error or -1},
            name=lambda found: (
                "zfp-lossless" if found["tolerance"] == -1 else f"zfp-error-{_plain(found['tolerance'])}"
            ),
            distribution="zfpy",
            extra="zfp",
            most_axes=4,
            ignored={"rate": -1, "precision": -1, "compression_kwargs": ...},
        ),
        "sz3": ArrayCodec(
            id="imagecodecs_sz3",
            dtypes="float32 float64",
            settings=lambda codec: {"mode": "abs", "abs": codec.max_error},
            name=lambda found: f"sz3-error-{_plain(found['abs'])}",
            danger="ends the whole process (SZ3 3.3.2)",
            ignored={"rel": 0.0, "shape": ..., "dtype": ...},
        ),
        "lerc": ArrayCodec(
            id="imagecodecs_lerc",
            dtypes="int8 int16 int32 uint8 uint16 uint32 float32 float64",
            settings=lambda codec: {"level": codec.max_error or 0.0},
            name=lambda found: f"lerc-error-{_plain(found['level'])}" if found["level"] else "lerc-lossless",
            planes=True,
            ignored={"planar": False},
        ),
        "jxl": ArrayCodec(
            id="imagecodecs_jpegxl",
            dtypes="uint8 uint16",
            settings=lambda codec: (
                {"lossless": True, "effort": codec.level}
                if codec.lossless
                else {"lossless": False, "distance": codec.distance}
            ),
            name=lambda found: (
                f"jxl-lossless-{found['effort']}" if found["lossless"] else f"jxl-distance-{_plain(found['distance'])}"
            ),
            planes=True,
        ),
        "htj2k": ArrayCodec(
            id="imagecodecs_htj2k",
            dtypes="uint8 uint16",
            settings=lambda _: {"reversible": True},
            name=lambda _: "htj2k-lossless",
            planes=True,
            ignored={"resilient": False},
        ),
        "jp2": ArrayCodec(
            id="imagecodecs_jpeg2k",
            dtypes="uint8 uint16",
            settings=lambda _: {"level": 0, "reversible": True, "codecformat": "J2K"},
            name=lambda _: "jp2-lossless",
            planes=True,
            ignored={"mct": True, "codecformat": ...},
        ),
        "jls": ArrayCodec(
            id="imagecodecs_jpegls",
            dtypes="uint8 uint16",
            settings=lambda codec: {"level": int(codec.max_error or 0)},
            name=lambda found: f"jls-error-{found['level']}" if found["level"] else "jls-lossless",
            planes=True,
            danger="can keep its reader busy for ever (CharLS 2.4)",
        ),
    }
)

MORE_KINDS: Final = tuple(_ARRAY_CODECS)
"""Codec families beyond Zarr's own."""


def array_codec(codec: Codec) -> ArrayCodec | None:
    """Return what makes bytes of a chunk's voxels where a codec is such a one, or None."""
    return _ARRAY_CODECS.get(codec.kind)


def name_of_array_codec(name: str, config: Mapping[str, Any]) -> str | None:
    """Return the neutral name of a codec as found in metadata, or None where no neutral name says exactly this.

    Parameters
    ----------
    name : str
        As in the metadata of either version.
    config : mapping
        Its settings; v2 spells out all of them.
    """
    found = next((one for one in _ARRAY_CODECS.values() if one.id == name.removeprefix(V3_PREFIX)), None)
    if found is None:
        return None
    try:
        neutral = found.name(config)
        asked = found.settings(parse_codec(neutral))
    except (KeyError, TypeError, UnknownNameError):
        return None
    known = {**found.ignored, **asked}
    more = {key for key, value in config.items() if value is not None and known.get(key) not in (value, ...)}
    return None if more else neutral


def suffix_of_filter(name: str, config: Mapping[str, Any], dtype: np.dtype) -> str | None:
    """Return what a filter adds to the name of the Zstandard behind it, or None where it is none of `FILTERS` to the letter.

    Parameters
    ----------
    name : str
        As in the metadata of either version.
    config : mapping
        Its settings.
    dtype : numpy.dtype
        Of the voxels.
    """
    found = next((one for one in FILTERS.values() if one.id == name.removeprefix(V3_PREFIX)), None)
    if found is None:
        return None
    try:
        suffix = found.suffix(config)
        asked = found.settings(parse_codec(f"zstd-3{suffix}"), dtype)
    except (KeyError, TypeError, ZeroDivisionError, UnknownNameError):
        return None
    spelt_out = {"astype": dtype.str} | asked
    return suffix if {**spelt_out, **config} == spelt_out else None
