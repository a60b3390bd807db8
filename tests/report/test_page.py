"""The page: builds from any table, shows the table's own numbers, escapes every name, and is the same for the same input."""

from __future__ import annotations

import functools
import html
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import storebench.report
import storebench.report.page
from storebench.analysis import verdict
from storebench.report import build_report
from storebench.report.page import script_text
from storebench.report.results_table import ALPHABET
from storebench.results.frame import tidy_frame
from storebench.units import MISSING, bytes_text, ratio_text, seconds_text

from ._press import PageAlone
from ._tables import ENVIRONMENT, rows, table

ENVIRONMENTS = {ENVIRONMENT.id: ENVIRONMENT}
NASTY = ("</script><b>x", "a[b]", "$x_{1}$ & \"quoted\" 'too'", "<!-- <script>")


class _Page(HTMLParser):
    """Collects what the tests ask for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def _data(page: str) -> dict[str, Any]:
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert match
    data: dict[str, Any] = json.loads(match[1])
    return data


def _ranks(data: dict[str, Any], name: str) -> list[int | None]:
    """Read a column's coded ranks, as the page's script does."""
    _, width, coded = data["columns"][name]
    codes = [1] * data["n_rows"] if width == 0 else []
    for at in range(0, len(coded), width or 1):
        digits = [ALPHABET.index(letter) for letter in coded[at : at + width]]
        codes.append(functools.reduce(lambda code, digit: code * len(ALPHABET) + digit, digits, 0))
    return [code - 1 if code else None for code in codes]


def _column(data: dict[str, Any], name: str) -> list[str | None]:
    return [None if rank is None else data["columns"][name][0][rank] for rank in _ranks(data, name)]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("report")
    files = build_report(table(), ENVIRONMENTS, folder)
    return files.index.read_text(encoding="utf-8"), folder


def test_every_figure_is_there_in_three_formats_and_as_numbers(built: tuple[str, Path]) -> None:
    page, folder = built
    names = {path.name for path in (folder / "figures").iterdir()}
    figures = {name.partition(".")[0] for name in names}
    assert figures >= {"formats", "tradeoff", "chunks", "amplification", "voxels"}
    kinds = {f"{name}.{kind}" for name in figures for kind in ("svg", "png", "pdf", "csv")}
    assert names == kinds
    assert all(f'href="figures/{name}"' in page for name in kinds)
    from PIL import Image

    with Image.open(folder / "figures" / "formats.png") as image:
        assert min(image.info["dpi"]) >= 200


def test_same_input_same_bytes(built: tuple[str, Path], tmp_path: Path) -> None:
    page, folder = built
    shuffled = table().sample(frac=1.0, random_state=3)
    again = build_report(shuffled, ENVIRONMENTS, tmp_path)
    assert again.index.read_text(encoding="utf-8") == page
    for path in again.figures:
        assert path.read_bytes() == (folder / "figures" / path.name).read_bytes(), path.name


def test_nothing_comes_from_the_network(built: tuple[str, Path]) -> None:
    page, _ = built
    for tag, attributes in _Page(page).tags:
        for name in ("src", "href", "xlink:href", "action", "poster"):
            value = attributes.get(name) or ""
            assert not re.match(r"(https?:)?//", value) or tag == "a", (tag, value)
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_ids_are_unique_and_pictures_have_words(built: tuple[str, Path]) -> None:
    page, _ = built
    tags = _Page(page).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    pictures = [attributes for tag, attributes in tags if tag == "svg"]
    assert len(pictures) >= 10  # 4 figures, 6 of voxels
    assert all(a["role"] == "img" and len(a["aria-label"] or "") > 20 for a in pictures)
    assert sum(tag == "table" for tag, _ in tags) == sum(tag == "caption" for tag, _ in tags)


def test_the_numbers_are_the_tables(built: tuple[str, Path]) -> None:
    page, _ = built
    frame = table()
    data = _data(page)
    assert data["n_rows"] == len(frame)
    missing = [None if pd.isna(value) else value for value in frame["median_s"]]
    assert _column(data, "Median") == [None if value is None else seconds_text(value) for value in missing]
    sizes = [None if pd.isna(value) else bytes_text(int(value)) for value in frame["stored_bytes"]]
    assert _column(data, "Size") == sizes
    ratios = [None if pd.isna(value) else ratio_text(value) for value in frame["compression_ratio"]]
    assert _column(data, "Ratio") == ratios
    assert "PNG holds 2-D images" in _column(data, "Reason")
    # ranks sort as the numbers do
    ranks = _ranks(data, "Median")
    known = sorted((value, rank) for value, rank in zip(missing, ranks, strict=True) if value is not None)
    assert [rank for _, rank in known] == sorted(rank for _, rank in known)


def test_the_answer_is_analysis_own(built: tuple[str, Path]) -> None:
    page, _ = built
    text = html.unescape(re.sub(r"<[^>]+>", "", page))
    findings = verdict(table()).findings
    assert findings
    for finding in findings:
        body = finding.sentence.removeprefix(finding.place).lstrip(",: ").removeprefix(f"{finding.about}: ")
        assert body in text


def test_provenance_and_limits(built: tuple[str, Path]) -> None:
    page, _ = built
    for said in (
        "test processor",
        "with uncommitted changes",
        "3f2a91c0",
        "c-blosc",
        "not proven",
        "One machine",
        "zyx",
    ):
        assert said in page


def test_proof_noise_and_the_limit_are_shown(tmp_path: Path) -> None:
    frame = table()
    reads = frame["operation"] == "read"
    shown = frame.assign(cache="cold").assign(limit_fraction=0.123, noisy=False, cache_shown=None)
    shown.loc[reads, "cache_shown"] = "guest-cold"
    shown.loc[shown.index[reads][0], ["noisy", "noise"]] = [True, "others kept 1.9 of 2 processors busy"]
    page = build_report(shown, ENVIRONMENTS, tmp_path, press=PageAlone()).index.read_text(encoding="utf-8")
    data = _data(page)
    assert set(_column(data, "Shown")) == {"guest-cold", None}
    assert set(_column(data, "Of the limit")) == {"12.3 %"}
    assert [text for text in _column(data, "Doubt") if text] == ["noisy"]
    assert f"{reads.sum()} of {reads.sum()} cases" in page
    assert f"1 of {(frame['status'] == 'ok').sum()} cases" in page
    assert "others kept 1.9 of 2 processors busy" in page
    assert "its host may have held them" in page
    assert "is not proven" not in page


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what stands outside the figures, which take most of a page's time."""
    monkeypatch.setattr(storebench.report.page, "SECTIONS", ())


