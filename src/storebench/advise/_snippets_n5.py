"""Snippets for N5, by tensorstore and by z5py: one dataset in a container. N5 lists x first; z5py turns that around by itself."""

from __future__ import annotations

import json
from typing import Final

from storebench.advise._snippet import CODEC_GAP, LAYOUT_GAP, Gaps, Wanted
from storebench.advise._snippets_tensorstore import METADATA, opened
from storebench.codecs import SHUFFLES, Codec

_CONTAINER: Final = """\
container = json.dumps({"n5": "2.0.0"})
Path("image.n5/attributes.json").write_text(container)
"""


def by_tensorstore(wanted: Wanted) -> Gaps:
    """Store with tensorstore, which sees N5's own order of axes."""
    axes = "" if wanted.axes is None else f'    "axes": {_turned(wanted.axes)},\n'
    template = f"""\
import json
from pathlib import Path

import tensorstore as ts

metadata = {{
    "dimensions": image.shape[::-1],
    "dataType": image.dtype.name,
{axes}{CODEC_GAP}}}
{LAYOUT_GAP}{opened("n5", '"image.n5/s0/"', METADATA)}array.T.write(image).result()
{_CONTAINER}"""
    layout = "" if wanted.chunk_shape is None else f'metadata["blockSize"] = {wanted.chunk_shape[::-1]}\n'
    return Gaps(template=template, layout=layout, codec=_compression(wanted.codec))


def _turned(axes: str) -> str:
    return json.dumps(list(axes[::-1]))


def _compression(codec: Codec) -> str:
    lines = {"type": "raw" if codec.kind == "none" else codec.kind}
    given = ", ".join(f'"{name}": {json.dumps(value)}' for name, value in (lines | _settings(codec, "cname")).items())
    return f'    "compression": {{{given}}},\n'


def _settings(codec: Codec, compressor: str) -> dict[str, int | str | None]:
    """Return level and shuffle of a codec, and Blosc's compressor by the name that a library has for it."""
    if codec.kind == "blosc":
        shuffle = SHUFFLES.index(str(codec.shuffle))
        return {compressor: codec.compressor, "clevel": codec.level, "shuffle": shuffle}
    return {} if codec.level is None else {"level": codec.level}


def by_z5py(wanted: Wanted) -> Gaps:
    """Store with z5py, which sees axes as numpy does."""
    axes = "" if wanted.axes is None else f'dataset.attrs["axes"] = {_turned(wanted.axes)}\n'
    template = f"""\
import z5py

file = z5py.N5File("image.n5", mode="x")
dataset = file.create_dataset(
    "s0",
    data=image,
{LAYOUT_GAP}{CODEC_GAP})
{axes}"""
    codec = {"compression": "raw" if wanted.codec.kind == "none" else wanted.codec.kind}
    lines = "".join(
        f"    {name}={json.dumps(value)},\n" for name, value in (codec | _settings(wanted.codec, "codec")).items()
    )
    layout = "" if wanted.chunk_shape is None else f"    chunks={wanted.chunk_shape},\n"
    return Gaps(template=template, layout=layout, codec=lines)
