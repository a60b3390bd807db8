"""Snippets for tensorstore: Zarr, OME-Zarr and Neuroglancer precomputed. Files are not synced, as where it was measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from storebench.advise._snippet import CODEC_GAP, LAYOUT_GAP, Gaps, Wanted
from storebench.advise._snippets_zarr import LEVELS, MULTISCALE, NO_AXES, filled_levels, indented
from storebench.codecs import SHUFFLES, Codec
from storebench.grid import Shape, grid_shape, morton_shard_bits
from storebench.levels import level_factors

_OPEN: Final = """\
array = ts.open(
    {
        "driver": "<<driver>>",
        "kvstore": {"driver": "file", "path": <<path>>},
        "store_data_equal_to_fill_value": True,
<<metadata>>    },
    create=True,
    context=ts.Context({"file_io_sync": False}),
).result()
"""
_LITTLE: Final = 'little = {"name": "bytes", "configuration": {"endian": "little"}}\n'
_V3: Final = f"""\
metadata = {{
    "shape": image.shape,
    "data_type": image.dtype.name,
    "fill_value": image.dtype.type(0).item(),
    "codecs": [
        little,
{CODEC_GAP}    ],
<<more>>}}
{LAYOUT_GAP}"""
_V2: Final = f"""\
metadata = {{
    "shape": image.shape,
    "dtype": image.dtype.newbyteorder("<").str,
    "fill_value": image.dtype.type(0).item(),
{CODEC_GAP}<<more>>}}
{LAYOUT_GAP}"""
_LEVEL_PATH: Final = 'f"{folder}/{k}/"'
METADATA: Final = '        "metadata": metadata,\n'
"""The metadata of an array where they stand in a name of their own."""


def zarr3(wanted: Wanted) -> Gaps:
    """Store in Zarr v3."""
    template = f"import tensorstore as ts\n\n{_LITTLE}{_zarr(wanted, 3)}"
    return Gaps(template=template, layout=_v3_layout(wanted), codec=_v3_codecs(wanted.codec))


def zarr2(wanted: Wanted) -> Gaps:
    """Store in Zarr v2; the names of its axes stand where xarray looks for them."""
    template = f"import tensorstore as ts\n\n{_zarr(wanted, 2)}"
    if wanted.axes is not None:
        names = f'{{"_ARRAY_DIMENSIONS": {json.dumps(list(wanted.axes))}}}'
        lines = f'names = {names}\nPath("image.zarr/.zattrs").write_text(json.dumps(names))\n'
        template = f"import json\nfrom pathlib import Path\n\n{template}{lines}"
    return Gaps(template=template, layout=_v2_layout(wanted), codec=_v2_codec(wanted.codec))


def _zarr(wanted: Wanted, version: int) -> str:
    more = ""
    if version == 3 and wanted.axes is not None:
        more = f'    "dimension_names": {json.dumps(list(wanted.axes))},\n'
    made = (_V3 if version == 3 else _V2).replace("<<more>>", more)
    return (
        made + opened("zarr3" if version == 3 else "zarr", '"image.zarr/"', METADATA) + "array.write(image).result()\n"
    )


def opened(driver: str, path: str, metadata: str) -> str:
    """Return the lines that create an array, given its driver, its place and the lines of its metadata."""
    return _OPEN.replace("<<driver>>", driver).replace("<<path>>", path).replace("<<metadata>>", metadata)


def omezarr_05(wanted: Wanted) -> Gaps | str:
    """Store in OME-Zarr 0.5, which is Zarr v3."""
    group = """\
