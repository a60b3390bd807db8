"""The images of the suites."""

from __future__ import annotations

from typing import Final

from storebench.suites._grid import Subject

CT_TINY: Final = Subject("ct", (64, 64, 64), "uint16")
CT_SMALL: Final = Subject("ct", (128, 128, 128), "uint16")
CT_MIDDLE: Final = Subject("ct", (192, 192, 192), "uint16")
CT: Final = Subject("ct", (256, 256, 256), "uint16")
CT_FLOATS: Final = Subject("ct", (128, 256, 256), "float32")
PLANE_SMALL: Final = Subject("ct", (512, 512), "uint16", axes="yx")
PLANE: Final = Subject("ct", (2048, 2048), "uint16", axes="yx")
PLANE_HEART: Final = Subject("ct", (7614, 7614), "uint16", axes="yx")
"""As large as a plane of the Human Organ Atlas heart, the chapter's example of 983 GB."""
PLANE_LARGE: Final = Subject("ct", (8192, 8192), "uint16", axes="yx")
LABELS_DENSE: Final = Subject("labels_dense", (256, 256, 256), "uint16")
LABELS_SPARSE: Final = Subject("labels_sparse", (256, 256, 256), "uint16")
FLUORESCENCE: Final = Subject("fluorescence", (128, 256, 256), "uint16")
EM: Final = Subject("em", (128, 256, 256), "uint8")
FIVE_AXES: Final = Subject("fluorescence5d", (2, 2, 32, 256, 256), "uint16", axes="tczyx")
CT_CUT: Final = Subject("ct", (200, 200, 200), "uint16")
CT_LARGE: Final = Subject("ct", (512, 512, 512), "uint16")
CHAPTER: Final = Subject("chapter2d", (32, 32), "uint16", axes="yx")
HEFTIE_DEV: Final = Subject("random", (128, 128, 128), "float64")
