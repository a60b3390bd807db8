"""Snippets for formats of one file, and for stacks of 2-D files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from storebench.advise._snippet import CODEC_GAP, LAYOUT_GAP, Gaps, Wanted
from storebench.advise._snippets_zarr import LEVELS, filled_levels
from storebench.codecs import SHUFFLES, Codec
from storebench.grid import Shape, wavelet_levels

_PSNR: Final = (
    "A PSNR is reached by encoding and decoding until it holds: that is a loop of storebench, and no few lines."
)


def npy(wanted: Wanted) -> Gaps:
    """Store as NumPy's own file."""
    return Gaps(template='import numpy as np\n\nnp.save("image.npy", image)\n')


def tiff(wanted: Wanted) -> Gaps:
    """Store with tifffile: strips, tiles or tiles of volumes."""
    axes = "" if wanted.axes is None else f'    metadata={{"axes": "{wanted.axes.upper()}"}},\n'
    call = f'tifffile.imwrite(\n    "image.tiff",\n    image,\n    photometric="minisblack",\n{LAYOUT_GAP}{CODEC_GAP}{axes})\n'
    return Gaps(template=f"import tifffile\n\n{call}", layout=_tiff_layout(wanted), codec=_tiff_codec(wanted))


def ometiff(wanted: Wanted) -> Gaps | str:
    """Store with tifffile as OME-TIFF; smaller levels, along y and x, hang on the pages."""
    if wanted.axes is None:
        return "OME-TIFF names its axes, and those of this image are not known: there is no code to show."
    axes, layout, codec = wanted.axes, _tiff_layout(wanted), _tiff_codec(wanted)
    if wanted.n_levels == 1:
        call = f'tifffile.imwrite(\n    "image.ome.tiff",\n    image,\n    photometric="minisblack",\n{LAYOUT_GAP}{CODEC_GAP}'
        template = f'import tifffile\n\n{call}    metadata={{"axes": "{axes.upper()}"}},\n)\n'
        return Gaps(template=template, layout=layout, codec=codec)
    levels = filled_levels(LEVELS, replace(wanted, halved="yx"), axes)
    template = f"""\
import numpy as np
import tifffile

{levels}settings = dict(
    photometric="minisblack",
{LAYOUT_GAP}{CODEC_GAP})
with tifffile.TiffWriter("image.ome.tiff", ome=True) as file:
    metadata = {{"axes": axes.upper()}}
    file.write(levels[0], subifds={wanted.n_levels - 1}, metadata=metadata, **settings)
    for level in levels[1:]:
        file.write(level, subfiletype=1, **settings)
"""
    return Gaps(template=template, layout=layout, codec=codec)


def _tiff_layout(wanted: Wanted) -> str:
    chunk = wanted.chunk_shape
    if chunk is None:
        return ""
    if len(chunk) > 2 and chunk[-3] > 1:
        return f"    tile={chunk[-3:]},\n    volumetric=True,\n"
    if chunk[-1] == wanted.shape[-1]:
        return f"    rowsperstrip={chunk[-2]},\n"
    return f"    tile={chunk[-2:]},\n"


