"""The storage root: nothing half-made is seen, nothing is left behind, and it stays below its size."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from storebench import storage as storage_module
from storebench.errors import StorageError
from storebench.storage import MARKER, Storage, content_key, file_system_of


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage.open(tmp_path / "root")


def _put(storage: Storage, kind: str, key: str, *, n_bytes: int = 100, used_at: float | None = None) -> Path:
    with storage.making(kind, key) as folder:
        (folder / "data").write_bytes(bytes(n_bytes))
    path = storage.root / kind / key
    if used_at is not None:
        os.utime(path, (used_at, used_at))
    return path


def _names(storage: Storage) -> set[str]:
    return {folder.name for _, _, folder in storage.entries()}


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# opening


def test_a_new_root_is_made_with_its_marker_and_opened_again(tmp_path: Path) -> None:
    root = tmp_path / "a" / "b"
    Storage.open(root)
    assert _files(root) == [MARKER]
    _put(Storage.open(root), "stores", "k")
    assert Storage.open(root).entry("stores", "k") is not None


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    assert Storage.open(tmp_path).root == tmp_path


def test_a_folder_with_other_files_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(StorageError, match=r"holds other files.*--storage or STOREBENCH_ROOT"):
        Storage.open(tmp_path)
    assert _files(tmp_path) == ["thesis.tex"]


@pytest.mark.parametrize("below", ["file", "file/x", "file/x/y"])
def test_a_root_that_cannot_be_made_is_a_sentence(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match=r"cannot be used \(.+\); name another with --storage or STOREBENCH_ROOT"):
        Storage.open(tmp_path / below)


def test_a_folder_that_takes_no_files_is_a_sentence() -> None:
    if not Path("/proc/self").is_dir():
        pytest.skip("this system has no /proc, the one folder that not even root can write to")
    with pytest.raises(StorageError, match="cannot be used"):
        Storage.open("/proc/nope")


def test_the_root_is_named_else_the_variable_else_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOREBENCH_ROOT", str(tmp_path / "variable"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert Storage.open(tmp_path / "named").root == tmp_path / "named"
    assert Storage.open().root == tmp_path / "variable"
    monkeypatch.delenv("STOREBENCH_ROOT")
    assert Storage.open().root == tmp_path / "cache" / "storebench"


# making


def test_an_entry_is_seen_only_when_it_is_whole(storage: Storage) -> None:
    with storage.making("stores", "k") as folder:
        (folder / "data").write_text("x")
        assert storage.entry("stores", "k") is None
        assert storage.n_entries() == 0
    path = storage.entry("stores", "k")
    assert path is not None
    assert _files(path) == [".bytes", "data"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_nothing(storage: Storage, error: type[BaseException]) -> None:
    def fail() -> None:
        with storage.making("stores", "k") as folder:
            (folder / "data").write_text("x")
            raise error

    with pytest.raises(error):
        fail()
    assert list((storage.root / "stores").iterdir()) == []


def test_the_second_maker_loses_quietly(storage: Storage) -> None:
    with storage.making("stores", "k") as slow:
        (slow / "data").write_text("slow")
        with storage.making("stores", "k") as fast:
            (fast / "data").write_text("fast")
    assert (storage.root / "stores" / "k" / "data").read_text() == "fast"
    assert [path.name for path in (storage.root / "stores").iterdir()] == ["k"]


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt])
def test_scratch_is_empty_and_goes_away(storage: Storage, error: type[BaseException] | None) -> None:
    seen: list[Path] = []

    def use() -> None:
        with storage.scratch() as folder:
            assert list(folder.iterdir()) == []
            (folder / "deep").mkdir()
            (folder / "deep" / "data").write_text("x")
            seen.append(folder)
            if error:
                raise error

    if error:
        with pytest.raises(error):
            use()
    else:
        use()
    assert not seen[0].exists()
    assert list((storage.root / "scratch").iterdir()) == []


def test_two_scratch_folders_are_two(storage: Storage) -> None:
    with storage.scratch() as one, storage.scratch() as other:
        assert one != other


# removing


def test_what_was_not_used_for_longest_goes_first(storage: Storage) -> None:
    for used_at, (kind, key) in enumerate(
        [("stores", "b"), ("datasets", "a"), ("stores", "d"), ("stores", "c")], start=1
    ):
        _put(storage, kind, key, used_at=used_at)
    assert [folder.name for _, _, folder in storage.entries()] == ["b", "a", "d", "c"]
    assert Storage(storage.root, 250).evict() == 200
    assert _names(storage) == {"d", "c"}


def test_using_an_entry_keeps_it(storage: Storage) -> None:
    _put(storage, "stores", "old", used_at=1)
    _put(storage, "stores", "older", used_at=0)
    storage.entry("stores", "older")
    Storage(storage.root, 100).evict()
    assert _names(storage) == {"older"}


def test_below_the_limit_nothing_goes(storage: Storage) -> None:
    _put(storage, "stores", "k")
    assert Storage(storage.root, 100).evict() == 0
    assert _names(storage) == {"k"}


def test_making_makes_room_first(storage: Storage) -> None:
    _put(storage, "stores", "old", used_at=1)
    _put(storage, "stores", "newer", used_at=2)
    _put(Storage(storage.root, 100), "stores", "new")
    assert _names(storage) == {"newer", "new"}


def test_an_interrupted_removal_leaves_no_broken_entry(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    _put(storage, "stores", "k")

    def interrupted(folder: Path, **_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Storage(storage.root, 0).evict()
    assert storage.entry("stores", "k") is None
    storage.clean()
    assert _files(storage.root) == [MARKER]


def test_clean_removes_entries_scratch_campaigns_and_what_was_half_made(storage: Storage) -> None:
    _put(storage, "stores", "k")
    for left in ("scratch/w1/image.npy", "campaigns/c1/plan.json", "datasets/.k-abc/voxels.npy"):
        path = storage.root / left
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(50))
    assert storage.clean() == 250
    assert _files(storage.root) == [MARKER]
    assert Storage.open(storage.root).n_entries() == 0


def test_clean_keeps_what_was_used_last(storage: Storage) -> None:
    _put(storage, "stores", "old", used_at=1)
    _put(storage, "stores", "new", used_at=2)
    assert storage.clean(keep_bytes=150) == 100
    assert _names(storage) == {"new"}


def test_usage_counts_every_file(storage: Storage) -> None:
    before = storage.usage_bytes()
    _put(storage, "stores", "k", n_bytes=123)
    assert storage.usage_bytes() - before == 123 + len("123")  # the note of its size


# the place


def test_missing_room_is_said_in_numbers(storage: Storage) -> None:
    storage.require_free(1)
    with pytest.raises(StorageError, match=r"1020 TiB are needed and \S+ \S+ are free; make room \(storebench clean\)"):
        storage.require_free(2**50)


def _mount(folder: Path | str, kind: str) -> SimpleNamespace:
    return SimpleNamespace(mountpoint=str(folder), fstype=kind)


@pytest.fixture
def mounts(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Pretend that these are the mounts of this machine, in the order they were made."""

    def pretend(*found: SimpleNamespace) -> None:
        monkeypatch.setattr(psutil, "disk_partitions", lambda all: list(found))  # noqa: A006

    return pretend


