"""The page of changes as a browser shows it: offline, without scripts, for everyone, and folded where it is long."""

from __future__ import annotations

from pathlib import Path

import pytest

from storebench.report.changes import build_changes, find_changes

from .._histories import Planted, commit_name, history, plant
from .._press import PageAlone
from .conftest import PageOf


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("changed")
    slowed = {"16x16x16/zstd-3/plane_xz": 1.25, "write/tiff": 0.7}
    newer = Planted(commit=commit_name(50), day=50, libraries={"zarr": "3.4.0"}, factors=slowed)
    changes = find_changes(plant(folder / "newer", [newer], seed=5), plant(folder / "older", history(8)))
    assert changes is not None
    return build_changes(changes, folder / "report", press=PageAlone()).page


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_it_is_quiet_accessible_and_fits(changed: Path, page_of: PageOf, axe, scheme, width) -> None:
    opened = page_of(changed, scheme, width)
    assert axe(opened.page) == []
    assert opened.complaints == []
    assert not opened.has_sideways_scroll


def test_the_keyboard_opens_every_group(changed: Path, page_of: PageOf) -> None:
    page = page_of(changed, javascript=False).page
    summaries = page.locator("details > summary")
    assert summaries.count() > 0
    for index in range(summaries.count()):
        group = summaries.nth(index)
        was_open = group.evaluate("summary => summary.parentElement.open")
        group.focus()
        page.keyboard.press("Enter")
        assert group.evaluate("summary => summary.parentElement.open") is not was_open
