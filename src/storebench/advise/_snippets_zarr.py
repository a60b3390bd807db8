"""Snippets for Zarr and OME-Zarr through zarr-python 3."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from storebench.advise._snippet import CODEC_GAP, LAYOUT_GAP, Gaps, Wanted
from storebench.advise.words import listed
from storebench.codecs import SHUFFLES, Codec
from storebench.zarr_codecs import array_codec

_ARRAY = f"""\
array = zarr.create_array(
    "image.zarr",
    shape=image.shape,
    dtype=image.dtype,
{LAYOUT_GAP}{CODEC_GAP}<<more>>)
array[:] = image
"""
_BY_PIPELINE = f"""\
import zarr

with zarr.config.set({{"codec_pipeline.path": <<pipeline>>}}):
    array = zarr.create_array(
        "image.zarr",
        shape=image.shape,
        dtype=image.dtype,
{LAYOUT_GAP}{CODEC_GAP}<<more>>    )
array[:] = image
"""
_IN_STORE = f"""\
<<store>>array = zarr.create_array(
    store,
    shape=image.shape,
    dtype=image.dtype,
{LAYOUT_GAP}{CODEC_GAP}<<more>>)
array[:] = image
"""
_OBSTORE = """\
import obstore.store
import zarr

store = zarr.storage.ObjectStore(obstore.store.LocalStore("image.zarr", mkdir=True))
"""
_ZIP = """\
import zarr

store = zarr.storage.ZipStore("image.zarr.zip", mode="w")
"""
LEVELS: Final = """\
axes, levels, scales = "<<axes>>", [], []
for k in range(<<levels>>):  # level k: means of blocks of 2**k voxels along <<along>>
    factors = [
        min(2**k, 1 << (n - 1).bit_length()) if axis in "<<halved>>" else 1
        for axis, n in zip(axes, image.shape)
    ]
    level = image if k == 0 else image.astype("float64")
    for i, factor in enumerate(factors if k else ()):
        starts = np.arange(0, level.shape[i], factor)
        n = np.diff([*starts, level.shape[i]])
        sums = np.add.reduceat(level, starts, axis=i)
        level = sums / n.reshape([-1 if i == j else 1 for j in range(level.ndim)])
    if image.dtype.kind in "iu":
        level = np.rint(level)
    levels.append(level.astype(image.dtype))
    scales.append(factors)
"""
MULTISCALE: Final = """\
datasets = []
for k, factors in enumerate(scales):
    steps = [{"type": "scale", "scale": [float(f) for f in factors]}]
    if k:
        shift = [(f - 1) / 2 for f in factors]
        steps.append({"type": "translation", "translation": shift})
    datasets.append({"path": str(k), "coordinateTransformations": steps})
kinds = {"t": "time", "c": "channel"}
multiscale = {
    "name": "image",
    "axes": [{"name": a, "type": kinds.get(a, "space")} for a in axes],
    "datasets": datasets,
}
"""
NO_AXES: Final = "OME-Zarr names its axes, and those of this image are not known: there is no code to show."
_OME = f"""\
import numpy as np
import zarr

{LEVELS}{MULTISCALE}group = zarr.create_group(
    "image.ome.zarr",
<<attributes>>)
for k, level in enumerate(levels):
    array = group.create_array(
        str(k),
        shape=level.shape,
        dtype=level.dtype,
<<layout>><<codec>><<more>>    )
    array[:] = level
"""


def zarr3(wanted: Wanted) -> Gaps:
    """Store in Zarr v3."""
    return _zarr3("import zarr\n\n" + _ARRAY, wanted)


def obstore(wanted: Wanted) -> Gaps:
    """Store in Zarr v3, over obstore."""
    return _zarr3(_IN_STORE.replace("<<store>>", _OBSTORE), wanted)


def zarr3_zip(wanted: Wanted) -> Gaps:
    """Store in Zarr v3 in a zip, whose list of entries is written when it is closed."""
    return _zarr3(_IN_STORE.replace("<<store>>", _ZIP) + "store.close()\n", wanted)


def _zarr3(template: str, wanted: Wanted) -> Gaps:
    template = template.replace("<<more>>", _names(wanted))
    return Gaps(template=template, layout=_layout(wanted), codec=_v3_lines(wanted.codec))


def zarrs(wanted: Wanted) -> Gaps:
    """Store in Zarr v3 by zarrs."""
    return _by_pipeline('"zarrs.ZarrsCodecPipeline"', wanted)


def zarr3_fused(wanted: Wanted) -> Gaps:
    """Store in Zarr v3 by zarr's fused pipeline."""
    return _by_pipeline("fused", wanted, 'fused = "zarr.core.codec_pipeline.FusedCodecPipeline"\n')


def _by_pipeline(pipeline: str, wanted: Wanted, before: str = "") -> Gaps:
    template = _BY_PIPELINE.replace("<<pipeline>>", pipeline).replace("<<more>>", indented(_names(wanted)))
    template = template.replace("import zarr\n\n", f"import zarr\n\n{before}")
    return Gaps(template=template, layout=indented(_layout(wanted)), codec=indented(_v3_lines(wanted.codec)))


def _names(wanted: Wanted) -> str:
    names = "" if wanted.axes is None else f"    dimension_names={tuple(wanted.axes)!r},\n"
    return names.replace("'", '"')


