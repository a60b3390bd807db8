"""What others did to the machine while it measured: a stranger's load shows with its name, the own one does not."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from storebench.measurement import conditions
from storebench.measurement.conditions import ConditionsRecorder, _conditions, _own_s, _Process, _Reading, _tree, _Usage
from storebench.records import Conditions

BURN = "import sys, time\nuntil = time.process_time() + {}\nwhile time.process_time() < until: pass\nprint(flush=True)"


def _burn(cpu_s: float) -> None:
    until = time.process_time() + cpu_s
    while time.process_time() < until:
        pass


def _busy_s() -> float:
    times = psutil.cpu_times()
    return times.user + times.nice + times.system + times.irq + times.softirq


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[psutil.Process]:
    """A busy loop that is no child of this process: its parent has gone."""
    shell = shutil.which("sh")
    assert shell is not None
    burner = shutil.copy(shell, tmp_path / "sb-burner")
    start = '"$1" -c "while :; do :; done" >/dev/null 2>&1 & echo $!'
    started = subprocess.run(
        [shell, "-c", start, "sh", burner], stdout=subprocess.PIPE, text=True, check=True, start_new_session=True
    )
    pid = int(started.stdout)
    try:
        yield psutil.Process(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


# the real thing


def test_a_strangers_load_shows_with_its_name(stranger: psutil.Process, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = conditions._processes

    def only_these() -> dict[_Process, _Usage]:
        """Others of this machine may be busier than the stranger."""
        return {process: usage for process, usage in seen().items() if process.pid in (os.getpid(), stranger.pid)}

    monkeypatch.setattr(conditions, "_processes", only_these)
    recorder = ConditionsRecorder()
    before_s = stranger.cpu_times().user
    while stranger.cpu_times().user < before_s + 0.5:
        time.sleep(0.05)
    found = recorder.take()
    assert found.other_cpus is not None
    assert found.other_cpus > 0.3  # or all processors are busy with still others
    assert found.busiest_other == "sb-burner"


@pytest.mark.parametrize("how", ["itself", "a living child", "a child that was waited for"])
def test_the_own_load_is_not_others(how: str) -> None:
    burn_s, slack_s = 0.8, 0.3
    with subprocess.Popen(
        [sys.executable, "-c", BURN.format(0.0 if how == "itself" else burn_s) + "\nsys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        recorder, busy_s, started_s = ConditionsRecorder(), _busy_s(), time.perf_counter()
        if how == "itself":
            _burn(burn_s)
        else:
            child.stdout.readline()
        if how == "a child that was waited for":
            child.communicate()
        found = recorder.take()
        span_s, busy_s = time.perf_counter() - started_s, _busy_s() - busy_s
        if child.poll() is None:
            child.communicate()
    assert found.other_cpus is not None
    assert found.other_cpus * span_s <= max(0.0, busy_s - burn_s) + slack_s


def test_a_span_follows_the_other() -> None:
    recorder = ConditionsRecorder()
    time.sleep(0.25)
    first, second = recorder.take(), recorder.take()
    assert first.started_at < first.ended_at == second.started_at <= second.ended_at
    for found in (first, second):
        shares = (found.cpu_pressure, found.io_pressure, found.memory_pressure, found.steal_share)
        assert all(share is None or 0 <= share <= 1 for share in shares)
        assert found.load_1m is None or found.load_1m >= 0
    assert first.other_cpus is not None


def test_what_vanishes_meanwhile_does_no_harm() -> None:
    recorder = ConditionsRecorder()
    with subprocess.Popen(
        ["sh", "-c", "while :; do sh -c :; done"], start_new_session=True, stderr=subprocess.DEVNULL
    ) as source:
        for _ in range(20):
            recorder.take()
        os.killpg(source.pid, signal.SIGKILL)


# the arithmetic


ME, CHILD, GRANDCHILD, OTHER, LATER = (_Process(pid, float(pid)) for pid in (10, 11, 12, 20, 21))


def _usage(parent: _Process, own_s: float, children_s: float = 0.0, name: str = "x") -> _Usage:
    return _Usage(parent=parent.pid, name=name, own_s=own_s, children_s=children_s)


def _reading(clock_s: float, processes: dict[_Process, _Usage], busy_s: float = 0.0) -> _Reading:
    return _Reading(
        taken_at=1000.0 + clock_s,
        clock_s=clock_s,
        pressure_s={"cpu": 5 + clock_s / 4, "io": 7.0},
        busy_s=busy_s,
        stolen_s=clock_s / 10,
        total_s=2 * clock_s,
        processes=processes,
        tree=_tree(processes, ME.pid),
    )


INIT = _Process(1, 0.0)
BEFORE = _reading(
    0.0,
    {
        ME: _usage(INIT, 5.0, 100.0),
        CHILD: _usage(ME, 7.0),
        GRANDCHILD: _usage(CHILD, 3.0),
        OTHER: _usage(INIT, 50.0, name="old"),
    },
)


def test_the_tree_is_oneself_and_all_descendants() -> None:
    assert BEFORE.tree == {ME, CHILD, GRANDCHILD}
    loop = {
        OTHER: _usage(LATER, 0.0),
        LATER: _usage(OTHER, 0.0),
    }  # numbers of parents that have gone may be given again
    assert _tree(loop, OTHER.pid) == {OTHER, LATER}
    assert _tree(loop, ME.pid) == frozenset()


def test_the_tree_uses_what_its_members_use() -> None:
    after = dict(BEFORE.processes)
    after[ME] = _usage(INIT, 6.0, 100.0)
    after[GRANDCHILD] = _usage(CHILD, 3.5)
    after[LATER] = _usage(CHILD, 0.25)
    after[OTHER] = _usage(INIT, 60.0)
    assert _own_s(BEFORE, _reading(1.0, after)) == 1.0 + 0.5 + 0.25


def test_a_child_that_was_waited_for_counts_from_the_beginning_of_the_span() -> None:
    after = {ME: _usage(INIT, 5.0, 100.0 + 7.5 + 3.25), OTHER: _usage(INIT, 50.0)}
    assert _own_s(BEFORE, _reading(1.0, after)) == 0.5 + 0.25


def test_a_child_that_became_a_daemon_is_another() -> None:
    after = dict(BEFORE.processes)
    after[ME] = _usage(INIT, 5.5, 100.0)
    after[CHILD] = _usage(INIT, 9.0)
    assert _own_s(BEFORE, _reading(1.0, after)) == 0.5


def test_a_span() -> None:
    after = dict(BEFORE.processes)
    after[ME] = _usage(INIT, 6.0, 100.0)
    after[OTHER] = _usage(INIT, 50.5, name="old")
    after[LATER] = _usage(INIT, 1.0, name="new")
    found = _conditions(BEFORE, _reading(2.0, after, busy_s=2.5))
    assert replace(found, load_1m=None) == Conditions(
        started_at=1000.0,
        ended_at=1002.0,
        cpu_pressure=0.25,
        io_pressure=0.0,
        memory_pressure=None,
        steal_share=0.05,
        load_1m=None,
        other_cpus=0.75,
        busiest_other="new",
    )


def test_one_percent_is_not_worth_a_name() -> None:
    after = {**BEFORE.processes, OTHER: _usage(INIT, 50.01)}
    assert _conditions(BEFORE, _reading(1.0, after)).busiest_other is None


def test_clocks_that_run_back_are_no_negative_load() -> None:
    after = {**BEFORE.processes, OTHER: _usage(INIT, 49.0)}
    found = _conditions(BEFORE, replace(_reading(1.0, after, busy_s=-0.1), stolen_s=-1.0))
    assert (found.other_cpus, found.busiest_other, found.steal_share) == (0.0, None, 0.0)


def test_a_span_of_a_few_ticks_tells_nothing_of_processors() -> None:
    found = _conditions(BEFORE, _reading(0.1, dict(BEFORE.processes), busy_s=0.1))
    assert (found.other_cpus, found.busiest_other, found.steal_share) == (None, None, None)
    assert found.cpu_pressure is not None


def test_pressure_is_none_where_it_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpu").write_text(
        "some avg10=1.00 avg60=2.00 avg300=3.00 total=1500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=9\n"
    )
    monkeypatch.setattr(conditions, "_PRESSURE", tmp_path)
    assert conditions._pressures() == {"cpu": 1.5}


@pytest.mark.parametrize(
    ("name", "shown"),
    [("python3.13", "python3.13"), ("kworker/0:1-events", "kworker"), ("/home/jo/secret/run", "run"), ("~/x", "x")],
)
def test_names_have_no_path(name: str, shown: str) -> None:
    assert conditions._without_path(name) == shown
