"""Measure how a browser takes the page: `python tests/report/browser/measure_page.py PAGE.html … [--loads 5]`.

Prints, per page, median and range over loads in a fresh browser context each: first paint, ready (load event), blocking
(the sum of what long tasks took beyond 50 ms), one filter and one sort until the next frame, and elements in the document.
Figures to look at, no test: they depend on the machine and on what else it does.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_OBSERVE = """
window.blocked = 0;
new PerformanceObserver((list) => { for (const task of list.getEntries()) window.blocked += task.duration - 50; })
  .observe({ type: "longtask", buffered: true });
"""
_LOADED = """() => ({
  "first paint ms": performance.getEntriesByName("first-contentful-paint")[0]?.startTime,
  "ready ms": performance.timing.loadEventEnd - performance.timing.navigationStart,
  "blocking ms": window.blocked,
  "elements": document.querySelectorAll("*").length,
})"""
_ACT = """(act) => new Promise((done) => {
  const start = performance.now();
  if (act === "filter") {
    const search = document.getElementById("search");
    search.value = "zstd cold";
    search.dispatchEvent(new Event("input", { bubbles: true }));
  } else {
    document.querySelector("#all thead th.num button").click();
  }
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
})"""


def _load(browser: Browser, page_file: Path) -> dict[str, float]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    page = context.new_page()
    page.add_init_script(_OBSERVE)
    page.goto(page_file.resolve().as_uri(), wait_until="load")
    page.wait_for_timeout(500)  # long tasks after the load event count too
    figures: dict[str, Any] = page.evaluate(_LOADED)
    for act in ("filter", "sort"):
        figures[f"{act} ms"] = page.evaluate(_ACT, act)
    context.close()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("pages", nargs="+", type=Path)
    parser.add_argument("--loads", type=int, default=5)
    arguments = parser.parse_args()
    program = next(filter(None, map(shutil.which, _NAMES)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        for page_file in arguments.pages:
            loads = [_load(browser, page_file) for _ in range(arguments.loads)]
            print(f"{page_file}: {page_file.stat().st_size:,} bytes, {len(loads)} loads")
            for name in loads[0]:
                values = [load[name] for load in loads]
                print(f"  {name:15} {statistics.median(values):8.0f}   {min(values):.0f} to {max(values):.0f}")
        browser.close()


if __name__ == "__main__":
    main()
