"""The page as a browser shows it: offline, without errors, for everyone."""

from __future__ import annotations

from pathlib import Path

import pytest

from storebench.report import build_report

from .._press import PageAlone
from .._tables import ENVIRONMENT, table
from .conftest import PageOf


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_report(
        table(), {ENVIRONMENT.id: ENVIRONMENT}, tmp_path_factory.mktemp("small"), press=PageAlone()
    ).index


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_a_small_page_is_quiet_accessible_and_fits(small: Path, page_of: PageOf, axe, scheme, width) -> None:
    opened = page_of(small, scheme, width)
    assert axe(opened.page) == []
    assert opened.complaints == []
    assert not opened.has_sideways_scroll
