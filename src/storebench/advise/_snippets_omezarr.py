"""Snippets for OME-Zarr through libraries that make groups and arrays: ome-zarr-py, ngff-zarr, iohub."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from storebench.advise import _snippets_zarr
from storebench.advise._snippet import CODEC_GAP, LAYOUT_GAP, Gaps, Wanted
from storebench.advise._snippets_zarr import LEVELS, MULTISCALE, NO_AXES, filled_levels, indented
from storebench.codecs import SHUFFLES, Codec

_DATASETS: Final = MULTISCALE.partition("kinds = ")[0]
_OMEZARRPY: Final = f"""\
<<import>>import numpy as np
import zarr
from ome_zarr.format import format_from_version
from ome_zarr.writer import write_multiscale, write_multiscales_metadata

{LEVELS}version = format_from_version("<<version>>")
group = zarr.create_group("image.ome.zarr", zarr_format=version.zarr_format)
options = {{
{LAYOUT_GAP}{CODEC_GAP}    "config": {{"write_empty_chunks": True}},
}}
write_multiscale(
    levels, group, fmt=version, axes=axes, storage_options=options, name="image"
)
# its scales are ratios of shapes: wrong where blocks stick out of the image
{_DATASETS}for dataset in datasets:
    dataset["path"] = "s" + dataset["path"]
write_multiscales_metadata(
    group, datasets, fmt=version, axes=list(axes), name="image"
)
"""
_NGFFZARR: Final = f"""\
import ngff_zarr as nz
import numpy as np
from ngff_zarr.v04.zarr_metadata import Axis, Dataset, Scale, Translation
from ngff_zarr.<<module>>.zarr_metadata import Metadata

chunks, per_shard = None, None  # None: ngff-zarr's own
{LAYOUT_GAP}{LEVELS}images = [nz.to_ngff_image(level, dims=tuple(axes)) for level in levels]
if chunks is None:
    alone = nz.to_multiscales(images[0], scale_factors=[])
    chunks = alone.images[0].data.chunksize
for part in images:
    part.data = part.data.rechunk(chunks)
{_DATASETS}made = {{"scale": Scale, "translation": Translation}}
kinds = {{"t": "time", "c": "channel"}}
metadata = Metadata(
    axes=[Axis(name=a, type=kinds.get(a, "space")) for a in axes],
    datasets=[
        Dataset(
            path=d["path"],
            coordinateTransformations=[
                made[t["type"]](t[t["type"]]) for t in d["coordinateTransformations"]
            ],
        )
        for d in datasets
    ],
    coordinateTransformations=None,
)
nz.to_ngff_zarr(
    "image.ome.zarr",
    nz.NgffMultiscales(images, metadata),
    version="<<version>>",
    chunks_per_shard=per_shard,
{CODEC_GAP})
"""
_IOHUB: Final = f"""\
import numpy as np
from iohub import open_ome_zarr
from iohub.core.config import CompressorConfig, ZarrConfig
from iohub.ngff.models import (
    ChannelAxisMeta,
    SpaceAxisMeta,
    TimeAxisMeta,
    TransformationMeta,
)

chunks, per_shard = None, None  # None: iohub's own
{LAYOUT_GAP}{LEVELS}{_DATASETS}kinds = {{"t": TimeAxisMeta, "c": ChannelAxisMeta}}
n_channels = dict(zip(axes, image.shape)).get("c", 0)
with open_ome_zarr(
    "image.ome.zarr",
    layout="fov",
    mode="w-",
    version="<<version>>",
    axes=[kinds.get(a, SpaceAxisMeta)(name=a) for a in axes],
    channel_names=[str(c) for c in range(n_channels)],
    implementation="zarr-python",  # the default leaves out chunks of zeros
{CODEC_GAP}) as position:
    for dataset, level in zip(datasets, levels):
        steps = dataset["coordinateTransformations"]
        array = position.create_image(
            dataset["path"],
            level,
            chunks=chunks,
            shards_ratio=per_shard,
            transform=[TransformationMeta(**step) for step in steps],
        )
        chunks = array.chunks
