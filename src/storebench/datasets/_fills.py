"""What each synthetic image is made of: one function per family, each making the voxels of a box from whole numbers.

The figures (counts, spacings, shares) were chosen so that the images compress, or scatter, as `synthetic` says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storebench.datasets._cells import patches, place
from storebench.datasets._noise import GAUSS_UNIT, Bits, Counts, gauss, key_of, poisson, smooth_field, voxel_bits
from storebench.grid import Region, Shape

DType = np.dtype[Any]
Fill = Callable[[int, Region, Shape, DType], NDArray[Any]]
"""Make the voxels of a box: (key of the image, box with axes zyx, extent of the image in zyx, dtype) → array."""


def _counts_as(counts: Counts, bits: int, dtype: DType, noise: Bits | None = None) -> NDArray[Any]:
    """Store counts in a dtype.

    Integers keep the counts, clipped; those with fewer than `bits` bits get the counts scaled down by a power of two.
    Floats get a random fraction below one count from `noise`, as processed images have no trailing zero bits.
    """
    if dtype.kind == "f":
        values = np.maximum(counts, 0).astype(np.float64)
        if noise is not None:
            values += (noise & np.uint64(0xFFFF)).astype(np.float64) * 2.0**-16
        return values.astype(dtype)
    limit = int(np.iinfo(dtype).max)
    counts = counts >> max(0, bits - limit.bit_length())
    return np.clip(counts, 0, min(limit, 2**31 - 1)).astype(dtype)


def fill_random(key: int, box: Region, _extent: Shape, dtype: DType) -> NDArray[Any]:
    """Fill with uniform noise: integers over the dtype's whole range, floats over [0, 1) with all mantissa bits."""
    bits = voxel_bits(key, box)
    if dtype.kind == "f":
        digits = np.finfo(dtype).nmant + 1
        return ((bits >> np.uint64(64 - digits)).astype(np.float64) * 2.0**-digits).astype(dtype)
    return (bits >> np.uint64(64 - 8 * dtype.itemsize)).astype(f"u{dtype.itemsize}").view(dtype)


def fill_constant(_key: int, box: Region, _extent: Shape, dtype: DType) -> NDArray[Any]:
    """Fill with ones: not with 0, the usual fill value, whose chunks some writers leave out."""
    return np.ones(box.shape, dtype=dtype)