def test_the_nearest_mount_counts(tmp_path: Path, mounts: Callable[..., None]) -> None:
    mounts(
        _mount(tmp_path / "a", "xfs"), _mount("/", "ext4"), _mount(tmp_path, "btrfs"), _mount(f"{tmp_path}/a-b", "zfs")
    )
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert file_system_of(tmp_path / "a" / "b").kind == "xfs"
    assert file_system_of(tmp_path).kind == "btrfs"


def test_of_two_mounts_on_a_folder_the_later_one_counts(tmp_path: Path, mounts: Callable[..., None]) -> None:
    mounts(_mount("/", "ext4"), _mount(tmp_path, "autofs"), _mount(tmp_path, "nfs4"))
    assert file_system_of(tmp_path).kind == "nfs4"


def test_a_link_is_followed_to_its_file_system(tmp_path: Path, mounts: Callable[..., None]) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "far")
    mounts(_mount("/", "ext4"), _mount(tmp_path / "far", "nfs"))
    assert file_system_of(tmp_path / "link").kind == "nfs"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("tmpfs", r"is in memory \(tmpfs\)"),
        ("nfs4", r"is on a network mount \(nfs4\)"),
        ("9p", "network"),
        ("ext4", None),
    ],
)
def test_a_place_that_is_no_local_disk_is_warned_about(
    storage: Storage, mounts: Callable[..., None], kind: str, words: str | None
) -> None:
    mounts(_mount("/", kind))
    if words is None:
        assert storage.warnings() == ()
        return
    (sentence,) = storage.warnings()
    assert re.search(f"{words}.*--storage or STOREBENCH_ROOT", sentence)


def test_a_real_tmpfs_is_known() -> None:
    if not Path("/dev/shm").is_dir() or "tmpfs" not in {p.fstype for p in psutil.disk_partitions(all=True)}:
        pytest.skip("this system has no tmpfs on /dev/shm")
    assert file_system_of(Path("/dev/shm")).kind == "tmpfs"
    assert file_system_of(Path("/dev/shm")).free_bytes > 0


# keys


def test_a_key_depends_on_every_fact_and_not_on_their_order() -> None:
    assert content_key({"a": 1, "b": (2, 3)}) == content_key({"b": (2, 3), "a": 1})
    keys = [content_key({"a": a, "b": b}) for a in (1, "1", None) for b in ((2, 3), (3, 2))]
    assert len(set(keys)) == 6
    assert all(re.fullmatch("[0-9a-f]{16}", key) for key in keys)


def test_files_that_vanish_while_counting_count_as_nothing(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_module.os, "walk", lambda folder: [(str(folder), [], ["gone"])])
    assert storage.usage_bytes() == 0


def test_counts_are_entries_like_any_other(storage: Storage) -> None:
    _put(storage, "counts", "kept")
    assert _names(storage) == {"kept"}
    assert storage.clean() >= 100
    assert _names(storage) == set()


def test_the_size_of_an_entry_is_looked_at_once(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    _put(storage, "stores", "a")

    def walk(folder: Path) -> int:
        raise AssertionError(f"{folder} was walked through again")

    monkeypatch.setattr("storebench.storage.folder_bytes", walk)
    assert [size for _, size, _ in storage.entries()] == [100]


def test_an_entry_of_an_earlier_version_has_its_size(storage: Storage) -> None:
    _put(storage, "stores", "a")
    (storage.root / "stores" / "a" / ".bytes").unlink()
    assert [size for _, size, _ in storage.entries()] == [100]