"""

_IOHUB_COMPRESSOR: Final = """\
    implementation_config=ZarrConfig(
        compressor=CompressorConfig(
            <<settings>>
        )
    ),
"""


def by_omezarrpy(version: str) -> Callable[[Wanted], Gaps | str]:
    """Return the writer of snippets for ome-zarr-py."""

    def written(wanted: Wanted) -> Gaps | str:
        if wanted.axes is None:
            return NO_AXES
        plain = (_snippets_zarr.zarr2 if version == "0.4" else _snippets_zarr.zarr3)(wanted)
        numcodecs = "import numcodecs\n" if "numcodecs." in plain.codec else ""
        template = filled_levels(_OMEZARRPY, wanted, wanted.axes).replace("<<import>>", numcodecs)
        layout, codec = (
            re.sub(r"^    (\w+)=", r'    "\1": ', lines, flags=re.M) for lines in (plain.layout, plain.codec)
        )
        return Gaps(template=template.replace("<<version>>", version), layout=layout, codec=codec)

    return written


def by_ngffzarr(version: str) -> Callable[[Wanted], Gaps | str]:
    """Return the writer of snippets for ngff-zarr."""

    def written(wanted: Wanted) -> Gaps | str:
        if wanted.axes is None:
            return NO_AXES
        if wanted.codec.crc32c:
            return "ngff-zarr writes no checksum: there is no code to show."
        template = filled_levels(_NGFFZARR, wanted, wanted.axes).replace("<<version>>", version)
        template = template.replace("<<module>>", "v" + version.replace(".", ""))
        return Gaps(template=template, layout=_cut(wanted), codec=_compressor(wanted.codec, version))

    return written


def by_iohub(version: str) -> Callable[[Wanted], Gaps | str]:
    """Return the writer of snippets for iohub."""

    def written(wanted: Wanted) -> Gaps | str:
        codec = wanted.codec
        if wanted.axes is None:
            return NO_AXES
        if codec.kind != "blosc" or codec.crc32c:
            return f"iohub stores Blosc alone: there is no code to show for {codec.name}."
        compressor = f'cname="{codec.compressor}", clevel={codec.level}, shuffle="{codec.shuffle}"'
        chosen = _IOHUB_COMPRESSOR.replace("<<settings>>", compressor)
        template = filled_levels(_IOHUB, wanted, wanted.axes).replace("<<version>>", version)
        return Gaps(template=template, layout=_cut(wanted), codec=chosen)

    return written


def _cut(wanted: Wanted) -> str:
    """Return chunks, and chunks per shard, as lines."""
    if wanted.chunk_shape is None:
        return ""
    lines = f"chunks = {wanted.chunk_shape}\n"
    if wanted.shard_shape is not None:
        times = tuple(s // c for s, c in zip(wanted.shard_shape, wanted.chunk_shape, strict=True))
        lines += f"per_shard = {times}\n"
    return lines


def _compressor(codec: Codec, version: str) -> str:
    """Return ngff-zarr's argument for a codec."""
    old = version == "0.4"
    if codec.kind == "none":
        return "    compressor=None,\n" if old else "    compressors=[],\n"
    settings = [f'"level": {codec.level}'] + (['"checksum": False'] if codec.kind == "zstd" and not old else [])
    if codec.kind == "blosc":
        shuffle = str(SHUFFLES.index(str(codec.shuffle))) if old else f'"{codec.shuffle}"'
        settings = [f'"cname": "{codec.compressor}"', f'"clevel": {codec.level}', f'"shuffle": {shuffle}']
    inside = ", ".join(settings)
    if old:
        return indented(f'compressor={{"id": "{codec.kind}", {inside}}},')
    return indented(
        f'compressors=[\n    {{\n        "name": "{codec.kind}",\n        "configuration": {{{inside}}},\n    }}\n],'
    )