@pytest.mark.usefixtures("no_figures")
def test_thread_budgets_do_not_meet_in_one_ranking(tmp_path: Path) -> None:
    frame = table()
    faster = frame[frame["operation"] == "read"].assign(threads=1, median_s=1e-6).iloc[:3]
    page = build_report(pd.concat([frame, faster]), ENVIRONMENTS, tmp_path, press=PageAlone()).index.read_text(
        encoding="utf-8"
    )
    settings = page.partition('id="settings"')[2].partition("</section>")[0]
    assert "zarr3-zarrpython" in settings
    assert "threads 1" not in settings
    assert _data(page)["n_rows"] == len(frame) + 3


def test_names_stay_names(tmp_path: Path) -> None:
    frame = table()
    names = frame["dataset"].tolist()
    frame["dataset"] = [NASTY[0]] * len(names)
    frame["backend"] = [
        name if name.startswith("zarr3") else NASTY[1 + i % 3] for i, name in enumerate(frame["backend"])
    ]
    frame["reason"] = NASTY[3]
    page = build_report(frame, ENVIRONMENTS, tmp_path, title=NASTY[0], press=PageAlone()).index.read_text(
        encoding="utf-8"
    )
    assert page.count("<script") == 3  # results, answer, code
    assert page.count("</script>") == 3
    assert "<b>x" not in page
    assert set(_column(_data(page), "Dataset")) == {NASTY[0]}
    assert set(NASTY[1:]) <= {*_column(_data(page), "Backend")}
    assert html.escape("a[b]") in page
    assert f"<h1>{html.escape(NASTY[0])}" in page