def _ellipsoid(box: Region, extent: Shape) -> Counts:
    """Return squared distances from the image's centre; 1024² where the inscribed ellipsoid ends."""
    z, y, x = (
        ((2 * np.arange(low, high) + 1 - n) * 1024 // n).astype(np.int32) ** 2
        for low, high, n in zip(box.start, box.stop, extent, strict=True)
    )
    plane = z[:, None] + y
    return np.asarray(plane[:, :, None] + x)


def fill_ct(key: int, box: Region, extent: Shape, dtype: DType) -> NDArray[Any]:
    """Fill with soft tissue in a quieter surrounding, as in tomograms of whole organs.

    An ellipsoid that scales with the image, with an uneven surface. Inside, a smooth field of a few hundred counts and
    Gaussian noise with a standard deviation of 100; outside, no field and a fifth of the noise. Twelve bits used.
    """
    bulk = smooth_field(key_of(key, "bulk"), box, 32, 300)
    inside = _ellipsoid(box, extent)
    inside += bulk * 512
    np.subtract(960 * 1024, inside, out=inside)
    inside >>= 8
    np.clip(inside, 0, 256, out=inside)
    bulk += smooth_field(key_of(key, "detail"), box, 8, 60)
    bulk += 400
    bulk *= inside
    bulk >>= 8
    bits = voxel_bits(key_of(key, "noise"), box)
    inside *= 80
    inside >>= 8
    inside += 20
    inside *= gauss(bits)
    inside //= GAUSS_UNIT
    bulk += inside
    bulk += 1100
    return _counts_as(bulk, 12, dtype, bits)


def fill_em(key: int, box: Region, _extent: Shape, dtype: DType) -> NDArray[Any]:
    """Fill with cells of textured grey between dark membranes, as in electron micrographs of neuropil.

    Eight bits used. No publication with entropy and autocorrelation of raw EM volumes was found, so the figures that
    the tests pin are those of the image as made, not of a real one; compare with CREMI (serial sections) and FIB-25
    (isotropic FIB-SEM) before trusting a codec ranking for EM.
    """
    grey = smooth_field(key_of(key, "cytoplasm"), box, 16, 18)
    grey += smooth_field(key_of(key, "texture"), box, 4, 30)
    grey += 150
    for patch in patches(key_of(key, "cells"), box, 32):
        cell, wall = patch.walls()
        shade = (patch.seeds >> np.uint64(60)).astype(np.int32) * 2 - 15
        dark = np.maximum(3 - wall, 0) * 25
        grey[place(box, patch.box)] += shade[cell] - dark
    bits = voxel_bits(key_of(key, "noise"), box)
    grey += gauss(bits) * 10 // GAUSS_UNIT
    return _counts_as(np.clip(grey, 0, 255), 8, dtype, bits)


def fill_fluorescence(key: int, box: Region, _extent: Shape, dtype: DType) -> NDArray[Any]:
    """Fill with bright round blobs on a dark ground, as a camera sees labelled nuclei.

    Photons are counted (Poisson noise), multiplied by a gain of 2.2 counts, and get a read noise of 3 counts and an
    offset of 100. About ten bits used. Entropy and lag-1 autocorrelation lie between those of the two real images in
    the PyPI package stardist 0.9.2, as measured there: img2d 5.90 bits and 0.945 to 0.947; img3d, a crop full of
    nuclei, 7.24 bits and 0.865 to 0.875.
    """
    photons = smooth_field(key_of(key, "haze"), box, 64, 6)
    photons += 16
    for patch in patches(key_of(key, "blobs"), box, 32):
        part = photons[place(box, patch.box)]
        for i, seed in enumerate(patch.seeds):
            radius = 10 + int(seed >> np.uint64(60)) // 2
            if int(seed) % 8 >= 4 or patch.gap(i) >= radius**2:
                continue
            height = 256 - np.minimum(patch.distances(i) * 256 // radius**2, 256)
            part += height * height // 256 * (60 + int(seed >> np.uint64(52)) % 128) // 256
    bits = voxel_bits(key_of(key, "noise"), box)
    counts = poisson(photons, bits) * 563
    counts += gauss(bits << np.uint64(32)) * 3 * 256 // GAUSS_UNIT
    return _counts_as((counts >> 8) + 100, 10, dtype)


def _fill_labels(key: int, box: Region, dtype: DType, spacing: int, kept_per_mille: int) -> NDArray[Any]:
    """Fill with the numbers of Voronoi cells about `spacing` voxels wide, of which a part is kept and the rest is 0."""
    largest = 127 if dtype.itemsize == 1 else 2047 if dtype == np.float16 else 32767
    labels = np.zeros(box.shape, dtype=dtype)
    for patch in patches(key, box, spacing):
        kept = (patch.seeds >> np.uint64(32)) % np.uint64(1000) < kept_per_mille
        if kept.any():
            numbers = (1 + patch.seeds % np.uint64(largest)) * kept
            labels[place(box, patch.box)] = numbers.astype(dtype)[patch.nearest()]
    return labels


def fill_labels_dense(key: int, box: Region, _extent: Shape, dtype: DType) -> NDArray[Any]:
    """Fill with a segmentation in which nearly every voxel belongs to a cell."""
    return _fill_labels(key, box, dtype, 42, 970)


def fill_labels_sparse(key: int, box: Region, _extent: Shape, dtype: DType) -> NDArray[Any]:
    """Fill with a segmentation of which only a few selected cells are left, the rest is 0."""
    return _fill_labels(key, box, dtype, 24, 8)