def cog(wanted: Wanted) -> Gaps:
    """Store with tifffile as tiles with overviews, which are pages of their own."""
    tile = wanted.chunk_shape or tuple(min(512, -(-n // 16) * 16) for n in wanted.shape)
    layout, codec = f"    tile={tile},\n", _tiff_codec(wanted)
    axes = wanted.axes or "yx"
    settings = f'    photometric="minisblack",\n{LAYOUT_GAP}{CODEC_GAP}    metadata=None,\n'
    if wanted.n_levels == 1:
        call = f'tifffile.imwrite(\n    "image.tif",\n    image,\n{settings}    description="axes {axes}",\n)\n'
        return Gaps(template=f"import tifffile\n\n{call}", layout=layout, codec=codec)
    template = f"""\
import numpy as np
import tifffile

{filled_levels(LEVELS, wanted, axes)}settings = dict(
{settings})
with tifffile.TiffWriter("image.tif") as file:
    file.write(levels[0], description="axes {axes}", **settings)
    for level in levels[1:]:
        file.write(level, subfiletype=1, **settings)
"""
    return Gaps(template=template, layout=layout, codec=codec)


_TIFF_NAMES: Final = {"deflate": "zlib", "jp2": "jpeg2000", "jxl": "jpegxl", "jxr": "jpegxr"}
"""What tifffile calls families of codecs, where it does not call them as storebench does."""


def _tiff_codec(wanted: Wanted) -> str:
    codec = wanted.codec
    if codec.kind == "none":
        return ""
    lines = f'    compression="{_TIFF_NAMES.get(codec.kind, codec.kind)}",\n'
    settings: dict[str, object] = {} if codec.level is None else {"level": codec.level}
    if codec.kind == "jxl":
        settings = _jxl_settings(wanted)
    elif codec.kind == "jp2":
        settings = {"level": 0, "reversible": True}
    elif codec.kind in ("jxr", "jpeg", "lerc"):
        settings = {"level": {"jxr": 1.0, "jpeg": codec.quality, "lerc": codec.max_error or 0}[codec.kind]}
    if settings:
        written = ", ".join(f'"{name}": {value}' for name, value in settings.items())
        lines += f"    compressionargs={{{written}}},\n"
    return lines + ("    predictor=True,\n" if codec.predictor else "")


def _jxl_settings(wanted: Wanted) -> dict[str, object]:
    codec = wanted.codec
    return {"lossless": True, "effort": codec.level} if codec.distance is None else {"distance": codec.distance}


def hdf5(wanted: Wanted) -> Gaps:
    """Store with h5py, one dataset."""
    layout = "" if wanted.chunk_shape is None else f"        chunks={wanted.chunk_shape},\n"
    labels, codec = "", wanted.codec
    if wanted.axes is not None:
        labels = f'    for dimension, axis in zip(data.dims, "{wanted.axes}"):\n        dimension.label = axis\n'
    plugin = "import hdf5plugin\n" if codec.kind in ("zstd", "blosc", "blosc2", "bitshuffle") else ""
    template = f"""\
import h5py
{plugin}
with h5py.File("image.h5", "w") as file:
    data = file.create_dataset(
        "image",
        data=image,
{LAYOUT_GAP}{CODEC_GAP}    )
{labels}"""
    return Gaps(template=template, layout=layout, codec=_hdf5_codec(codec))


def _hdf5_codec(codec: Codec) -> str:
    lines = "        shuffle=True,\n" if codec.filter == "shuffle" else ""
    level = "" if codec.level is None else f", clevel={codec.level}"
    if codec.kind == "deflate":
        return lines + f'        compression="gzip",\n        compression_opts={codec.level},\n'
    if codec.kind == "lzf":
        return lines + '        compression="lzf",\n'
    if codec.kind == "zstd":
        return lines + f"        compression=hdf5plugin.Zstd(clevel={codec.level}),\n"
    if codec.kind == "bitshuffle":
        return lines + f'        compression=hdf5plugin.Bitshuffle(cname="{codec.compressor}"{level}),\n'
    if codec.shuffle is not None:
        name, number = codec.kind.capitalize(), SHUFFLES.index(codec.shuffle)
        settings = f'"{codec.compressor}", {codec.level}, {number}'  # compressor, level, shuffle
        return lines + f"        compression=hdf5plugin.{name}({settings}),\n"
    return lines


def png(wanted: Wanted) -> Gaps:
    """Store with imageio's pillow plugin."""
    call = f'iio.imwrite(\n    "image.png",\n    image,\n    plugin="pillow",\n{CODEC_GAP})\n'
    codec = f"    compress_level={wanted.codec.level},\n"
    return Gaps(template=f"import imageio.v3 as iio\n\n{call}", codec=codec)


def jp2_imageio(wanted: Wanted) -> Gaps | str:
    """Store with imageio's pillow plugin."""
    if wanted.codec.psnr_db is not None:
        return _PSNR
    codec = ""
    ratios = _ratios(wanted)
    if ratios:
        codec = f'    quality_mode="rates",\n    quality_layers={ratios},\n'
    tile = _tile(wanted)
    layout = ""
    if tile is not None:
        layout = f"    tile_size={tile[::-1]},\n    num_resolutions={wavelet_levels(wanted.shape, tile) + 1},\n"
    call = f'iio.imwrite(\n    "image.jp2",\n    image,\n    plugin="pillow",\n{LAYOUT_GAP}{CODEC_GAP})\n'
    return Gaps(template=f"import imageio.v3 as iio\n\n{call}", layout=layout, codec=codec)


def jp2_glymur(wanted: Wanted) -> Gaps | str:
    """Store with glymur."""
    if wanted.codec.psnr_db is not None:
        return _PSNR
    tile = _tile(wanted)
    layout = f"    numres={wavelet_levels(wanted.shape, tile or wanted.shape) + 1},\n"
    layout += "" if tile is None else f"    tilesize={tile},\n    tlm=True,\n"
    codec = f"    cratios={ratios},\n" if (ratios := _ratios(wanted)) else ""
    head = "import glymur  # needs OpenJPEG: apt-get install libopenjp2-7\n\n"
    call = f'glymur.Jp2k(\n    "image.jp2",\n    data=image,\n{LAYOUT_GAP}{CODEC_GAP})\n'
    return Gaps(template=head + call, layout=layout, codec=codec)


def jp2_imagecodecs(wanted: Wanted) -> Gaps | str:
    """Store with imagecodecs, lossless."""
    if wanted.codec.psnr_db is not None:
        return _PSNR
    template = """\
from pathlib import Path

import imagecodecs

data = imagecodecs.jpeg2k_encode(
    image, 0, codecformat="jp2", reversible=True
)
Path("image.jp2").write_bytes(data)
"""
    return Gaps(template=template)


def htj2k(wanted: Wanted) -> Gaps:
    """Store with imagecodecs' OpenJPH, lossless; its tiles are (x, y)."""
    tile = _tile(wanted)
    layout = "" if tile is None else f"    tile={tile[::-1]},\n    tlm=True,\n"
    levels = max(wavelet_levels(wanted.shape, tile or wanted.shape), 1)
    template = f"""\
from pathlib import Path

import imagecodecs

data = imagecodecs.htj2k_encode(
    image,
    reversible=True,
    resolutions={levels},
{LAYOUT_GAP})
Path("image.jhc").write_bytes(data)
"""
    return Gaps(template=template, layout=layout)


def jxl(wanted: Wanted) -> Gaps:
    """Store with imagecodecs' libjxl."""
    return _by_imagecodecs("jpegxl", "jxl", _jxl_settings(wanted))


def jls(wanted: Wanted) -> Gaps:
    """Store with imagecodecs' CharLS."""
    return _by_imagecodecs("jpegls", "jls", {"level": int(wanted.codec.max_error or 0)})


def jxr(wanted: Wanted) -> Gaps:
    """Store with imagecodecs' jxrlib; 1 is lossless."""
    return _by_imagecodecs("jpegxr", "jxr", {"level": 1.0})


def _by_imagecodecs(name: str, suffix: str, settings: dict[str, object]) -> Gaps:
    """Return code that has imagecodecs encode a plane into a file."""
    template = f"""\
from pathlib import Path

import imagecodecs

data = imagecodecs.{name}_encode(
    image,
{CODEC_GAP})
Path("image.{suffix}").write_bytes(data)
"""
    return Gaps(template=template, codec="".join(f"    {key}={value},\n" for key, value in settings.items()))


def _ratios(wanted: Wanted) -> list[int]:
    """Return the compression ratios at the ends of JPEG 2000's quality layers; none: one layer, lossless."""
    ratio = wanted.codec.ratio
    return list(wanted.codec.layer_ratios) if ratio is None else [int(ratio)]


def _tile(wanted: Wanted) -> Shape | None:
    """Return the tile; None where the image is one."""
    return None if wanted.chunk_shape in (None, wanted.shape) else wanted.chunk_shape


def stack(
    plane: Callable[[Wanted], Gaps | str], suffix: str, form: str | None = None
) -> Callable[[Wanted], Gaps | str]:
    """Return the writer of a folder with one file per plane.

    Parameters
    ----------
    plane : callable
        Writer of one plane.
    suffix : str
        Of the files, without the dot.
    form : str, optional
        The planes' format, where it is not the suffix.
    """

    def write(wanted: Wanted) -> Gaps | str:
        axis, axes = wanted.stack_axis, wanted.axes
        made = plane(
            replace(
                wanted,
                shape=_without(wanted.shape, axis),
                axes=None if axes is None else axes[:axis] + axes[axis + 1 :],
                chunk_shape=None if wanted.chunk_shape is None else _without(wanted.chunk_shape, axis),
                stack_axis=0,
            )
        )
        if isinstance(made, str):
            return made
        # a folder's planes are told apart by their names alone
        name = "plane-" if axes is None else f"{axes}-{axes[axis]}"
        digits = max(4, len(str(wanted.shape[axis] - 1)))
        imports, _, call = made.template.rpartition("\n\n")
        planes = "image" if axis == 0 else f"np.moveaxis(image, {axis}, 0)"
        call = (
            call.replace(f'"image.{suffix}"', "path").replace("    image,", "    plane,").replace("=image,", "=plane,")
        )
        lines = [
            f'folder = Path("image.{form or suffix}stack")',
            "folder.mkdir()",
            f"for i, plane in enumerate({planes}):",
            f'    path = folder / f"{name}{{i:0{digits}d}}.{suffix}"',
        ]
        first = [] if "from pathlib import Path" in imports else ["from pathlib import Path", ""]
        first += ["import numpy as np"] if axis else []
        template = "\n".join([*first, imports, "", *lines, _indent(call)])
        return Gaps(template=template, layout=_indent(made.layout), codec=_indent(made.codec))

    return write


def _without(extents: Shape, axis: int) -> Shape:
    return extents[:axis] + extents[axis + 1 :]


def _indent(lines: str) -> str:
    """Indent lines by four; a line that is gaps alone stays, what stands in them is indented itself."""
    return "".join(line if line.startswith("<<") else f"    {line}" for line in lines.splitlines(keepends=True))