ome = {"version": "0.5", "multiscales": [multiscale]}
group = {"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome}}
(folder / "zarr.json").write_text(json.dumps(group))
"""
    array = _V3.replace("<<more>>", '    "dimension_names": list(axes),\n')
    array += opened("zarr3", _LEVEL_PATH, METADATA)
    gaps = Gaps(template=array, layout=_v3_layout(wanted), codec=_v3_codecs(wanted.codec))
    return _omezarr(wanted, _LITTLE + group, gaps)


def omezarr_04(wanted: Wanted) -> Gaps | str:
    """Store in OME-Zarr 0.4, which is Zarr v2."""
    group = """\
(folder / ".zgroup").write_text(json.dumps({"zarr_format": 2}))
group = {"multiscales": [{"version": "0.4", **multiscale}]}
(folder / ".zattrs").write_text(json.dumps(group))
"""
    array = _V2.replace("<<more>>", '    "dimension_separator": "/",\n')
    array += opened("zarr", _LEVEL_PATH, METADATA)
    gaps = Gaps(template=array, layout=_v2_layout(wanted), codec=_v2_codec(wanted.codec))
    return _omezarr(wanted, group, gaps)


def _omezarr(wanted: Wanted, group: str, array: Gaps) -> Gaps | str:
    """Return the writer of an image, given the lines that write its group and those that create one array."""
    if wanted.axes is None:
        return NO_AXES
    imports = "import json\nfrom pathlib import Path\n\nimport numpy as np\nimport tensorstore as ts\n\n"
    levels = filled_levels(LEVELS, wanted, wanted.axes)
    folder = 'folder = Path("image.ome.zarr")\nfolder.mkdir()\n'
    each = _inside(array.template.replace("image.", "level.") + "array.write(level).result()\n")
    template = f"{imports}{levels}{MULTISCALE}{folder}{group}for k, level in enumerate(levels):\n{each}"
    return Gaps(template=template, layout=indented(array.layout), codec=indented(array.codec))


def _inside(lines: str) -> str:
    """Indent lines by four, but none of the gaps: what stands in them is indented itself."""
    for gap in (CODEC_GAP, LAYOUT_GAP):
        lines = lines.replace(gap, f"{gap}\n")
    made = "".join(line if line.startswith("<<") else f"    {line}" for line in lines.splitlines(keepends=True))
    return made.replace(f"{CODEC_GAP}\n", CODEC_GAP).replace(f"{LAYOUT_GAP}\n", LAYOUT_GAP)


def precomputed(wanted: Wanted) -> Gaps:
    """Store in Neuroglancer's precomputed format, which lists x first."""
    levels = filled_levels(LEVELS, wanted, "zyx")
    head = f"import numpy as np\nimport tensorstore as ts\n\n{levels}"
    if wanted.n_levels == 1:
        head = "import tensorstore as ts\n\nlevels, scales = [image], [[1, 1, 1]]\n"
    kind = "segmentation" if wanted.codec.kind == "compressed-segmentation" else "image"
    volume = f"""\
        "multiscale_metadata": {{
            "type": "{kind}",
            "data_type": image.dtype.name,
            "num_channels": 1,
        }},
        "scale_metadata": scale,
"""
    scale = f"""\
scale = {{
    "size": level.shape[::-1],
    "resolution": factors[::-1],
    "encoding": "raw",
}}
{CODEC_GAP}{LAYOUT_GAP}"""
    each = (
        scale
        + opened("neuroglancer_precomputed", '"image.precomputed/"', volume)
        + "array[..., 0].T.write(level).result()\n"
    )
    template = f"{head}for k, (level, factors) in enumerate(zip(levels, scales)):\n{_inside(each)}"
    return Gaps(
        template=template, layout=indented(_precomputed_layout(wanted)), codec=indented(_precomputed_codec(wanted))
    )


def _precomputed_codec(wanted: Wanted) -> str:
    """Return the lines for a chunk's encoding, and for what a shard does with it."""
    codec, lines = wanted.codec, ""
    if codec.kind == "png":
        lines = f'scale |= {{"encoding": "png", "png_level": {codec.level}}}\n'
    elif codec.kind == "jpeg":
        lines = f'scale |= {{"encoding": "jpeg", "jpeg_quality": {codec.quality}}}\n'
    elif codec.kind == "compressed-segmentation":
        lines = 'scale["encoding"] = "compressed_segmentation"\n'
        lines += 'scale["compressed_segmentation_block_size"] = [8, 8, 8]\n'
    if wanted.shard_shape:
        lines += f'encoding = "{"gzip" if codec.kind == "gzip" else "raw"}"\n'
    return lines


def _precomputed_layout(wanted: Wanted) -> str:
    if wanted.chunk_shape is None:
        return ""
    lines = f'scale["chunk_size"] = {wanted.chunk_shape[::-1]}\n'
    if wanted.shard_shape is None:
        return lines
    within = grid_shape(wanted.shard_shape, wanted.chunk_shape)
    bits = [morton_shard_bits(grid_shape(shape, wanted.chunk_shape), within) for shape in _level_shapes(wanted)]
    return f"""\
{lines}bits = {bits}  # of chunks on a Morton curve, by level
preshift_bits, shard_bits = bits[k]
scale["sharding"] = {{
    "@type": "neuroglancer_uint64_sharded_v1",
    "hash": "identity",
    "preshift_bits": preshift_bits,
    "minishard_bits": 0,
    "shard_bits": shard_bits,
    "data_encoding": encoding,
    "minishard_index_encoding": encoding,
}}
"""


def _level_shapes(wanted: Wanted) -> list[Shape]:
    factors = level_factors("zyx", wanted.shape, wanted.n_levels, along=wanted.halved)
    return [wanted.shape, *(grid_shape(wanted.shape, f) for f in factors)]


def _v3_layout(wanted: Wanted) -> str:
    if wanted.chunk_shape is None:
        return ""
    outer = wanted.shard_shape or wanted.chunk_shape
    lines = f"""\
metadata["chunk_grid"] = {{
    "name": "regular",
    "configuration": {{"chunk_shape": {outer}}},
}}
"""
    if wanted.shard_shape is None:
        return lines
    return f"""\
{lines}shard = {{
    "chunk_shape": {wanted.chunk_shape},
    "codecs": metadata["codecs"],
    "index_codecs": [little, {{"name": "crc32c"}}],
}}
metadata["codecs"] = [{{"name": "sharding_indexed", "configuration": shard}}]
"""


def _v2_layout(wanted: Wanted) -> str:
    return "" if wanted.chunk_shape is None else f'metadata["chunks"] = {wanted.chunk_shape}\n'


def _v3_codecs(codec: Codec) -> str:
    """Return the lines of a list of codecs."""
    steps: list[Mapping[str, Any]] = []
    if codec.kind in ("gzip", "zstd"):
        steps.append({"name": codec.kind, "configuration": {"level": codec.level}})
    elif codec.kind == "blosc":
        settings = {"cname": codec.compressor, "clevel": codec.level, "shuffle": codec.shuffle}
        steps.append({"name": "blosc", "configuration": settings})
    if codec.crc32c:
        steps.append({"name": "crc32c"})
    return "".join(_lines(step, 8) for step in steps)


def _v2_codec(codec: Codec) -> str:
    """Return the line or lines of the compressor."""
    settings: Mapping[str, Any] | None = None
    if codec.kind in ("gzip", "zstd"):
        settings = {"id": codec.kind, "level": codec.level}
    elif codec.kind == "blosc":
        shuffle = SHUFFLES.index(str(codec.shuffle))
        settings = {"id": "blosc", "cname": codec.compressor, "clevel": codec.level, "shuffle": shuffle}
    return '    "compressor": None,\n' if settings is None else _lines(settings, 4, '"compressor": ')


def _lines(value: Mapping[str, Any], indent: int, key: str = "") -> str:
    """Return an entry as code, a line for each of its own entries, and for each of theirs where it would be too long."""
    inner = ""
    for name, entry in value.items():
        line = f"{' ' * (indent + 4)}{json.dumps(name)}: {json.dumps(entry)},\n"
        is_long = len(line) > 80 and isinstance(entry, Mapping)  # what it is put into may indent it once more
        inner += _lines(entry, indent + 4, f"{json.dumps(name)}: ") if is_long else line
    return f"{' ' * indent}{key}{{\n{inner}{' ' * indent}}},\n"
