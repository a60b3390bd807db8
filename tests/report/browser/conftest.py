"""Fixtures for tests of the page in a real browser: the system's Chromium, driven by playwright, and axe-core."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_REPOSITORY = Path(__file__).resolve().parents[3]
_AXE = _REPOSITORY / ".browser" / "node_modules" / "axe-core" / "axe.min.js"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LAUNCH = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",  # containers have 64 MiB of it
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@dataclass(kw_only=True)
class Opened:
    """A page that a browser shows, and what it did meanwhile.

    Attributes
    ----------
    page : playwright.sync_api.Page
        To click and to ask.
    console_errors, page_errors : list of str
        Errors and warnings that the page wrote, exceptions that its scripts threw.
    requests : list of str
        Addresses of everything that was asked for beside the page itself, `data:` and `blob:`.
    """

    page: Page
    console_errors: list[str] = field(default_factory=list)
    page_errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @property
    def complaints(self) -> list[str]:
        """Everything that a good offline page never does."""
        return [*self.console_errors, *self.page_errors, *self.requests]

    @property
    def has_sideways_scroll(self) -> bool:
        """Whether the page itself, not a box in it, is wider than the window."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))


PageOf = Callable[..., Opened]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The system's Chromium; playwright brings none and must download none."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.skip("playwright is not installed; add it with: pip install playwright")
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip("there is no Chromium; install it with: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(LAUNCH))
        yield browser
        browser.close()


@pytest.fixture
def page_of(chromium: Browser) -> Iterator[PageOf]:
    """Return what opens an HTML file: `page_of(path, scheme="light", width=1280, javascript=True)` is an `Opened`.

    The browser is offline, asks for reduced motion, and forgets everything after the test.
    """
    contexts = []

    def open_page(
        path: Path, scheme: Literal["light", "dark"] = "light", width: int = 1280, *, javascript: bool = True
    ) -> Opened:
        context = chromium.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            reduced_motion="reduce",
            java_script_enabled=javascript,
            offline=True,
        )
        contexts.append(context)
        opened = Opened(page=context.new_page())
        address = path.resolve().as_uri()
        opened.page.on("console", lambda m: m.type in ("error", "warning") and opened.console_errors.append(m.text))
        opened.page.on("pageerror", lambda error: opened.page_errors.append(str(error)))
        opened.page.on("request", lambda request: _note(opened.requests, request.url, address))
        opened.page.goto(address, wait_until="load")
        return opened

    yield open_page
    for context in contexts:
        context.close()


def _note(requests: list[str], url: str, address: str) -> None:
    if url.partition("#")[0] != address and not url.startswith(("data:", "blob:")):
        requests.append(url)


@pytest.fixture(scope="session")
def axe() -> Callable[[Page], list[str]]:
    """Return what runs axe-core in a page and gives its violations, one line per element; none is right."""
    if not _AXE.is_file():
        pytest.skip(f"there is no {_AXE.relative_to(_REPOSITORY)}; make it with: make axe")
    source = _AXE.read_text(encoding="utf-8")

    def run(page: Page) -> list[str]:
        page.evaluate(source)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']}).then((result) => result.violations)")
        return [
            f"{violation['id']}: {violation['help']}: {node['html'][:200]}"
            for violation in found
            for node in violation["nodes"]
        ]

    return run
