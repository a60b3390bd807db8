"""Code to paste: Python that stores the array `image` with exactly one setting.

A snippet is a text with two gaps, `LAYOUT_GAP` and `CODEC_GAP`, and what stands in them. So the page's script can fill in
any setting's snippet: few texts, few layouts, few codecs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from storebench.advise import (
    _snippets_chunked,
    _snippets_files,
    _snippets_medical,
    _snippets_n5,
    _snippets_omezarr,
    _snippets_tensorstore,
    _snippets_zarr,
)
from storebench.advise._snippet import CODEC_GAP, LAYOUT_GAP, Gaps, Wanted
from storebench.advise.candidates import Candidate
from storebench.codecs import Codec
from storebench.levels import SPATIAL_AXES
from storebench.zarr_codecs import array_codec


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """Code, or why there is none.

    Attributes
    ----------
    template, layout, codec : str or None
        The text and what stands in its gaps.
    why_not : str or None
        One sentence where the setting cannot be written in a few lines.
    """

    template: str | None = None
    layout: str = ""
    codec: str = ""
    why_not: str | None = None

    @property
    def code(self) -> str | None:
        """The whole code."""
        if self.template is None:
            return None
        return self.template.replace(LAYOUT_GAP, self.layout).replace(CODEC_GAP, self.codec)


_WRITERS: Final[Mapping[str, Callable[[Wanted], Gaps | str]]] = MappingProxyType(
    {
        "npy-numpy": _snippets_files.npy,
        "tiff-tifffile": _snippets_files.tiff,
        "tiff-tifffilezarr": _snippets_files.tiff,
        "ometiff-tifffile": _snippets_files.ometiff,
        "cog-tifffile": _snippets_files.cog,
        "png-imageio": _snippets_files.png,
        "jp2-imageio": _snippets_files.jp2_imageio,
        "jp2-glymur": _snippets_files.jp2_glymur,
        "jp2-imagecodecs": _snippets_files.jp2_imagecodecs,
        "htj2k-imagecodecs": _snippets_files.htj2k,
        "htj2k-glymur": _snippets_files.htj2k,
        "jxl-imagecodecs": _snippets_files.jxl,
        "jls-imagecodecs": _snippets_files.jls,
        "jxr-imagecodecs": _snippets_files.jxr,
        "tiffstack-tifffile": _snippets_files.stack(_snippets_files.tiff, "tiff"),
        "pngstack-imageio": _snippets_files.stack(_snippets_files.png, "png"),
        "jp2stack-imageio": _snippets_files.stack(_snippets_files.jp2_imageio, "jp2"),
        "jp2stack-glymur": _snippets_files.stack(_snippets_files.jp2_glymur, "jp2"),
        "jp2stack-imagecodecs": _snippets_files.stack(_snippets_files.jp2_imagecodecs, "jp2"),
        "htj2kstack-imagecodecs": _snippets_files.stack(_snippets_files.htj2k, "jhc", "htj2k"),
        "jxlstack-imagecodecs": _snippets_files.stack(_snippets_files.jxl, "jxl"),
        "jlsstack-imagecodecs": _snippets_files.stack(_snippets_files.jls, "jls"),
        "jxrstack-imagecodecs": _snippets_files.stack(_snippets_files.jxr, "jxr"),
        "hdf5-h5py": _snippets_files.hdf5,
        "zarr2-zarrpython": _snippets_zarr.zarr2,
        "zarr3-zarrpython": _snippets_zarr.zarr3,
        "zarr3-zarrpythonfused": _snippets_zarr.zarr3_fused,
        "zarr3-zarrs": _snippets_zarr.zarrs,
        "zarr3-obstore": _snippets_zarr.obstore,
        "zarr3zip-zarrpython": _snippets_zarr.zarr3_zip,
        "omezarr-0.4-zarrpython": _snippets_zarr.omezarr_04,
        "omezarr-0.5-zarrpython": _snippets_zarr.omezarr_05,
        "zarr2-tensorstore": _snippets_tensorstore.zarr2,
        "zarr3-tensorstore": _snippets_tensorstore.zarr3,
        "omezarr-0.4-tensorstore": _snippets_tensorstore.omezarr_04,
        "omezarr-0.5-tensorstore": _snippets_tensorstore.omezarr_05,
        "precomputed-tensorstore": _snippets_tensorstore.precomputed,
        "n5-tensorstore": _snippets_n5.by_tensorstore,
        "n5-z5py": _snippets_n5.by_z5py,
        "nifti-nibabel": _snippets_medical.nifti,
        "niftigz-nibabel": _snippets_medical.niftigz,
        "nrrd-pynrrd": _snippets_medical.nrrd,
        "mrc-mrcfile": _snippets_medical.mrc,
        "dicom-pydicom": _snippets_medical.dicom,
        "zarr3-zarrista": _snippets_chunked.zarrista,
        "zarr3-acquirezarr": _snippets_chunked.acquire_zarr,
        "icechunk-icechunk": _snippets_chunked.icechunk,
        "b2nd-blosc2": _snippets_chunked.b2nd,
        "omezarr-0.4-omezarrpy": _snippets_omezarr.by_omezarrpy("0.4"),
        "omezarr-0.5-omezarrpy": _snippets_omezarr.by_omezarrpy("0.5"),
        "omezarr-0.4-ngffzarr": _snippets_omezarr.by_ngffzarr("0.4"),
        "omezarr-0.5-ngffzarr": _snippets_omezarr.by_ngffzarr("0.5"),
        "omezarr-0.4-iohub": _snippets_omezarr.by_iohub("0.4"),
        "omezarr-0.5-iohub": _snippets_omezarr.by_iohub("0.5"),
    }
)


_OF_FORMAT: Final[Mapping[str, Callable[[Wanted], Gaps | str]]] = MappingProxyType(
    {"zarr2": _snippets_zarr.zarr2, "zarr3": _snippets_zarr.zarr3}
)
"""Who else writes a format whose library storebench does not have: what is stored is the same."""


_ZARR: Final = ("none", "gzip", "zstd", "blosc")
_HAS_CHECKSUMS: Final = ("zarr2", "zarr3", "zarr3zip", "omezarr", "icechunk")
_BY_ZARR_PYTHON: Final = ("zarrpython", "obstore", "icechunk", "omezarrpy")
_TIFF: Final = ("none", "deflate", "lzw", "zstd", "jp2", "jxl", "jxr", "jpeg", "png", "lerc")
_KINDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "npy": ("none",),
        "png": ("png",),
        "jp2": ("jp2",),
        "htj2k": ("htj2k",),
        "hdf5": ("none", "deflate", "lzf", "zstd", "blosc", "blosc2", "bitshuffle"),
        "jxl": ("jxl",),
        "jls": ("jls",),
        "jxr": ("jxr",),
        "tiff": _TIFF,
        "ometiff": _TIFF,
        "cog": _TIFF,
        "zarr2": _ZARR,
        "zarr3": _ZARR,
        "zarr3zip": _ZARR,
        "omezarr": _ZARR,
        "precomputed": ("none", "gzip", "png", "jpeg", "compressed-segmentation"),
        "n5": ("none", "gzip", "zstd", "blosc"),
        "nifti": ("none",),
        "niftigz": ("gzip",),
        "nrrd": ("none", "gzip"),
        "mrc": ("none",),
        "dicom": ("none", "rle", "jp2", "jls"),
        "icechunk": _ZARR,
        "b2nd": ("none", "blosc2"),
    }
)
"""By format: the families of codecs that its writers write. Another tool's results may name others: those must not be left out."""


