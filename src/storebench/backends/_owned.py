"""What every reader returns: voxels that belong to the caller."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def owned(values: NDArray) -> NDArray:
    """Return the same voxels as an owned, writable, C-contiguous array in native byte order, copying only where needed.

    A reshaped view of an array of the same size owns its voxels well enough, and so does an array over memory that a library
    has handed over with it (a capsule: pybind11, as in tensorstore); a memory map, a buffer of somebody else's or a small
    window into a large block does not, and is copied.
    """
    values = np.asarray(values)
    root = values
    while isinstance(root.base, np.ndarray):
        root = root.base
    base: object = root.base
    handed_over = base is None or type(base).__name__ == "PyCapsule"
    holds_itself = type(root) is np.ndarray and handed_over and root.nbytes == values.nbytes
    if holds_itself and values.flags.c_contiguous and values.flags.writeable and values.dtype.isnative:
        return values
    return np.array(values, dtype=values.dtype.newbyteorder("="), order="C", copy=True)
