"""What is particular to JPEG XL, JPEG-LS and JPEG XR files: headers, files that are cut off, and what is kept away."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray

from storebench.backends import Backend, WriteRequest, check_stored, get_backend, jxl_imagecodecs, write_array
from storebench.backends._image_headers import jxr_header
from storebench.codecs import parse_codec
from storebench.errors import DataError, VerificationError
from storebench.grid import Layout, Region, Shape
from storebench.stores import Location, RequestLog

CODECS = {"jxl": "jxl-lossless-3", "jls": "jls-lossless", "jxr": "jxr-lossless"}
SHAPES: tuple[Shape, ...] = (
    (1, 1),
    (1, 9),
    (9, 1),
    (2, 2),
    (3, 4),
    (17, 33),
    (64, 64),
    (300, 200),
    (90, 160),
    (1000, 3),
)
each_form = pytest.mark.parametrize("form", CODECS)


def backend_of(form: str) -> Backend:
    """Return the backend of single files."""
    return get_backend(f"{form}-imagecodecs")


def noise(shape: Shape, dtype: str = "uint16") -> NDArray:
    """Return voxels of the whole range, which no codec makes smaller."""
    return np.random.default_rng(6).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def asked(values: NDArray, codec: str) -> WriteRequest:
    """Return a request for a plane or a volume."""
    return WriteRequest(shape=values.shape, dtype=values.dtype, axes="zyx"[-values.ndim :], codec=parse_codec(codec))


def store(folder: Path, form: str, values: NDArray, codec: str | None = None) -> Location:
    """Store a plane and return where."""
    location = Location(folder / f"image.{form}")
    location.delete()
    write_array(backend_of(form), location, asked(values, codec or CODECS[form]), (values,))
    return location


@each_form
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_noise_of_any_size_comes_back_and_its_header_tells_it(form: str, dtype: str, tmp_path: Path) -> None:
    for shape in SHAPES:
        values = noise(shape, dtype)
        with backend_of(form).open(store(tmp_path, form, values)) as reader:
            stored = reader.stored_as()
            assert (stored.shape, stored.dtype) == (shape, values.dtype)
            np.testing.assert_array_equal(reader.read(Region.whole(shape)), values, strict=True)


@each_form
def test_what_swings_between_the_ends_of_the_range_comes_back(form: str, tmp_path: Path) -> None:
    y, x = np.mgrid[:40, :48]
    for values in ((x + y) % 2 * 65535, np.full_like(x, 65535), np.zeros_like(x), x * 1365, (y > 20) * 65535):
        with backend_of(form).open(store(tmp_path, form, values.astype("uint16"))) as reader:
            np.testing.assert_array_equal(reader.read(Region.whole(values.shape)), values)


@pytest.mark.parametrize(("effort", "dtype"), [(1, "uint8"), *((n, "uint16") for n in range(2, 10))])
def test_each_effort_of_jpeg_xl_is_lossless(effort: int, dtype: str, tmp_path: Path) -> None:
    values = noise((128, 128), dtype)
    with backend_of("jxl").open(store(tmp_path, "jxl", values, f"jxl-lossless-{effort}")) as reader:
        np.testing.assert_array_equal(reader.read(Region.whole(values.shape)), values)


@pytest.mark.parametrize(("version", "refused"), [((0, 11, 2), True), ((0, 12, 0), False)])
def test_effort_1_is_refused_where_it_may_end_the_process(
    version: tuple[int, ...], refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jxl_imagecodecs, "_libjxl", lambda: version)
    for name in ("jxl-imagecodecs", "jxlstack-imagecodecs", "tiff-tifffile", "cog-tifffile"):
        values = noise((3, 20, 30) if "stack" in name else (20, 30))
        sentence = get_backend(name).why_unsupported(Location(Path("a")), asked(values, "jxl-lossless-1"))
        assert ("ends the process" in (sentence or "")) is refused
        assert get_backend(name).why_unsupported(Location(Path("a")), asked(values, "jxl-lossless-2")) is None


@pytest.mark.parametrize(("dtype", "most"), [("uint8", 127), ("uint16", 255)])
def test_jpeg_ls_keeps_and_tells_its_bound_up_to_the_largest(dtype: str, most: int, tmp_path: Path) -> None:
    values = noise((60, 70), dtype)
    for error in (1, 10, most):
        with backend_of("jls").open(store(tmp_path, "jls", values, f"jls-error-{error}")) as reader:
            assert reader.stored_as().codec == f"jls-error-{error}"
            assert np.abs(reader.read(Region.whole(values.shape)).astype(int) - values).max() <= error
    beyond = backend_of("jls").why_unsupported(Location(tmp_path / "a.jls"), asked(values, f"jls-error-{most + 1}"))
    assert f"at most {most} in {dtype}" in (beyond or "")


@pytest.mark.xfail(
    strict=True, raises=RuntimeError, reason="CharLS 2.4.3 to 2.4.4 writes 8 bits with a bound that it does not read"
)
def test_charls_reads_what_it_writes() -> None:
    imagecodecs.jpegls_decode(imagecodecs.jpegls_encode(noise((64, 64), "uint8"), level=128))


@each_form
def test_a_file_that_is_cut_off_anywhere_is_a_sentence(form: str, tmp_path: Path) -> None:
    """CharLS would decode some of them for ever, jxrlib all of them without an error."""
    values = np.cumsum(noise((64, 64), "uint8") % 9, axis=1).astype("uint16")
    location = store(tmp_path, form, values)
    whole = location.path.read_bytes()
    for n_bytes in [*range(0, len(whole), max(1, len(whole) // 80)), len(whole) - 1]:
        location.path.write_bytes(whole[:n_bytes])
        with pytest.raises(DataError, match=rf"image\.{form} .*fetch or write it again"):
            with backend_of(form).open(location) as reader:
                reader.read(Region.whole(values.shape))


@each_form
def test_something_else_is_a_sentence(form: str, tmp_path: Path) -> None:
    location = Location(tmp_path / f"image.{form}")
    for content in (b"", b"\0" * 100, b"II*\0" + b"\1" * 300, imagecodecs.png_encode(noise((9, 9)))):
        location.path.write_bytes(content)
        with pytest.raises(DataError, match="it is damaged or something else"), backend_of(form).open(location):
            pass


def test_loss_is_never_mistaken_for_none(tmp_path: Path) -> None:
    values = noise((64, 64), "uint8") % 200
    with backend_of("jxl").open(store(tmp_path, "jxl", values, "jxl-distance-0.05")) as reader:
        with pytest.raises(VerificationError):
            check_stored(reader.stored_as(), asked(values, "jxl-lossless-3"))
    for level in (0.99, 0.9, 0.5):
        assert jxr_header(bytes(imagecodecs.jpegxr_encode(values, level=level))).codec == "?"


def test_colour_and_sequences_of_other_programs(tmp_path: Path) -> None:
    colour = noise((20, 30, 3), "uint8")
    (tmp_path / "a.jxl").write_bytes(imagecodecs.jpegxl_encode(colour, lossless=True))
    with backend_of("jxl").open(Location(tmp_path / "a.jxl")) as reader:
        assert reader.levels == (colour.shape,)
        np.testing.assert_array_equal(reader.read(Region.whole(colour.shape)), colour)
    (tmp_path / "b.jxl").write_bytes(imagecodecs.jpegxl_encode(colour[..., 0][:, :, None, None].copy(), lossless=True))
    with pytest.raises(DataError, match="sequence of images"), backend_of("jxl").open(Location(tmp_path / "b.jxl")):
        pass


def test_boxes_around_a_codestream_are_opened(tmp_path: Path) -> None:
    values = noise((20, 30), "uint8")
    for n, boxes in enumerate((True, False)):
        path = tmp_path / f"{n}.jxl"
        path.write_bytes(imagecodecs.jpegxl_encode(values, lossless=True, usecontainer=boxes))
        assert path.read_bytes().startswith(b"\xff\x0a") is not boxes
        with backend_of("jxl").open(Location(path)) as reader:
            assert (reader.levels, reader.stored_as().codec) == (((20, 30),), "jxl-lossless-*")


@each_form
def test_a_part_reads_the_whole_file_once(form: str, tmp_path: Path) -> None:
    location, log = store(tmp_path, form, noise((40, 50))), RequestLog()
    with backend_of(form).open(location.counted(log)) as reader:
        reader.read(Region((3, 3), (4, 4)))
    assert [request.n_bytes for request in log.requests] == [location.size()[0]]


@each_form
def test_a_volume_is_a_stack(form: str, tmp_path: Path) -> None:
    values, stack = noise((5, 20, 30)), get_backend(f"{form}stack-imagecodecs")
    location = Location(tmp_path / f"image{stack.suffix}")
    for axis in range(3):
        location.delete()
        request = WriteRequest(
            shape=values.shape, dtype=values.dtype, axes="zyx", codec=parse_codec(CODECS[form]), stack_axis=axis
        )
        write_array(stack, location, request, (values,))
        with stack.open(location) as reader:
            np.testing.assert_array_equal(reader.read(Region.whole(values.shape)), values)


@each_form
def test_refusals(form: str) -> None:
    backend, place, codec = backend_of(form), Location(Path(f"a.{form}")), CODECS[form]
    assert "stack" in (backend.why_unsupported(place, asked(noise((4, 20, 30)), codec)) or "")
    for dtype in ("float32", "float16", "int16", "uint32"):
        values = np.zeros((20, 30), dtype)
        assert f"cannot hold {dtype}" in (backend.why_unsupported(place, asked(values, codec)) or "")
    cut = WriteRequest(
        shape=(20, 30),
        dtype=np.dtype("uint8"),
        axes="yx",
        codec=parse_codec(codec),
        layout=Layout(chunk_shape=(16, 16)),
    )
    assert "has no chunks" in (backend.why_unsupported(place, cut) or "")


def test_distances_that_libjxl_changes_are_refused() -> None:
    values, place = noise((20, 30)), Location(Path("a.jxl"))
    for distance, taken in (("0.01", False), ("0.05", True), ("25", True), ("25.5", False)):
        sentence = backend_of("jxl").why_unsupported(place, asked(values, f"jxl-distance-{distance}"))
        assert (sentence is None) is taken
    by_distance = {
        d: bytes(imagecodecs.jpegxl_encode(values, distance=d, effort=3)) for d in (0.05, 0.1, 24, 25, 26, 40)
    }
    assert by_distance[25] == by_distance[26] == by_distance[40] != by_distance[24]
    assert by_distance[0.05] != by_distance[0.1]


def test_facts_name_the_libraries() -> None:
    assert {name for form in CODECS for name in backend_of(form).facts()} == {"libjxl", "charls", "jxrlib"}


@pytest.mark.xfail(
    strict=True,
    raises=subprocess.TimeoutExpired,
    reason="CharLS 2.4.3 to 2.4.4: decodes a file without its end for ever",
)
def test_charls_notices_that_a_file_ends_too_early() -> None:
    code = """
import imagecodecs, numpy
image = numpy.random.default_rng(0).integers(1000, 1100, (96, 100)).astype("uint16")
data = imagecodecs.jpegls_encode(image, out=100000)
print("begins", flush=True)
for share in range(5, 100, 5):
    try:
        imagecodecs.jpegls_decode(data[: len(data) * share // 100])
    except imagecodecs.JpeglsError:
        pass
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=4, check=True)
    assert b"begins" in done.stdout
