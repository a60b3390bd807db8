"""Figures become files: beside the main process as in it, and what goes wrong there is heard of here."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from storebench.report.press import Press, figure_svg
from storebench.report.style import house_style


def _figure(title: str) -> Figure:
    with house_style():
        figure = Figure(figsize=(6, 3), layout=ConstrainedLayoutEngine())
        axes = figure.subplots()
        axes.plot([1, 2, 3], [3, 1, 2], "o", label="a[b] $x_{1}$ …")
        axes.set_title(title)
        axes.legend()
    return figure


def test_a_worker_writes_the_same_bytes(tmp_path: Path) -> None:
    files = {}
    for n_workers in (0, 1):
        folder = tmp_path / str(n_workers)
        folder.mkdir()
        with Press(n_workers) as press:
            for title in ("one", "two"):
                figure = _figure(title)
                (folder / f"{title}.svg").write_text(figure_svg(figure, title), encoding="utf-8")
                press.save(figure, folder / f"{title}.png", folder / f"{title}.pdf")
        files[n_workers] = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert len(files[0]) == 6
    assert files[0] == files[1]
    assert files[0]["one.pdf"] != files[0]["two.pdf"]


@pytest.mark.parametrize("n_workers", [0, 1])
def test_what_cannot_be_written_is_an_error(n_workers: int, tmp_path: Path) -> None:
    figure = _figure("lost")
    figure_svg(figure, "lost")
    with pytest.raises(FileNotFoundError), Press(n_workers) as press:
        press.save(figure, tmp_path / "none" / "lost.png", tmp_path / "none" / "lost.pdf")


def test_ctrl_c_ends_quietly_and_leaves_no_process(tmp_path: Path) -> None:
    script = tmp_path / "press_forever.py"
    script.write_text(
        "import signal, time\n"
        "from storebench.report.press import Press\n"
        "if __name__ == '__main__':\n"
        "    signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job in the background ignores it
        "    try:\n"
        "        with Press(1) as press:\n"
        "            press._pending[0].result()\n"
        "            print(*press._pool._processes, flush=True)\n"
        "            time.sleep(60)\n"
        "    except KeyboardInterrupt:\n"
        "        print('stopped')\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    worker = int(process.stdout.readline())
    assert Path(f"/proc/{worker}").exists()
    for pid in (worker, process.pid):  # as a terminal does: every process of the group
        subprocess.run(["kill", f"-{signal.SIGINT.value}", str(pid)], check=True)
    out, errors = process.communicate(timeout=30)
    assert (out, errors, process.returncode) == ("stopped\n", "", 0)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{worker}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{worker}").exists()