@functools.cache
def _odd_tables() -> dict[str, pd.DataFrame]:
    full = table()
    failed = full.assign(status="failed", reason="no", median_s=np.nan, ci95_low_s=np.nan, ci95_high_s=np.nan)
    numberless = full.copy()
    for name in (
        "compression_ratio",
        "read_amplification",
        "fetched_bytes",
        "asked_bytes",
        "ci95_low_s",
        "ci95_high_s",
    ):
        numberless[name] = pd.NA
    return {
        "empty": tidy_frame([]),
        "no columns": pd.DataFrame(),
        "one row": table(list(rows())[:1]),
        "one read": table(list(rows())[1:2]),
        "all failed": failed,
        "only writes": full[full["operation"] == "write"],
        "one sample each": table(list(rows(n_samples=1))),
        "few columns": full[["dataset", "backend", "status", "median_s", "operation"]],
        "nothing known": pd.DataFrame({"case_id": ["x", None]}),
        "numbers missing": numberless,
        "infinite": full.assign(throughput_mib_s=np.inf, compression_ratio=np.inf),
        "zero seconds": full.assign(median_s=0.0),
    }


@pytest.mark.parametrize("name", _odd_tables())
def test_odd_tables_build_and_invent_nothing(name: str, tmp_path: Path) -> None:
    frame = _odd_tables()[name]
    page = build_report(frame, {}, tmp_path, press=PageAlone()).index.read_text(encoding="utf-8")
    data = _data(page)
    assert data["n_rows"] == len(frame)
    code = r"<pre.*?</pre>|<script[^>]*answer-data.*?</script>"  # to paste: says None where it means it
    body = re.sub(rf"<style>.*?</style>|<script>.*?</script>|{code}", "", page, flags=re.DOTALL)
    assert not re.search(r"\b(nan|NaN|None|inf|Infinity)\b", html.unescape(re.sub(r"<[^>]+>", " ", body)))
    if name in ("all failed", "no columns", "nothing known"):
        assert "Median" not in data["columns"]
        assert "Nothing was measured" in page


@pytest.mark.usefixtures("no_figures")
def test_few_samples_are_marked(tmp_path: Path) -> None:
    page = build_report(table(list(rows(n_samples=3))), {}, tmp_path, press=PageAlone()).index.read_text(
        encoding="utf-8"
    )
    assert page.count('class="mark low"') > 10
    assert {*_column(_data(page), "Doubt")} == {"few samples", None}
    assert "fewer than 8 samples" in page


def test_five_thousand_rows_stay_small(tmp_path: Path) -> None:
    one = table()
    frame = pd.concat(
        [one.assign(dataset=f"d{i % 3}", seed=i) for i in range(5000 // len(one) + 1)], ignore_index=True
    )[:5000]
    page = build_report(frame, ENVIRONMENTS, tmp_path, press=PageAlone()).index.read_text(encoding="utf-8")
    assert len(page.encode()) <= 1_000_000
    assert page.count("<tr") < 2000
    assert _data(page)["n_rows"] == 5000
    assert MISSING in page


def test_own_script_is_small() -> None:
    assert 5_000 < len(script_text().encode()) <= 15_000


def test_no_text_of_a_script_spans_lines() -> None:
    """The page carries scripts without indentation, which inside such a text would change it."""
    folder = Path(storebench.report.__file__).parent / "static"
    for path in folder.glob("*.js"):
        assert [line for line in path.read_text().splitlines() if line.replace("\\`", "").count("`") % 2] == []


def test_no_format_library_is_imported() -> None:
    code = (
        "import sys, storebench.report.page\n"
        "print([n for n in ('zarr', 'tifffile', 'imagecodecs', 'glymur', 'imageio', 'h5py', 'numcodecs') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.usefixtures("no_figures")
def test_every_image_of_one_name_is_named(tmp_path: Path) -> None:
    frame = pd.concat([table(), table().assign(shape=[(32, 32, 32)] * len(table()))], ignore_index=True)
    page = build_report(frame, ENVIRONMENTS, tmp_path, press=PageAlone()).index.read_text(encoding="utf-8")
    assert {"<dd>64x64x64, uint16", "<dd>32x32x32, uint16"} <= set(re.findall(r"<dd>\d+x\d+x\d+, uint16", page))
