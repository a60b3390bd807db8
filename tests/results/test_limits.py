"""The shortest time a case could take: numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storebench.records import Case, Limits, Row
from storebench.results.limits import LimitTerms, best_near, limit_terms, merge_best

MB = 10**6
SHAPE = (100, 100, 100)  # of uint16: 2 MB

LIMITS = Limits(
    taken_at=1.0,
    memcpy_bytes_per_s={"262144": 50_000 * MB, "4194304": 10_000 * MB},
    warm_read_bytes_per_s={"65536": 20_000 * MB, "1048576": 10_000 * MB, "4194304": 5_000 * MB},
    cold_read_bytes_per_s={"65536": 1_000 * MB, "1048576": 2_000 * MB},
    random_read_s={"4096": 50e-6, "65536": 100e-6},
    write_bytes_per_s={"65536": 4_000 * MB, "1048576": 5_000 * MB},
    durable_write_bytes_per_s={"65536": 1_000 * MB, "1048576": 1_250 * MB},
    open_s=2e-6,
    create_s=10e-6,
    sync_s=100e-6,
)


def _row(operation: str = "read", codec: str = "zstd-1", **facts: object) -> Row:
    """Eight chunks of 50³ in eight files of 100 kB: 0.8 MB stored of 2 MB, which zstd decodes at 1000 MB/s."""
    case_facts = {name: facts.pop(name) for name in ("cache", "durability", "threads", "store") if name in facts}
    case = Case(
        dataset="noise",
        shape=SHAPE,
        dtype="uint16",
        axes="zyx",
        operation=operation,  # type: ignore[arg-type]
        backend="zarr3-zarrpython",
        codec=codec,
        chunk_shape=(50, 50, 50),
        **case_facts,  # type: ignore[arg-type]
    )
    known = {
        "chunk_shape": (50, 50, 50),
        "stored_bytes": 800_000,
        "n_files": 8,
        "fetched_bytes": 800_000,
        "requests": 10,
        "misses": 2,
        "files_opened": 8,
        "chunks_touched": 8,
        "voxels_asked": 10**6,
        "voxels_decoded": 10**6,
        "codec_bytes_per_s": 1_000.0 * MB,
    }
    return Row(case=case, status="ok", format="zarr3", library="zarr", **(known | facts))  # type: ignore[arg-type]


def _terms(row: Row, n_cpu: int | None = 2) -> tuple[float, float, float]:
    found = limit_terms(row, LIMITS, n_cpu)
    assert found is not None
    assert found.total_s == pytest.approx(found.requests_s + found.bytes_s + found.decode_s)
    return found.requests_s, found.bytes_s, found.decode_s


def test_a_warm_read() -> None:
    # 8 opens of 2 us on 2 threads; requests of 100 kB lie between 64 KiB and 1 MiB: the better is 20 GB/s, times 2
    # threads; 2 MB at 1000 MB/s on 2 threads.
    assert _terms(_row()) == pytest.approx((8e-6, 20e-6, 1e-3))


def test_a_warm_read_on_one_thread() -> None:
    assert _terms(_row(threads=1)) == pytest.approx((16e-6, 40e-6, 2e-3))
    assert _terms(_row(threads=1), None) == pytest.approx((16e-6, 40e-6, 2e-3))


def test_no_more_threads_than_pieces() -> None:
    assert _terms(_row(), 64) == pytest.approx((2e-6, 5e-6, 0.25e-3))  # 8 files, 8 chunks


def test_blosc_shares_a_chunk_among_threads() -> None:
    one_chunk = _row(codec="blosc-lz4-5-shuffle", chunks_touched=1, files_opened=1)
    assert _terms(one_chunk)[2] == pytest.approx(1e-3)
    assert _terms(replace(one_chunk, case=replace(one_chunk.case, codec="zstd-1")))[2] == pytest.approx(2e-3)


def test_a_cold_read() -> None:
    # Each file costs an open and 50 us, two at a time; 0.8 MB come at 2000 MB/s however many wait.
    assert _terms(_row(cache="cold")) == pytest.approx((8e-6 + 200e-6, 400e-6, 1e-3))
    assert _terms(_row(cache="cold-dropped")) == _terms(_row(cache="cold"))


def test_threads_that_ran_wait_for_the_disk_side_by_side() -> None:
    assert _terms(_row(cache="cold", threads_ran=4))[0] == pytest.approx(8e-6 + 100e-6)
    assert _terms(_row(cache="cold", threads_ran=100))[0] == pytest.approx(8e-6 + 50e-6)
    assert _terms(_row(cache="warm", threads_ran=100))[0] == pytest.approx(8e-6)  # opening needs a processor


def test_without_a_codec_the_one_copy_is_that_out_of_the_page_cache() -> None:
    plain = _row(codec="none", codec_bytes_per_s=None, stored_bytes=2_000_000, fetched_bytes=2_000_000, threads=1)
    # 250 kB a request: 20 GB/s, 100 us; copying 2 MB at the better of 50 and 10 GB/s takes 40 us: done by then.
    assert _terms(plain) == pytest.approx((16e-6, 100e-6, 0))
    # What was not fetched has to be copied all the same.
    assert _terms(replace(plain, fetched_bytes=200_000)) == pytest.approx((16e-6, 10e-6, 30e-6))


def test_files_opened_are_guessed_low_where_they_were_not_counted() -> None:
    assert _terms(_row(files_opened=None, threads=1))[0] == pytest.approx(16e-6)  # 10 requests, 2 of them misses
    assert _terms(_row(files_opened=None, n_files=3, threads=1))[0] == pytest.approx(6e-6)
    assert _terms(_row(files_opened=None, n_files=None, threads=1))[0] == pytest.approx(16e-6)


def test_a_write() -> None:
    # 8 files of 10 us on 2 threads; 100 kB each: 5000 MB/s on 2 threads; 2 MB encoded at 1000 MB/s on 2 threads
    assert _terms(_row("write")) == pytest.approx((40e-6, 80e-6, 1e-3))
    assert _terms(_row("write", threads=1)) == pytest.approx((80e-6, 160e-6, 2e-3))


def test_a_durable_write() -> None:
    # + one sync of 100 us; the device takes 1250 MB/s, however many write
    assert _terms(_row("write", durability="durable")) == pytest.approx((140e-6, 640e-6, 1e-3))


def test_a_write_with_the_librarys_own_fsync_has_no_limit() -> None:
    assert limit_terms(_row("write", durability="own-fsync"), LIMITS, 2) is None


def test_an_open() -> None:
    assert _terms(_row("open", files_opened=1)) == pytest.approx((2e-6, 0, 0))
    assert _terms(_row("open", files_opened=1, cache="cold")) == pytest.approx((52e-6, 0, 0))
    assert _terms(_row("open", files_opened=0)) == (0, 0, 0)


@pytest.mark.parametrize("operation", ["encode", "decode"])
def test_the_codec_alone_is_a_copy_at_best(operation: str) -> None:
    # blocks of 250 kB, one after another: nearest below 256 KiB there is nothing, so 50 GB/s
    assert _terms(_row(operation)) == pytest.approx((0, 0, 40e-6))
    assert _terms(_row(operation, chunk_shape=None)) == pytest.approx((0, 0, 40e-6))  # 2 MB: the better neighbour


@pytest.mark.parametrize(
    "row",
    [
        _row(fetched_bytes=None),
        _row(files_opened=None, requests=None),
        _row(voxels_decoded=None),
        _row(codec_bytes_per_s=None),
        _row("write", stored_bytes=None),
        _row("write", n_files=None),
        _row("write", codec_bytes_per_s=None),
        _row("open", files_opened=None, requests=None),
        _row(store="memory"),
        replace(_row(), status="failed"),
    ],
)
def test_what_is_not_known_has_no_limit(row: Row) -> None:
    assert limit_terms(row, LIMITS, 2) is None


@pytest.mark.parametrize(
    ("row", "missing"),
    [
        (_row(), {"open_s": None}),
        (_row(), {"warm_read_bytes_per_s": {}}),
        (_row(cache="cold"), {"cold_read_bytes_per_s": {}}),
        (_row(cache="cold"), {"random_read_s": {}}),
        (_row("write"), {"create_s": None}),
        (_row("write"), {"write_bytes_per_s": {}}),
        (_row("write", durability="durable"), {"sync_s": None}),
        (_row("write", durability="durable"), {"durable_write_bytes_per_s": {}}),
        (_row("decode"), {"memcpy_bytes_per_s": {}}),
        (_row(codec="none"), {"memcpy_bytes_per_s": {}}),
    ],
)
def test_a_limit_that_was_not_measured_is_not_zero(row: Row, missing: dict[str, object]) -> None:
    assert limit_terms(row, LIMITS, 2) is not None
    assert limit_terms(row, replace(LIMITS, **missing), 2) is None  # type: ignore[arg-type]


def test_no_limits_or_no_processors() -> None:
    assert limit_terms(_row(), None, 2) is None
    assert limit_terms(_row(), LIMITS, None) is None


def test_the_nearest_sizes() -> None:
    speeds = {"1000": 1.0, "100": 3.0, "10": 2.0}
    assert [best_near(speeds, n) for n in (1, 10, 50, 100, 500, 5000)] == [2.0, 2.0, 3.0, 3.0, 3.0, 1.0]
    assert best_near({}, 5) is None


def test_the_best_of_several() -> None:
    slow = Limits(
        taken_at=2.0,
        memcpy_bytes_per_s={"262144": 1.0, "33554432": 7.0},
        random_read_s={"4096": 1.0},
        cold_read_bytes_per_s={},
        open_s=None,
        create_s=1e-6,
    )
    best = merge_best([LIMITS, slow])
    assert best == replace(
        LIMITS,
        taken_at=2.0,
        memcpy_bytes_per_s=dict(LIMITS.memcpy_bytes_per_s) | {"33554432": 7.0},
        create_s=1e-6,
    )
    assert merge_best(iter([slow])) == slow
    assert merge_best([]) is None


def test_terms_add_up() -> None:
    assert LimitTerms(1.0, 2.0, 4.0).total_s == 7.0
