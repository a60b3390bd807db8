"""Snippets for the formats of medicine and of electron microscopy, one file each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from storebench.advise._snippet import CODEC_GAP, Gaps, Wanted

_SYNTAXES: Final[Mapping[str, str]] = MappingProxyType(
    {"rle": "RLELossless", "jp2": "JPEG2000Lossless", "jls": "JPEGLSLossless"}
)


def nifti(wanted: Wanted) -> Gaps:
    """Store with nibabel: x comes first in NIfTI, and is the fastest axis in the file."""
    template = """\
import nibabel

nibabel.Nifti1Image(image.T, None, dtype=image.dtype).to_filename("image.nii")
"""
    return Gaps(template=template.replace("Nifti1Image", _kind(wanted)))


def niftigz(wanted: Wanted) -> Gaps:
    """Store with nibabel, in a gzip stream of a level that is asked for (its own is 1)."""
    template = f"""\
import nibabel
from nibabel.openers import Opener

voxels = nibabel.{_kind(wanted)}(image.T, None, dtype=image.dtype)
with Opener(
    "image.nii.gz",
    "wb",
{CODEC_GAP}) as file:
    voxels.to_stream(file)
"""
    return Gaps(template=template, codec=f"    compresslevel={wanted.codec.level},\n")


def _kind(wanted: Wanted) -> str:
    return "Nifti1Image" if max(wanted.shape) < 2**15 else "Nifti2Image"


def nrrd(wanted: Wanted) -> Gaps:
    """Store with pynrrd, whose own choice is gzip at level 9, and Fortran's order."""
    labels = "" if wanted.axes is None else f', "labels": list("{wanted.axes[::-1]}")'
    if wanted.codec.kind == "none":
        codec = f'    {{"encoding": "raw"{labels}}},\n'
    else:
        codec = f'    {{"encoding": "gzip"{labels}}},\n    compression_level={wanted.codec.level},\n'
    call = f'nrrd.write(\n    "image.nrrd",\n    image,\n{CODEC_GAP}    index_order="C",\n)\n'
    return Gaps(template=f"import nrrd\n\n{call}", codec=codec)


def mrc(wanted: Wanted) -> Gaps:
    """Store with mrcfile."""
    return Gaps(template='import mrcfile\n\nmrcfile.write("image.mrc", image)\n')


def dicom(wanted: Wanted) -> Gaps:
    """Store with pydicom: grey frames that no scanner made."""
    codec, volume = wanted.codec, len(wanted.shape) == 3
    kind, pages, tag = 'kind = "SecondaryCaptureImageStorage"\n', "", ""
    if volume:
        kind = """\
words = "Word" if image.itemsize == 2 else "Byte"
kind = f"MultiFrameGrayscale{words}SecondaryCaptureImageStorage"
"""
    if volume and wanted.shape[0] > 1:
        tag = "from pydicom.tag import Tag\n"
        pages = """\
dataset.FrameIncrementPointer = Tag("PageNumberVector")
dataset.PageNumberVector = list(range(1, len(image) + 1))
"""
    template = f"""\
from pydicom import Dataset, uid
from pydicom.dataset import FileMetaDataset
from pydicom.pixels.utils import set_pixel_data
{tag}
{kind}dataset = Dataset()
dataset.file_meta = FileMetaDataset()
dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
dataset.SOPClassUID = getattr(uid, kind)
dataset.StudyInstanceUID = uid.generate_uid()
dataset.SeriesInstanceUID = uid.generate_uid()
dataset.Modality = "OT"
dataset.ConversionType = "SYN"  # patient and dates stay unknown
{pages}set_pixel_data(dataset, image, "MONOCHROME2", bits_stored=8 * image.itemsize)
{CODEC_GAP}dataset.save_as("image.dcm", enforce_file_format=True)
"""
    if codec.kind == "none":
        return Gaps(template=template)
    near = "" if codec.max_error is None else f", jls_error={codec.max_error:g}"
    name = _SYNTAXES[codec.kind] if codec.lossless else "JPEGLSNearLossless"
    return Gaps(template=template, codec=f"dataset.compress(uid.{name}{near})\n")
