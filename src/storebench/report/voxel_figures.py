"""The voxel pictures as figures for papers, drawn with matplotlib from the layers that the page draws as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from storebench.grid import Shape
from storebench.report.chunk_shapes import ChunkPicture
from storebench.report.isometric import Frame, Layer, corners
from storebench.report.style import INK, MUTED
from storebench.report.voxels import ReadCost, read_frame, read_layers
from storebench.units import count_text, shape_text

_WIDTH: Final = 10.4  # inches, as the page's other figures
_SHADES: Final = (0.9, 1.0, 0.8)  # of the faces that look left, up and right
_PALE_SHADES: Final = (0.97, 1.0, 0.92)  # of the image, which is nearly white
_CHUNKS: Final = ("#f6d99b", "#3f7fb5", "#bfe3cf", "#a8577f", "#cfe0f4", "#2f8a70", "#f3c6d3", "#8a6d2f")
_ROLES: Final[dict[str, dict[str, Any]]] = {
    "image": {"fill": "#f4f6f8", "alpha": 1.0, "line": "#57606a", "edge": 0.6, "grid": 0.25},
    "decoded": {"fill": "#d9860f", "alpha": 0.38, "line": "#8a5200", "edge": 0.8, "grid": 0.5},
    "asked": {"fill": "#b3261e", "alpha": 1.0, "line": "#4d0f0b", "edge": 0.5, "grid": 0.5},
} | {
    f"k{index}": {"fill": colour, "alpha": 1.0, "line": "#ffffff", "edge": 0.5, "grid": 0.0}
    for index, colour in enumerate(_CHUNKS)
}


def draw_reads(costs: Sequence[ReadCost]) -> Figure:
    """Draw reads beside each other: image, chunks decoded, voxels asked for."""
    figure = Figure(figsize=(_WIDTH, 4.5), layout="constrained")
    for axes, cost in zip(figure.subplots(1, len(costs), squeeze=False).flat, costs, strict=True):
        _draw(axes, read_frame(cost), read_layers(cost), cost.shape)
        asked, decoded = count_text(cost.asked), count_text(cost.decoded)
        axes.set_title(
            f"Chunks of {shape_text(cost.chunk_shape)}: {asked} voxels asked, {decoded} decoded", loc="center"
        )
    return figure


def draw_chunk_shapes(pictures: Sequence[ChunkPicture]) -> Figure:
    """Draw one image cut into chunks in several ways."""
    figure = Figure(figsize=(_WIDTH, 3.1), layout="constrained")
    for axes, picture in zip(figure.subplots(1, len(pictures), squeeze=False).flat, pictures, strict=True):
        _draw(axes, picture.frame, picture.layers, picture.shape)
        chunks = count_text(picture.n_chunks)
        axes.set_title(f"Chunks of {shape_text(picture.chunk_shape)}: {chunks}", loc="center")
    return figure


def _draw(axes: Axes, frame: Frame, layers: Sequence[Layer], shape: Shape) -> None:
    for order, layer in enumerate(layers):
        style = _ROLES[layer.role]
        shade = (_PALE_SHADES if layer.role == "image" else _SHADES)[layer.face]
        fill = (*(part * shade for part in to_rgb(style["fill"])), style["alpha"])
        boxes = [corners(layer, box) for box in layer.boxes]
        place = 2 + order / 1000
        axes.add_collection(
            PolyCollection(boxes, facecolors=[fill], edgecolors=style["line"], linewidths=style["edge"], zorder=place)
        )
        lines = [corners(layer, line) for line in layer.lines]
        axes.add_collection(
            LineCollection(lines, colors=style["line"], linewidths=style["grid"], zorder=place + 0.0005)
        )
    for x, y, anchor, text in frame.labels(shape):
        side = {"start": "left", "middle": "center", "end": "right"}[anchor]
        axes.text(x, y, text, ha=side, va="baseline", fontsize=8, color=MUTED)
    left, top, width, height = frame.view_box
    axes.set(xlim=(left, left + width), ylim=(top + height, top), aspect="equal")
    axes.axis("off")
    axes.title.set_color(INK)