def zarr2(wanted: Wanted) -> Gaps:
    """Store in Zarr v2: its compressor is the last step, what comes before is a filter."""
    head = "import numcodecs\nimport zarr\n\n" if _v2(wanted.codec) else "import zarr\n\n"
    more = "    zarr_format=2,\n"
    if wanted.axes is not None:
        more += f'    attributes={{"_ARRAY_DIMENSIONS": {json.dumps(list(wanted.axes))}}},\n'  # where xarray looks for names
    template = head + _ARRAY.replace("<<more>>", more)
    return Gaps(template=template, layout=_layout(wanted), codec=_v2_lines(wanted.codec))


def omezarr_05(wanted: Wanted) -> Gaps | str:
    """Store in OME-Zarr 0.5, which is Zarr v3."""
    names = "        dimension_names=list(axes),\n"
    attributes = '    attributes={"ome": {"version": "0.5", "multiscales": [multiscale]}},\n'
    return _omezarr(wanted, attributes, names, _v3_lines(wanted.codec))


def omezarr_04(wanted: Wanted) -> Gaps | str:
    """Store in OME-Zarr 0.4, which is Zarr v2."""
    attributes = '    zarr_format=2,\n    attributes={"multiscales": [{"version": "0.4", **multiscale}]},\n'
    names = '        chunk_key_encoding={"name": "v2", "separator": "/"},\n'
    made = _omezarr(wanted, attributes, names, _v2_lines(wanted.codec))
    if isinstance(made, str) or not _v2(wanted.codec):
        return made
    return replace(made, template=f"import numcodecs\n{made.template}")


def _omezarr(wanted: Wanted, attributes: str, more: str, codec: str) -> Gaps | str:
    if wanted.axes is None:
        return NO_AXES
    template = filled_levels(_OME, wanted, wanted.axes)
    template = template.replace("<<attributes>>", attributes).replace("<<more>>", more)
    return Gaps(template=template, layout=indented(_layout(wanted)), codec=indented(codec))


def filled_levels(template: str, wanted: Wanted, axes: str) -> str:
    """Fill the gaps of `LEVELS`, alone or inside of a template, for an image of these axes."""
    gaps = {"axes": axes, "levels": str(wanted.n_levels), "halved": wanted.halved, "along": listed(wanted.halved)}
    for name, text in gaps.items():
        template = template.replace(f"<<{name}>>", text)
    return template


def indented(lines: str) -> str:
    """Indent lines by four."""
    return "".join(f"    {line}\n" for line in lines.splitlines())


def _layout(wanted: Wanted) -> str:
    lines = "" if wanted.chunk_shape is None else f"    chunks={wanted.chunk_shape},\n"
    return lines + ("" if wanted.shard_shape is None else f"    shards={wanted.shard_shape},\n")


def _call(name: str, settings: Sequence[str]) -> str:
    """Return a call with a line for each of the settings, indented for an argument of a call."""
    lines = "".join(f"        {setting}\n" for setting in settings)
    return f"{name}(\n{lines}    )"


def _literal(values: Mapping[str, Any]) -> list[str]:
    """Return a dictionary as code, a line for each of its entries."""
    entries = [f'"{key}": {json.dumps(v) if isinstance(v, str) else repr(v)},' for key, v in values.items()]
    return ["{", *(f"    {entry}" for entry in entries), "}"]


def _v3_lines(codec: Codec) -> str:
    """Return the serializer where it is not zarr's own, and the compressors, as arguments."""
    whole, lines = array_codec(codec), ""
    if whole is not None:
        settings = "\n    ".join(_literal(whole.settings(codec)))
        lines = f'    serializer={{\n        "name": "{whole.id_in(3)}",\n        "configuration": '
        lines += settings.replace("\n", "\n    ") + ",\n    },\n"
    return f"{lines}    compressors={_v3(codec)},\n"


def _v3(codec: Codec) -> str:
    """Return zarr's bytes-to-bytes codecs as code."""
    steps = []
    if codec.kind == "gzip":
        steps.append(f"zarr.codecs.GzipCodec(level={codec.level})")
    elif codec.kind == "zstd":
        steps.append(f"zarr.codecs.ZstdCodec(level={codec.level})")
    elif codec.kind == "blosc":
        settings = [f'cname="{codec.compressor}", clevel={codec.level},', f'shuffle="{codec.shuffle}",']
        steps.append(_call("zarr.codecs.BloscCodec", settings))
    if codec.crc32c:
        steps.append("zarr.codecs.Crc32cCodec()")
    return "None" if not steps else steps[0] if len(steps) == 1 else f"[{', '.join(steps)}]"


def _v2(codec: Codec) -> list[str]:
    """Return numcodecs' steps as code, in the order in which they encode."""
    steps = []
    whole = array_codec(codec)
    if whole is not None:
        steps.append(_call("numcodecs.get_codec", _literal({"id": whole.id, **whole.settings(codec)})))
    elif codec.kind == "gzip":
        steps.append(f"numcodecs.GZip({codec.level})")
    elif codec.kind == "zstd":
        steps.append(f"numcodecs.Zstd({codec.level})")
    elif codec.kind == "blosc":
        shuffle = SHUFFLES.index(str(codec.shuffle))
        settings = [f'cname="{codec.compressor}", clevel={codec.level},', f"shuffle={shuffle},"]
        steps.append(_call("numcodecs.Blosc", settings))
    if codec.crc32c:
        steps.append("numcodecs.CRC32C()")
    return steps


def _v2_lines(codec: Codec) -> str:
    *filters, compressor = _v2(codec) or ["None"]
    lines = f"    filters=[{', '.join(filters)}],\n" if filters else ""
    return f"{lines}    compressors={compressor},\n"
