"""Reporting needs pandas, numpy, matplotlib, jinja2, click and what those need: nothing else that storebench installs."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import storebench

from ._many import write_results

_NEEDED = ("pandas", "numpy", "matplotlib", "jinja2", "click")


def _with_what_they_need(names: tuple[str, ...]) -> dict[str, importlib.metadata.Distribution]:
    """Return distributions and, without extras, all that they require."""
    found: dict[str, importlib.metadata.Distribution] = {}
    left = [*names]
    while left:
        name = re.sub(r"[-_.]+", "-", left.pop()).lower()
        if name in found:
            continue
        found[name] = importlib.metadata.distribution(name)
        requirements = [Requirement(text) for text in found[name].requires or ()]
        left += [r.name for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""})]
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the few distributions and storebench's source, as links."""
    folder = tmp_path_factory.mktemp("site")
    for distribution in _with_what_they_need(_NEEDED).values():
        tops = {Path(file).parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}
        for top in sorted(tops):
            (folder / top).symlink_to(str(distribution.locate_file(top)))
    (folder / "storebench").symlink_to(Path(storebench.__file__).parent)
    return folder


def _run(site: Path, code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    start = f"import sys; sys.path.insert(0, {str(site)!r}); {code}"
    # -I and -S: no site-packages, no environment, no folder of the script
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd), "MPLCONFIGDIR": str(cwd / "mpl")}
    return subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", "-c", start],
        capture_output=True, text=True, cwd=cwd, env=environment, check=False,
    )  # fmt: skip


def test_the_environment_has_nothing_else(site: Path, tmp_path: Path) -> None:
    code = (
        "from importlib.util import find_spec; "
        "print([n for n in ('zarr', 'numcodecs', 'tifffile', 'imagecodecs', 'h5py', 'asv', 'psutil', 'rich', 'pyarrow', "
        "'scipy') if find_spec(n)], find_spec('matplotlib').origin)"
    )
    done = _run(site, code, tmp_path)
    assert done.stderr == ""
    assert done.stdout.startswith(f"[] {site}")


@pytest.mark.parametrize(
    "module", ["analysis", "advise.ranking", "report.page", "results.frame", "report.changes.page", "report.markdown"]
)
def test_it_imports(module: str, site: Path, tmp_path: Path) -> None:
    done = _run(site, f"import storebench.{module}", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_command_makes_the_same_page(site: Path, tmp_path: Path) -> None:
    results = write_results(tmp_path / "results", 300)
    code = "from storebench.cli import main; sys.argv = ['storebench', 'report', 'results', '-o', 'bare']; main()"
    done = _run(site, code, tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "Report of 300 rows" in done.stdout
    command = [sys.executable, "-m", "storebench", "report", str(results), "-o", str(tmp_path / "all")]
    subprocess.run(command, check=True, capture_output=True)
    names = sorted(str(path.relative_to(tmp_path / "all")) for path in (tmp_path / "all").rglob("*.*"))
    assert len(names) > 20
    different = [
        name for name in names if (tmp_path / "all" / name).read_bytes() != (tmp_path / "bare" / name).read_bytes()
    ]
    assert different == []