def _writes(candidate: Candidate, codec: Codec) -> bool:
    """Tell whether the writer of a candidate's format says all of a codec."""
    form = candidate.name.partition("-")[0].removesuffix("stack")
    whole = array_codec(codec)
    if whole is not None and _KINDS.get(form) is _ZARR:
        told = whole.name(whole.settings(codec)) == codec.name.removesuffix("+crc32c")
        shape_is_told = codec.kind == "sz3" and form not in ("zarr3", "icechunk")  # among its settings of Zarr v2
        return told and not shape_is_told and (candidate.backend or "zarrpython").endswith(_BY_ZARR_PYTHON)
    says_it = codec.kind in _KINDS.get(form, ()) and (codec.filter is None or form == "hdf5")
    return says_it and (not codec.predictor or _KINDS[form] is _TIFF) and (not codec.crc32c or form in _HAS_CHECKSUMS)


def _why_no_code(candidate: Candidate) -> str:
    """Return what of a candidate no writer says, as a sentence; empty where there is nothing."""
    codec, method = candidate.parsed, candidate.asked.get("level_method") or "mean"
    if codec is not None and not _writes(candidate, codec):
        return f"storebench has no code to show for {codec.name} in {candidate.name}."
    if method != "mean":
        return f"storebench has no code to show for levels by {method}: storebench.levels.build_levels makes them."
    return ""


def snippet_of(candidate: Candidate) -> Snippet:
    """Return the code that stores an array as a candidate does."""
    writer = _WRITERS.get(candidate.backend or "") or _OF_FORMAT.get(candidate.name.partition("-")[0])
    codec, shape = candidate.parsed, candidate.asked["shape"]
    if writer is None:
        return Snippet(why_not=f"storebench has no code to show for {candidate.name}: it does not write that itself.")
    why_not = _why_no_code(candidate)
    if codec is None or shape is None or why_not:
        return Snippet(why_not=why_not or "Codec or shape of this setting are not known, so there is no code to show.")
    axes = candidate.asked["axes"]
    wanted = Wanted(
        shape=shape,
        axes=axes if axes and axes.isalpha() else None,  # it becomes code
        codec=codec,
        chunk_shape=candidate.chunk_shape,
        shard_shape=candidate.shard_shape,
        n_levels=candidate.asked["n_levels"] or 1,
        stack_axis=candidate.asked["stack_axis"] or 0,
        halved="".join(axis for axis in SPATIAL_AXES if axis in (candidate.asked.get("level_axes") or SPATIAL_AXES)),
    )
    made = writer(wanted)
    if isinstance(made, str):
        return Snippet(why_not=made)
    if candidate.backend not in _WRITERS:
        measured = " ".join(candidate.name.split())  # a comment ends with its line
        said = f"# written with zarr-python; measured was {measured}\n"
        return Snippet(template=said + made.template, layout=made.layout, codec=made.codec)
    return Snippet(template=made.template, layout=made.layout, codec=made.codec)
