"""How busy the machine was while it measured, and with what: pressure, steal, load, and what other processes used."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from storebench.records import Conditions

_PRESSURE: Final = Path("/proc/pressure")
_SHORTEST_SPAN_S: Final = 0.2
"""Processor times are counted in ticks of 10 ms, on each processor for itself: of a shorter span they tell nothing."""
_NOTABLE_CPUS: Final = 0.01


class _Process(NamedTuple):
    """A process: number and start (seconds since boot or epoch; tells it from a later one of the same number)."""

    pid: int
    started: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Usage:
    """What a process is and has used: CPU seconds of its own, and of its children that have ended and been waited for."""

    parent: int
    name: str
    own_s: float
    children_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """The state at one point. Pressures in seconds since boot; `busy_s`, `stolen_s` and `total_s` summed over processors."""

    taken_at: float
    clock_s: float
    pressure_s: Mapping[str, float]
    busy_s: float
    stolen_s: float | None
    total_s: float
    processes: Mapping[_Process, _Usage]
    tree: frozenset[_Process]


class ConditionsRecorder:
    """Records spans one after another; making it begins the first one.

    A reading costs about 0.04 ms for each process of the machine (3 ms for 80 of them on 2 cores of Zen 4): `take` belongs
    between rounds of calls, and outside any clock.
    """

    def __init__(self) -> None:
        self._before = _reading()

    def take(self) -> Conditions:
        """End the span, return what happened in it, and begin the next one.

        Other processes are all but this one, its living descendants, and its children that have ended and been waited for.
        """
        before, self._before = self._before, _reading()
        return _conditions(before, self._before)


def _reading() -> _Reading:
    import psutil

    times = psutil.cpu_times()
    stolen_s = getattr(times, "steal", None)
    # Guest time is in user time already. A processor that waits for the disk is idle.
    busy_s = sum(getattr(times, kind, 0.0) for kind in ("user", "nice", "system", "irq", "softirq"))
    idle_s = times.idle + getattr(times, "iowait", 0.0)
    taken_at, clock_s = time.time(), time.perf_counter()
    processes = _processes()
    return _Reading(
        taken_at=taken_at,
        clock_s=clock_s,
        pressure_s=_pressures(),
        busy_s=busy_s,
        stolen_s=stolen_s,
        total_s=busy_s + idle_s + (stolen_s or 0.0),
        processes=processes,
        tree=_tree(processes, os.getpid()),
    )


def _pressures() -> dict[str, float]:
    """Return the seconds since boot in which some task waited, by resource; without those that the kernel does not tell."""
    found = {}
    for resource in ("cpu", "io", "memory"):
        try:
            some = (_PRESSURE / resource).read_text().splitlines()[0]
        except OSError:  # not there, or switched off at boot
            continue
        found[resource] = int(some.rpartition("total=")[2]) / 1e6
    return found


def _processes() -> dict[_Process, _Usage]:
    """Return every process that can be seen. Those that vanish meanwhile are left out."""
    import psutil

    found = {}
    for process in psutil.process_iter(["ppid", "name", "cpu_times", "create_time"]):
        facts = process.info
        if facts["cpu_times"] is None or facts["ppid"] is None:  # this system does not tell it of others' processes
            continue
        times = facts["cpu_times"]
        found[_Process(process.pid, facts["create_time"] or 0.0)] = _Usage(
            parent=facts["ppid"],
            name=_without_path(facts["name"] or "?"),
            own_s=times.user + times.system,
            children_s=getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0),
        )
    return found


def _without_path(name: str) -> str:
    """Return the name without any folder: a process may call itself what it likes. kworker/0:1 is kworker."""
    return name.rpartition("/")[2] if name.startswith(("/", ".", "~")) else name.partition("/")[0]


def _tree(processes: Mapping[_Process, _Usage], root: int) -> frozenset[_Process]:
    """Return a process and all its living descendants."""
    children = defaultdict(list)
    for process, usage in processes.items():
        children[usage.parent].append(process)
    found = {process for process in processes if process.pid == root}
    unseen = list(found)
    while unseen:
        new = set(children[unseen.pop().pid]) - found
        found |= new
        unseen += new
    return frozenset(found)


def _conditions(before: _Reading, after: _Reading) -> Conditions:
    span_s = after.clock_s - before.clock_s
    told = span_s >= _SHORTEST_SPAN_S
    total_s = after.total_s - before.total_s
    steal_share = None
    if told and total_s > 0 and before.stolen_s is not None and after.stolen_s is not None:
        steal_share = _share((after.stolen_s - before.stolen_s) / total_s)
    return Conditions(
        started_at=before.taken_at,
        ended_at=after.taken_at,
        cpu_pressure=_pressure(before, after, "cpu"),
        io_pressure=_pressure(before, after, "io"),
        memory_pressure=_pressure(before, after, "memory"),
        steal_share=steal_share,
        load_1m=_load_1m(),
        other_cpus=max(0.0, after.busy_s - before.busy_s - _own_s(before, after)) / span_s if told else None,
        busiest_other=_busiest_other(before, after, span_s) if told else None,
    )


def _share(value: float) -> float:
    """Return a share within 0 and 1: clocks of the kernel are read one after another, and some may even run back a little."""
    return min(1.0, max(0.0, value))


def _pressure(before: _Reading, after: _Reading, resource: str) -> float | None:
    if resource not in before.pressure_s or resource not in after.pressure_s:
        return None
    span_s = after.clock_s - before.clock_s
    return _share((after.pressure_s[resource] - before.pressure_s[resource]) / span_s) if span_s > 0 else None


def _load_1m() -> float | None:
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):  # Windows; /proc is not there
        return None


def _own_s(before: _Reading, after: _Reading) -> float:
    """Return the CPU seconds of this process and its tree in the span.

    A descendant that has ended is in the time of the one that waited for it, with what it had used before the span: that
    part is taken off again.
    """
    used_s = 0.0
    for process in after.tree:
        now, then = after.processes[process], before.processes.get(process)
        used_s += now.own_s + now.children_s - (then.own_s + then.children_s if then else 0.0)
    for process in before.tree - after.processes.keys():
        then = before.processes[process]
        used_s -= then.own_s + then.children_s
    return max(0.0, used_s)


def _busiest_other(before: _Reading, after: _Reading, span_s: float) -> str | None:
    """Return the name of the process outside the tree that used most in the span, and at least 1 % of a processor."""
    used_s = {}
    for process in after.processes.keys() - after.tree:
        then = before.processes.get(process)
        used_s[process] = after.processes[process].own_s - (then.own_s if then else 0.0)
    busiest = max(used_s, key=lambda process: (used_s[process], -process.pid), default=None)
    if busiest is None or used_s[busiest] <= _NOTABLE_CPUS * span_s:
        return None
    return after.processes[busiest].name
