"""Which axis of a file is which: named by the user, by the file's metadata, or assumed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from storebench.datasets._file_kind import SAMPLES_AXIS, UNKNOWN_AXIS, Found
from storebench.errors import DataError, UsageError

ORDER: Final = "tczyx"
_LONG_NAMES: Final = {"time": "t", "channel": "c", "channels": "c"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedAxes:
    """The axes of a dataset.

    Attributes
    ----------
    axes : str
        Names in the dataset's order, slowest first.
    order : tuple of int
        For each axis of the dataset, the axis of the file that it is.
    assumed : bool
        True where nothing named them.
    """

    axes: str
    order: tuple[int, ...]
    assumed: bool


def axis_letter(name: object) -> str:
    """Return the letter for an axis name as metadata spell it ("Z", "time"), or "?" where it is none of tczyx."""
    text = str(name).lower()
    letter = _LONG_NAMES.get(text, text)
    return letter if len(letter) == 1 and letter in ORDER else UNKNOWN_AXIS


def check_axes(axes: str) -> str:
    """Return axis names that the user gave.

    Raises
    ------
    UsageError
        If they are not 2 to 5 different letters of "tczyx" that end in "yx".
    """
    if not set(axes) <= set(ORDER) or len(set(axes)) != len(axes) or not axes.endswith("yx"):
        raise UsageError(
            f"axes {axes!r}: write different letters of tczyx, slowest axis first and yx last, as in zyx or tczyx"
        )
    return axes


def name_axes(found: Found, asked: str | None) -> NamedAxes:
    """Decide what the axes of an image are called and in which order the dataset has them.

    Colour samples become channels in front, since yx is last in every dataset. Names from metadata are brought into
    the order tczyx, which OME-Zarr demands (an ImageJ hyperstack is tzcyx). Names that the user gives are kept as they
    are: they stand for the file's axes in the file's order (with samples moved to the front).

    Raises
    ------
    UsageError
        If `asked` has another number of axes than the file.
    DataError
        If the image has fewer than 2 or more than 5 axes.
    """
    ndim = len(found.shape)
    if not 2 <= ndim <= len(ORDER):
        raise DataError(
            f"an image of shape {found.shape} has {ndim} axes; storebench stores 2 to 5, the last two of them yx"
        )
    samples = [axis for axis, letter in enumerate(found.axes) if letter == SAMPLES_AXIS]
    others = [axis for axis in range(ndim) if axis not in samples]
    order = (*samples, *others)
    if asked is not None:
        if len(check_axes(asked)) != ndim:
            shape = tuple(found.shape[axis] for axis in order)
            raise UsageError(f"axes {asked!r} name {len(asked)} axes; the image has {ndim}, of shape {shape}")
        return NamedAxes(axes=asked, order=order, assumed=False)
    letters = found.axes.replace(SAMPLES_AXIS, "c")
    assumed = UNKNOWN_AXIS in letters or len(set(letters)) != ndim
    if assumed and samples:
        if len(others) >= len(ORDER):
            raise DataError(
                f"a colour image of shape {found.shape} has too many axes; storebench stores 2 to 5, samples included"
            )
        rest = iter(ORDER.replace("c", "")[-len(others) :])
        letters = "".join("c" if axis in samples else next(rest) for axis in range(ndim))
    elif assumed:
        letters = ORDER[-ndim:]
    order = tuple(sorted(range(ndim), key=lambda axis: ORDER.index(letters[axis])))
    return NamedAxes(axes="".join(letters[axis] for axis in order), order=order, assumed=assumed)
