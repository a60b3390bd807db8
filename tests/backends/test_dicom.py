"""DICOM: frames decoded by libraries that are not pydicom, what the dataset says, and what its plugins cannot encode."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray

from storebench.backends import StoredAs, WriteRequest, get_backend, write_array
from storebench.backends._dicom_dataset import most_frames
from storebench.codecs import parse_codec
from storebench.errors import DataError, UnsupportedError
from storebench.grid import Layout, Region, Shape
from storebench.stores import Location, RequestLog

pydicom = pytest.importorskip("pydicom", reason='pydicom is not installed; pip install "storebench[medical]"')
DICOM = get_backend("dicom-pydicom")
if (why := DICOM.why_unavailable()) is not None:
    pytest.skip(why, allow_module_level=True)
CODECS = ("none", "rle", "jp2-lossless", "jls-lossless", "jls-error-3")


def _smooth(shape: Shape = (5, 40, 48), dtype: str = "uint16") -> NDArray:
    return (np.cumsum(np.random.default_rng(5).integers(0, 9, shape), axis=-1) % 230).astype(dtype)


def _request(values: NDArray, codec: str = "none", layout: Layout | None = None) -> WriteRequest:
    axes = "tczyx"[-values.ndim :]
    return WriteRequest(shape=values.shape, dtype=values.dtype, axes=axes, codec=parse_codec(codec), layout=layout)


def _written(folder: Path, values: NDArray, codec: str) -> tuple[Location, StoredAs]:
    location = Location(folder / "image.dcm")
    return location, write_array(DICOM, location, _request(values, codec), (values,))


def _frames(path: Path) -> list[bytes]:
    from pydicom.encaps import generate_frames

    dataset = pydicom.dcmread(path)
    return list(generate_frames(dataset.PixelData, number_of_frames=int(dataset.get("NumberOfFrames", 1))))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_without_compression_the_voxels_end_the_file(dtype: str, tmp_path: Path) -> None:
    values = _smooth(dtype=dtype)
    location, stored = _written(tmp_path, values, "none")
    assert location.path.read_bytes()[-values.nbytes :] == values.tobytes()
    assert (stored.codec, stored.chunk_bytes) == ("none", values.nbytes)
    assert stored.layout == Layout(chunk_shape=(1, 40, 48))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("codec", ["jp2-lossless", "jls-lossless", "jls-error-3"])
def test_another_library_decodes_a_frame(codec: str, dtype: str, tmp_path: Path) -> None:
    values = _smooth(dtype=dtype)
    location, stored = _written(tmp_path, values, codec)
    decode = imagecodecs.jpeg2k_decode if codec.startswith("jp2") else imagecodecs.jpegls_decode
    frames = _frames(location.path)
    assert len(frames) == 5
    for frame, plane in zip(frames, values, strict=True):
        error = np.abs(decode(frame.rstrip(b"\0")).astype(int) - plane).max()
        assert error == 0 if stored.codec.endswith("lossless") else 0 < error <= 3
    assert stored.codec == codec
    assert stored.chunk_bytes == sum(map(len, frames))


def test_runs_are_packbits_of_the_high_and_the_low_bytes(tmp_path: Path) -> None:
    values = _smooth()
    location, stored = _written(tmp_path, values, "rle")
    frame = _frames(location.path)[2]
    head = np.frombuffer(frame[:64], "<u4")
    assert head[0] == 2
    parts = (frame[head[1] : head[2]], frame[head[2] :])
    high, low = (np.frombuffer(imagecodecs.packbits_decode(part), np.uint8)[: 40 * 48] for part in parts)
    np.testing.assert_array_equal((high.astype(np.uint16) << 8 | low).reshape(40, 48), values[2])
    assert stored.codec == "rle"


@pytest.mark.parametrize("codec", CODECS)
def test_a_region_asks_for_its_frames_alone(codec: str, tmp_path: Path) -> None:
    values = _smooth((20, 64, 64))
    location, stored = _written(tmp_path, values, codec)
    log = RequestLog()
    with DICOM.open(location.counted(log)) as reader:
        n_opening = log.fetched_bytes
        found = reader.read(Region((7, 3, 5), (8, 60, 64)))
    assert np.abs(found.astype(int) - values[7:8, 3:60, 5:]).max() <= (3 if "error" in codec else 0)
    assert stored.chunk_bytes is not None
    assert log.fetched_bytes - n_opening < stored.chunk_bytes / 20 * 1.2 + 1500


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("shape", [(40, 48), (1, 40, 48), (3, 33, 35)])
def test_the_dataset_is_valid(codec: str, shape: Shape, tmp_path: Path) -> None:
    values = _smooth(shape)
    location, _ = _written(tmp_path, values, codec)
    dataset = pydicom.dcmread(location.path)
    assert dataset.SOPClassUID.name.endswith("Secondary Capture Image Storage")
    assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
    assert dataset.get("NumberOfFrames") == (None if len(shape) == 2 else shape[0])
    assert dataset.get("PageNumberVector") == (
        list(range(1, shape[0] + 1)) if len(shape) == 3 and shape[0] > 1 else None
    )
    assert (dataset.get("LossyImageCompression") == "01") == ("error" in codec)
    if shutil.which("dciodvfy") is None:
        return  # apt-get install dicom3tools: a validator that knows what the standard wants
    said = subprocess.run(["dciodvfy", str(location.path)], capture_output=True, text=True, check=False)
    assert "Error" not in said.stdout + said.stderr


# what is refused


@pytest.mark.parametrize(
    ("shape", "dtype", "codec", "words"),
    [
        ((4, 40, 48), "int16", "none", "cannot hold int16"),
        ((2, 3, 40, 48), "uint16", "none", "images of 2 to 3 axes"),
        ((4, 31, 48), "uint16", "jp2-lossless", "31 x 48 voxels are too few"),
        ((4, 15, 17), "uint16", "jls-lossless", "too little room"),
        ((4, 40, 48), "uint8", "jls-error-128", "by 127 at most"),
        ((4, 40, 48), "uint16", "jls-error-256", "by 255 at most"),
        ((4, 40, 48), "uint16", "jp2-ratio-10", "jp2-lossless only"),
        ((4, 2**16, 48), "uint16", "none", "65,535 rows"),
        ((13_500, 40, 48), "uint16", "none", "frames at most"),
        ((9000, 500, 500), "uint16", "none", "less than 4 GiB"),
    ],
)
def test_what_does_not_go_is_refused(shape: Shape, dtype: str, codec: str, words: str, tmp_path: Path) -> None:
    request = WriteRequest(shape=shape, dtype=np.dtype(dtype), axes="tzyx"[-len(shape) :], codec=parse_codec(codec))
    assert words in str(DICOM.why_unsupported(Location(tmp_path / "a.dcm"), request))


def test_chunks_are_frames(tmp_path: Path) -> None:
    values = _smooth()
    sentence = DICOM.why_unsupported(Location(tmp_path / "a"), _request(values, layout=Layout(chunk_shape=(2, 40, 48))))
    assert "use chunks of (1, 40, 48)" in str(sentence)


def test_as_many_frames_as_are_allowed_can_be_numbered(tmp_path: Path) -> None:
    values = np.zeros((most_frames(), 1, 1), np.uint8)
    values[-1] = 7
    location, stored = _written(tmp_path, values, "none")
    assert stored.shape == values.shape
    assert len(pydicom.dcmread(location.path).PageNumberVector) == len(values) == 12_773


def test_a_frame_that_outgrows_its_room_is_a_sentence_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> bytes:
        raise RuntimeError("The destination buffer is too small to hold all the output")

    monkeypatch.setattr("jpeg_ls.encode_pixel_data", full)
    with pytest.raises(UnsupportedError, match=r"cannot be stored as jls-lossless .*too small.*use none"):
        _written(tmp_path, _smooth(), "jls-lossless")
    assert not list(tmp_path.iterdir())


# somebody else's files, and damaged ones


def test_somebodys_file_is_described_as_it_is(tmp_path: Path) -> None:
    location, _ = _written(tmp_path, _smooth(), "none")
    dataset = pydicom.dcmread(location.path)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
    dataset.PixelRepresentation = 1
    dataset.save_as(location.path, implicit_vr=True, overwrite=True)
    with DICOM.open(location) as reader:
        stored, found = reader.stored_as(), reader.read(Region.whole((5, 40, 48)))
    assert (stored.codec, stored.dtype) == ("?", np.int16)
    assert stored.note == "transfer syntax: Implicit VR Little Endian"
    np.testing.assert_array_equal(found, _smooth())


def test_colour_is_no_image_of_grey_frames(tmp_path: Path) -> None:
    location, _ = _written(tmp_path, _smooth((40, 48), "uint8"), "none")
    dataset = pydicom.dcmread(location.path)
    pydicom.pixels.utils.set_pixel_data(dataset, np.zeros((4, 5, 3), np.uint8), "RGB", 8)
    dataset.save_as(location.path, overwrite=True)
    with pytest.raises(DataError, match="no DICOM image of grey frames"), DICOM.open(location):
        pass


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("left", [0, 100, 500, -400])
def test_a_cut_off_file_is_a_sentence(codec: str, left: int, tmp_path: Path) -> None:
    location, _ = _written(tmp_path, _smooth(), codec)
    location.path.write_bytes(location.path.read_bytes()[:left])
    with pytest.raises(DataError, match=r"image\.dcm"), DICOM.open(location) as reader:
        reader.read(Region.whole((5, 40, 48)))


@pytest.mark.parametrize("n_lost", [1, 8, 9, 300, 800])
def test_a_frame_of_jpeg_ls_that_is_cut_off_is_never_decoded(n_lost: int, tmp_path: Path) -> None:
    """CharLS may search for its end for ever."""
    location, _ = _written(tmp_path, _smooth(), "jls-lossless")
    location.path.write_bytes(location.path.read_bytes()[:-n_lost])
    with pytest.raises(DataError, match=r"image\.dcm"), DICOM.open(location):
        pass


def test_what_stands_behind_frames_of_jpeg_ls_is_passed_over(tmp_path: Path) -> None:
    location, _ = _written(tmp_path, _smooth(), "jls-lossless")
    dataset = pydicom.dcmread(location.path)
    dataset.DataSetTrailingPadding = bytes(16)
    dataset.save_as(location.path, overwrite=True)
    with DICOM.open(location) as reader:
        np.testing.assert_array_equal(reader.read(Region.whole((5, 40, 48))), _smooth())


@pytest.mark.parametrize("codec", ["rle", "jp2-lossless", "jls-lossless"])
def test_a_frame_comes_back_from_its_codec(codec: str) -> None:
    values = _smooth()
    block_codec = DICOM.block_codec(_request(values, codec, Layout(chunk_shape=(1, 40, 48))))
    assert not isinstance(block_codec, str)
    encoded = block_codec.encode(values[:1])
    assert len(encoded) < values[:1].nbytes
    np.testing.assert_array_equal(block_codec.decode(encoded), values[:1], strict=True)


def test_a_file_has_the_same_size_each_time(tmp_path: Path) -> None:
    """Of UIDs by chance one in ten is shorter."""
    sizes = set()
    for n in range(60):
        folder = tmp_path / str(n)
        folder.mkdir()
        sizes.add(_written(folder, _smooth((1, 8, 8)), "none")[0].path.stat().st_size)
    assert len(sizes) == 1
