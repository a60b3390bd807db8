"""What the disk delivers to a cold read, against what is stored; and what read-ahead drags in."""

from __future__ import annotations

from sections import Section, image_for, read_case, table

from storebench.measurement.session import Session
from storebench.records import Case, Sample
from storebench.units import bytes_text

_PAGE_BYTES = 4096
_N_SAMPLES = 5

_WHOLE: tuple[Case, ...] = tuple(
    read_case(backend, 160, cache="cold", **settings)
    for backend, settings in (
        ("npy-numpy", {}),
        ("tiff-tifffile", {"codec": "deflate-6"}),
        ("zarr2-zarrpython", {"chunk_shape": (32, 32, 32), "codec": "zstd-3"}),
        ("zarr3-zarrpython", {"chunk_shape": (32, 32, 32), "codec": "zstd-3"}),
        ("zarr3-zarrpython", {"chunk_shape": (32, 32, 32), "shard_shape": (160, 160, 160), "codec": "zstd-3"}),
        ("hdf5-h5py", {}),
        ("hdf5-h5py", {"chunk_shape": (32, 32, 32), "codec": "deflate-5"}),
    )
)


def cold_reads() -> Section:
    """Compare `device_bytes` of whole cold reads with the stored bytes: within one page per file is asked for."""
    rows, holds = [], True
    for case in _WHOLE:
        samples, stored_bytes, n_files = _taken(case)
        device = sorted({s.device_read_bytes or 0 for s in samples if s.counts})
        verified = sum(s.counts for s in samples)
        within = bool(device) and all(abs(d - stored_bytes) <= _PAGE_BYTES * n_files for d in device)
        holds &= within and verified >= 1
        layout = "shards" if case.shard_shape else "chunks" if case.chunk_shape else "in one piece"
        found = " or ".join(f"{d:,}" for d in device)
        rows.append(
            (
                f"{case.backend}, {layout}, {case.codec}",
                n_files,
                f"{stored_bytes:,}",
                found,
                f"{verified}/{len(samples)}",
                "yes" if within else "NO",
            )
        )
    header = ("cold whole read", "files", "stored bytes", "device bytes", "verified", "within a page per file")
    return Section(table(header, rows), holds)


def read_ahead() -> Section:
    """Show the bytes asked for beside the bytes the disk delivered, for parts of a volume of 256 MB."""
    rows = []
    for backend, settings in (
        ("npy-numpy", {}),
        ("tiff-tifffile", {}),
        ("zarr3-zarrpython", {"chunk_shape": (64, 64, 64)}),
    ):
        for pattern in ("plane_xy", "plane_xz", "voxel"):
            case = read_case(backend, 512, cache="cold", pattern=pattern, **settings)
            samples, _, _ = _taken(case, n_samples=3)
            session = Session(case, image_for(case)[1], image_for(case)[0])
            row = session.count()
            device = [s.device_read_bytes or 0 for s in samples if s.counts]
            asked = (row.voxels_asked or 0) * 2
            rows.append(
                (
                    backend,
                    pattern,
                    bytes_text(asked),
                    bytes_text(row.fetched_bytes),
                    bytes_text(max(device, default=None)),
                    f"{sum(s.counts for s in samples)}/{len(samples)}",
                )
            )
    header = (
        "512³ uint16 by",
        "pattern",
        "voxels asked",
        "fetched (asked of the store)",
        "delivered by the disk",
        "verified",
    )
    return Section(table(header, rows), True)


def _taken(case: Case, n_samples: int = _N_SAMPLES) -> tuple[list[Sample], int, int]:
    storage, image = image_for(case)
    session = Session(case, image, storage)
    row = session.start()
    samples = [session.sample() for _ in range(n_samples)]
    return [s for s in samples if s is not None], row.stored_bytes or 0, row.n_files or 0
