"""Run by test_durability below strace: writes an image by each backend named, once as it is and once with its own fsync.

`python -m tests.contract.written_under_trace FOLDER NAME …`; images go to FOLDER/NAME.returned and FOLDER/NAME.own.
"""

from __future__ import annotations

import sys
from pathlib import Path

from storebench.backends import BACKENDS, OwnFsync, write_array
from storebench.stores import Location

from .contract_requests import images, some_accepted


def main(folder: Path, names: list[str]) -> None:
    for name in names:
        backend = BACKENDS[name]
        (request,) = some_accepted(backend, 1, lossless=True)
        for end in ("returned", "own") if isinstance(backend, OwnFsync) else ("returned",):
            place = folder / f"{name}.{end}"
            place.mkdir()
            location = Location(place / f"image{backend.suffix}", own_fsync=end == "own")
            write_array(backend, location, request, images(request))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
