"""Fixtures for all tests: the backends of the table, and the published heart volume."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from numpy.typing import NDArray

from storebench.backends import BACKENDS, Backend

# Derandomized: a red build is red again when it is looked at. Search further with --hypothesis-profile=search.
hypothesis.settings.register_profile(
    "storebench",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[
        hypothesis.HealthCheck.function_scoped_fixture,  # tmp_path is only the parent of what each example makes
        hypothesis.HealthCheck.too_slow,
        hypothesis.HealthCheck.filter_too_much,  # what a backend refuses is filtered, and some refuse nearly everything
    ],
)
hypothesis.settings.register_profile(
    "search", hypothesis.settings.get_profile("storebench"), derandomize=False, max_examples=300
)
hypothesis.settings.load_profile("storebench")

NO_DATA = "no test data"
"""What the reason of a skip for want of the real volumes begins with, which CI allows."""
OLD_PYTHON = "needs Python"
"""What a backend says that there is not for the oldest Python: the other skip that CI allows, there."""

_skipped: list[str] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that have slow tests: one that is begun last keeps one processor busy alone."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note what is skipped and not allowed to be."""
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if NO_DATA not in reason and not (OLD_PYTHON in reason and sys.version_info < (3, 12)):
            _skipped.append(f"{report.nodeid}: {reason}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run of CI that skipped something: there everything is installed."""
    if os.environ.get("STOREBENCH_NO_SKIPS") and _skipped and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which skips made it fail."""
    if os.environ.get("STOREBENCH_NO_SKIPS") and _skipped:
        terminalreporter.section("skipped, and nothing may be skipped here (STOREBENCH_NO_SKIPS)", red=True)
        for line in _skipped:
            terminalreporter.write_line(line)


_REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def _never_the_users_storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Point the default storage root at a temporary folder, for sub-processes too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STOREBENCH_ROOT", str(tmp_path_factory.mktemp("storage")))
        yield


@pytest.fixture(params=list(BACKENDS))
def backend(request: pytest.FixtureRequest) -> Backend:
    """Every backend of the table that can work here; see test_core_backends_are_available for the others."""
    found = BACKENDS[request.param]
    why = found.why_unavailable()
    if why is not None:
        pytest.skip(why)
    return found


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real volumes: STOREBENCH_TEST_DATA, or ../shared/data beside the repository."""
    folder = Path(os.environ.get("STOREBENCH_TEST_DATA", _REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"{NO_DATA} in {folder}; set STOREBENCH_TEST_DATA to the folder that holds hoa_heart.zarr")
    return folder


@pytest.fixture(scope="session")
def heart(test_data: Path) -> NDArray:
    """The heart volume: 120 x 120 x 139 voxels, uint8, axes zyx."""
    import zarr

    path = test_data / "hoa_heart.zarr"
    if not path.is_dir():
        pytest.skip(f"{NO_DATA}: {path} is missing; set STOREBENCH_TEST_DATA to the folder that holds it")
    volume = np.asarray(zarr.open_array(zarr.storage.LocalStore(path, read_only=True), mode="r", zarr_format=2)[...])
    assert volume.shape == (120, 120, 139)
    assert volume.dtype == np.uint8
    return volume
