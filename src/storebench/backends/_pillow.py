"""What PNG and JPEG 2000 through imageio share: Pillow's limit on image sizes, and what it was built with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def any_size() -> Iterator[None]:
    """Lift Pillow's limit of 179 million voxels, a guard of web servers against bombs: slices are larger."""
    from PIL import Image

    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def facts_of_pillow(library: str) -> Mapping[str, str]:
    """Return the version of a library that Pillow calls, by the name that Pillow gives it ("zlib", "jpg_2000")."""
    from PIL import features

    version = features.version(library)
    names = {"jpg_2000": "openjpeg"}
    return {names.get(library, library): f"{version} (Pillow's wheel)"} if version else {}
