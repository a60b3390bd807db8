"""Calling asv: the folder a campaign works in, one call, and the publication of what it found under neutral names."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import signal
import site
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from storebench import asv_commit
from storebench.assets import bundled_benchmarks
from storebench.errors import MeasurementError
from storebench.records import Environment
from storebench.results.asv import NOT_RESULTS, publish_asv_result, read_benchmarks, result_stem
from storebench.results.files import write_atomically
from storebench.results.journal import read_journal, write_compact
from storebench.storage import Storage

_POLL_S: Final = 0.25
_GRACE_S: Final = 10.0
_LOG_TAIL: Final = 15
_BROKEN: Final = ("Traceback (most recent call last)", "asv: benchmark suite import failed")


@dataclass(slots=True)
class Seen:
    """What the journal of a campaign holds so far: lines of cases, and the last one's id."""

    n_rows: int = 0
    last_case: str = ""
    offset: int = 0


class AsvFolder:
    """The working folder of one campaign: asv's configuration, raw results, log, the live journal and what is finished.

    It holds paths of this machine and is never kept; what is kept is published from it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "asv.conf.json"
        self.raw_results = path / "results"
        self.benchmarks = self.raw_results / "benchmarks.json"
        self.journal = path / "journal.jsonl"
        self.log = path / "asv.log"
        self._finished = path / "finished.txt"
        self._seen = Seen()

    def exists(self) -> bool:
        """Tell whether a campaign was begun here and not ended."""
        return self.config.is_file()

    def create(self, *, machine: str, environment: Environment) -> None:
        """Begin anew."""
        self.remove()
        self.path.mkdir(parents=True)
        config = {
            "version": 1,
            "project": "storebench",
            "repo": "installed",
            "dvcs": asv_commit.DVCS,
            "plugins": [f".{asv_commit.__name__}"],  # the dot: from anywhere, not only from inside asv
            "branches": ["installed"],
            "environment_type": "virtualenv",
            "benchmark_dir": str(bundled_benchmarks()),
            "results_dir": str(self.raw_results),
            "launch_method": "forkserver",
            "default_benchmark_timeout": 600,
        }
        self.config.write_text(json.dumps(config, indent=1))
        facts = environment.machine
        about = {
            "machine": machine,
            "os": str(facts.get("os")),
            "arch": platform.machine(),
            "cpu": str(facts.get("cpu")),
            "num_cpu": str(facts.get("n_cpu")),
            "ram": str(facts.get("ram_bytes")),
        }
        (self.path / ".asv-machine.json").write_text(json.dumps({machine: about, "version": 1}))

    def remove(self) -> None:
        """Throw the folder away."""
        shutil.rmtree(self.path, ignore_errors=True)

    def finished_batches(self) -> set[int]:
        """Return the numbers of the calls that came to their end."""
        return {int(n) for n in self._finished.read_text().split()} if self._finished.exists() else set()

    def note_finished(self, number: int) -> None:
        """Note that a call came to its end."""
        with self._finished.open("a") as file:
            file.write(f"{number}\n")

    def seen(self) -> Seen:
        """Return what the journal holds; only what is new since the last time is read."""
        if self.journal.exists():
            with self.journal.open("rb") as file:
                file.seek(self._seen.offset)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._seen.offset += len(line)
                    entry = json.loads(line)
                    if entry["kind"] == "row":
                        self._seen.n_rows += 1
                        self._seen.last_case = " ".join(
                            [entry["benchmark"], *(text.strip("'") for text in entry["params"])]
                        )
        return self._seen


@dataclass(frozen=True, slots=True)
class AsvCall:
    """How asv is called in one campaign.

    Attributes
    ----------
    folder : AsvFolder
        The campaign's working folder.
    storage : Storage
        Where stores are kept.
    tier, subject_key, machine : str, str or None, str
        What the suites and asv are told.
    environment : Environment
        What the results are recorded under.
    """

    folder: AsvFolder
    storage: Storage
    tier: str
    subject_key: str | None
    machine: str
    environment: Environment

    @property
    def commit(self) -> str:
        """The commit of the clone, or the version of the installed wheel."""
        return self.environment.commit or self.environment.storebench

    def run(self, names: Iterable[str], *, poll: Callable[[], None]) -> None:
        """Run some benchmarks once more and append their samples.

        Parameters
        ----------
        names : iterable of str
            asv's names.
        poll : callable
            Called several times a second.

        Raises
        ------
        MeasurementError
            If asv ends without having measured.
        KeyboardInterrupt
            Passed on, after asv has been ended.
        """
        selection = "^(" + "|".join(map(re.escape, names)) + r")(\(|$)"
        self._run("--append-samples", "-a", "rounds=1", "-b", selection, poll=poll)

    def discover(self, *, poll: Callable[[], None]) -> None:
        """Have asv look for the benchmarks and write down what it says of each, and of this machine; nothing is run.

        Parameters
        ----------
        poll : callable
            Called several times a second.

        Raises
        ------
        MeasurementError, KeyboardInterrupt
            As `run`.
        """
        self._run("-b", "just-discover", poll=poll)

    def _run(self, *options: str, poll: Callable[[], None]) -> None:
        command = [sys.executable, "-m", "asv", "run", "--config", str(self.folder.config), "-E", "existing"]
        command += ["--set-commit-hash", self.commit, "--machine", self.machine, *options]
        with self.folder.log.open("ab") as log:
            start = log.tell()
            process = subprocess.Popen(
                command,
                cwd=self.folder.path,
                env=self._environ(),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
            try:
                while True:
                    try:
                        code = process.wait(_POLL_S)
                        break
                    except subprocess.TimeoutExpired:
                        poll()
            except BaseException:
                _end(process)
                raise
        poll()
        self._check(code, start)

    def publish(self, results: Path) -> tuple[Path, ...]:
        """Put what was measured so far into the results folder, beside and into what is kept there.

        Parameters
        ----------
        results : pathlib.Path
            The results folder.

        Returns
        -------
        tuple of pathlib.Path
            The files written: asv's and the journal; none where nothing was measured yet.
        """
        if not self.folder.journal.exists():
            return ()
        kept = results / self.machine
        stem = kept / result_stem(self.commit, self.environment.name)
        journal = stem.with_name(stem.name + ".jsonl")
        earlier = [journal] if journal.exists() else []
        content = read_journal(*earlier, self.folder.journal)
        if not content.rows:
            return ()  # interrupted before the first case
        write_compact(content, journal)
        written = [journal]
        raw = self.folder.raw_results
        sources = [path for path in sorted((raw / self.machine).glob("*.json")) if path.name not in NOT_RESULTS]
        written += [
            publish_asv_result(source, kept, env_name=self.environment.name, commit=self.commit) for source in sources
        ]
        if (raw / self.machine / "machine.json").exists():
            write_atomically(kept / "machine.json", (raw / self.machine / "machine.json").read_text())
        if self.folder.benchmarks.exists():
            _add_benchmarks(self.folder.benchmarks, results / "benchmarks.json")
        return tuple(written)

    def _environ(self) -> dict[str, str]:
        environ = dict(os.environ)
        environ |= {
            "HOME": str(self.folder.path),  # asv reads its machine's facts there, and must not ask for them
            "PYTHONUSERBASE": site.getuserbase(),
            "STOREBENCH_TIER": self.tier,
            "STOREBENCH_ROOT": str(self.storage.root),
            "STOREBENCH_JOURNAL": str(self.folder.journal),
            "STOREBENCH_RUN": self.folder.path.name,
        }
        environ.pop("STOREBENCH_SUBJECT", None)
        if self.subject_key:
            environ["STOREBENCH_SUBJECT"] = self.subject_key
        if "PYTHONPATH" in environ:  # asv takes it away from benchmarks unless it has this name
            environ["ASV_PYTHONPATH"] = environ["PYTHONPATH"]
        return environ

    def _check(self, code: int, start: int) -> None:
        """Tell an asv that broke from one that found failing benchmarks (exit code 2, which argparse uses too)."""
        with self.folder.log.open("rb") as log:
            log.seek(start)
            text = log.read().decode(errors="replace")
        if code == 0 or (code == 2 and "[100.00%]" in text):
            return
        tail = "\n".join(text.splitlines()[-_LOG_TAIL:])
        raise MeasurementError(f"asv ended with code {code} and measured nothing; its last lines:\n{tail}")


def _add_benchmarks(source: Path, target: Path) -> None:
    """Merge asv's list of benchmarks into the kept one: asv itself would forget those that this run did not select."""
    kept = read_benchmarks(target) if target.exists() else {}
    merged = dict(sorted((kept | read_benchmarks(source)).items()))
    write_atomically(target, json.dumps(merged | {"version": 2}, indent=1) + "\n")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End asv and all it has started."""
    for number, patience_s in ((signal.SIGINT, _GRACE_S), (signal.SIGKILL, _GRACE_S)):
        try:
            os.killpg(process.pid, number)
            process.wait(patience_s)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
        else:
            break
    try:
        os.killpg(process.pid, signal.SIGKILL)  # asv's fork server may outlive it
    except ProcessLookupError:
        return
