"""What the readers of the user's own files share: what they find, what they offer, how damage is reported."""

from __future__ import annotations

import contextlib
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from storebench.errors import DataError, StorebenchError
from storebench.grid import Region, Shape

UNKNOWN_AXIS: Final = "?"
SAMPLES_AXIS: Final = "s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a file says about the image in it.

    Attributes
    ----------
    shape : tuple of int
        Extent in voxels, in the file's own axis order.
    dtype : numpy.dtype
        As stored.
    axes : str
        One letter per axis, in the file's own order: one of "tczyx", "s" for the samples of a colour image, "?" where
        unnamed.
    about : str
        A few words for the dataset's source: kind and peculiarities, never a path.
    """

    shape: Shape
    dtype: np.dtype[Any]
    axes: str
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileKind:
    """One kind of file.

    Attributes
    ----------
    name : str
        Short, as in "tiff".
    label : str
        For people, as in "TIFF".
    magic : tuple of bytes
        How the files begin; empty for folders.
    suffixes : tuple of str
        How their names end; decides nothing but the wording of errors and which files of a folder are planes.
    describe : callable
        (path, path inside the file or "") → `Found`.
    read : callable
        (path, path inside the file or "", regions in the file's axis order) → one array per region. Takes many regions
        at once so that a file is opened, and a compressed plane decoded, once for all of them.
    """

    name: str
    label: str
    magic: tuple[bytes, ...] = ()
    suffixes: tuple[str, ...] = ()
    describe: Callable[[Path, str], Found]
    read: Callable[[Path, str, Sequence[Region]], list[NDArray[Any]]]


_DAMAGE: Final = (
    OSError,
    ValueError,
    RuntimeError,
    LookupError,
    TypeError,
    EOFError,
    OverflowError,
    struct.error,
    zlib.error,
)
"""What the libraries raise for truncated and corrupted files: each has its own, most are RuntimeError or ValueError."""


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what the libraries raise for a file that cannot be read into a `DataError` that names it.

    Raises
    ------
    DataError
        With the library's own exception as its cause.
    """
    try:
        yield
    except StorebenchError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file or folder, or a part of it is gone; check the spelling") from error
    except PermissionError as error:
        raise DataError(f"{path}: no permission to read it; ask its owner, or: chmod u+r") from error
    except _DAMAGE as error:
        raise DataError(
            f"{path}: cannot be read as an image ({type(error).__name__}: {error}); it may be damaged or incomplete: "
            "open it in another program, or copy it again from where it came"
        ) from error
