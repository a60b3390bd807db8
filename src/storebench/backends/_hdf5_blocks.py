"""The codecs of HDF5 alone, one chunk at a time, by the functions that HDF5 itself calls."""

from __future__ import annotations

import ctypes
import math
import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from storebench.backends._backend import BlockCodec, WriteRequest
from storebench.backends._hdf5_filters import PLUGIN_KINDS, filter_settings, pipeline_of
from storebench.grid import Shape

_REVERSE: Final = 0x0100  # H5Z_FLAG_REVERSE


def hdf5_blocks(request: WriteRequest) -> BlockCodec | str:
    """Return the codec of a request alone, or the sentence where it is inside HDF5 or h5py only."""
    codec = request.codec
    if codec.filter == "shuffle" or codec.kind == "lzf":
        what = "LZF" if codec.kind == "lzf" else "HDF5's shuffle filter"
        return f"{what} cannot be called without a file; for a codec alone take deflate-4, zstd-3 or one of Blosc's"
    if codec.kind in PLUGIN_KINDS:
        return _PluginBlocks(request)
    return _OwnBlocks(request)


class _OwnBlocks:
    """Python's zlib with the settings of HDF5's filter, or a copy; the shape of the last block is kept."""

    def __init__(self, request: WriteRequest) -> None:
        self._level, self._dtype = request.codec.level, request.dtype
        self._shape = _block_shape(request)

    def encode(self, block: NDArray) -> bytes:
        """Compress one block, or copy it where there is no filter."""
        self._shape = block.shape
        return block.tobytes() if self._level is None else zlib.compress(np.ascontiguousarray(block).data, self._level)

    def decode(self, data: bytes) -> NDArray:
        """Decompress one block, or copy it where there is no filter."""
        n_bytes = math.prod(self._shape) * self._dtype.itemsize
        raw = data if self._level is None else zlib.decompress(data, bufsize=n_bytes)
        block = np.frombuffer(raw, self._dtype).reshape(self._shape)
        return block.copy() if self._level is None else block


class _Bare(bytes):
    """A block that the filter could not make smaller: HDF5 stores it as it is and notes that beside it."""


_Filter: Final = ctypes.CFUNCTYPE(
    ctypes.c_size_t,
    ctypes.c_uint,
    ctypes.c_size_t,
    ctypes.POINTER(ctypes.c_uint),
    ctypes.c_size_t,
    ctypes.POINTER(ctypes.c_size_t),
    ctypes.POINTER(ctypes.c_void_p),
)


class _FilterClass(ctypes.Structure):
    """H5Z_class2_t, which every plugin hands to HDF5."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("id", ctypes.c_int),
        ("encoder_present", ctypes.c_uint),
        ("decoder_present", ctypes.c_uint),
        ("name", ctypes.c_char_p),
        ("can_apply", ctypes.c_void_p),
        ("set_local", ctypes.c_void_p),
        ("filter", _Filter),
    )


class _PluginBlocks:
    """The filter function of hdf5plugin's library, with the settings that HDF5 gives it for chunks of this shape.

    As HDF5 does it, the block is copied into memory of its own, which the filter replaces by memory that it has made.
    """

    def __init__(self, request: WriteRequest) -> None:
        import h5py
        import hdf5plugin

        self._dtype, self._shape = request.dtype, _block_shape(request)
        with h5py.File("block", "w", driver="core", backing_store=False) as file:
            settings = filter_settings(request.codec)
            dataset = file.create_dataset("block", self._shape, self._dtype, chunks=self._shape, **settings)
            ((number, _, values, _),) = pipeline_of(dataset)
        (name,) = (name for name, known in hdf5plugin.FILTERS.items() if known == number)
        library = ctypes.CDLL(hdf5plugin.get_config().registered_filters[name])
        library.H5PLget_plugin_info.restype = ctypes.POINTER(_FilterClass)
        self._filter = library.H5PLget_plugin_info().contents.filter
        self._values = (ctypes.c_uint * len(values))(*values)
        self._memory = ctypes.CDLL(None)
        self._memory.malloc.restype, self._memory.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
        self._memory.free.argtypes = [ctypes.c_void_p]

    def encode(self, block: NDArray) -> bytes:
        """Compress one block."""
        plain = np.ascontiguousarray(block)
        return self._filtered(0, plain.ctypes.data, plain.nbytes) or _Bare(plain.tobytes())

    def decode(self, data: bytes) -> NDArray:
        """Decompress one block."""
        if isinstance(data, _Bare):
            return np.frombuffer(data, self._dtype).reshape(self._shape).copy()
        address = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0
        return np.frombuffer(self._filtered(_REVERSE, address, len(data)), self._dtype).reshape(self._shape)

    def _filtered(self, flags: int, address: int, n_bytes: int) -> bytes:
        """Return what the filter makes of bytes in memory; nothing where it cannot."""
        buffer, size = ctypes.c_void_p(self._memory.malloc(n_bytes)), ctypes.c_size_t(n_bytes)
        try:
            ctypes.memmove(buffer, address, n_bytes)
            n_found = self._filter(
                flags, len(self._values), self._values, n_bytes, ctypes.byref(size), ctypes.byref(buffer)
            )
            return ctypes.string_at(buffer, n_found) if n_found else b""
        finally:
            self._memory.free(buffer)


def _block_shape(request: WriteRequest) -> Shape:
    return request.shape if request.layout is None else request.layout.chunk_shape
