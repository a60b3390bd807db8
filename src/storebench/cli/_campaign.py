"""What `run` and `quick` share: the image, the plan in words, progress, and how a campaign ended."""

from __future__ import annotations

import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from storebench.cli._noise import note_noise
from storebench.cli._output import Output
from storebench.cli._progress import progress_shown
from storebench.errors import StorageError
from storebench.units import bytes_text, count_text, ratio_text, seconds_text, shape_text

if TYPE_CHECKING:
    from storebench.campaign import Outcome, Plan, Progress, Workspace
    from storebench.datasets import Dataset
    from storebench.measurement.images import Image
    from storebench.storage import Storage

_SHOWN_REASONS: Final = 5


class TimeIsUpError(KeyboardInterrupt):
    """Ends a campaign like Ctrl-C does: what was measured is kept."""


@dataclass(slots=True)
class Deadline:
    """When to stop a campaign; not before its first pass is finished, since a pass that is cut gives few samples.

    Attributes
    ----------
    passes : int
        Planned.
    limit_s : float
        Seconds from the first measurement on: counting comes before, and takes its own time.
    has_ended_it : bool
        Whether this ended the campaign, and not a person with Ctrl-C.
    """

    passes: int
    limit_s: float
    has_ended_it: bool = False
    _started: float | None = None

    def check(self, progress: Progress) -> None:
        """End the campaign where the time is over and a pass has been finished."""
        if progress.done and self._started is None:
            self._started = time.monotonic()
        is_over = self._started is not None and time.monotonic() - self._started >= self.limit_s
        if progress.done * self.passes > progress.total and progress.done < progress.total and is_over:
            self.has_ended_it = True
            raise TimeIsUpError


def open_storage(output: Output, folder: Path | None) -> Storage:
    """Open the storage root and say what is wrong with the place."""
    from storebench.storage import Storage

    storage = Storage.open(folder)
    for warning in storage.warnings():
        output.note(f"Warning: {warning}")
    return storage


def make_workspace(results: Path, machine: str | None, storage: Storage) -> Workspace:
    """Return where a campaign works; a machine without a name is named after its processor, never after its host."""
    from storebench.campaign import Workspace

    return Workspace(results=results, machine=machine or _machine_name(storage), storage=storage)


def _machine_name(storage: Storage) -> str:
    from storebench.measurement.environment import record_environment
    from storebench.results.machines import machine_name

    facts = record_environment(storage.root).machine
    return machine_name(facts) or f"unknown-{facts.get('n_cpu')}cpu"


def require_writable(folder: Path) -> None:
    """Make a folder, or say that nothing can be written there, before anything is measured.

    Raises
    ------
    StorageError
        If it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StorageError(
            f"{folder} cannot be written ({error.strerror}); name another folder with an option"
        ) from error


def take_image(
    output: Output, storage: Storage, data: str, *, axes: str | None = None, max_bytes: int | None = None
) -> Image:
    """Return the image that is measured, in the storage root; says what is assumed and what part of it is used.

    Parameters
    ----------
    output : Output
        Told what is assumed.
    storage : Storage
        Where the voxels are kept; its free space is checked first.
    data : str
        A file, or a dataset's name.
    axes : str, optional
        Axis names of a file that does not name them.
    max_bytes : int, optional
        Take spread tiles of an image that has more bytes; None: as `sample_of` does.
    """
    from storebench.datasets import open_dataset, sample_of
    from storebench.measurement.images import stored_image

    whole = open_dataset(data, axes=axes)
    part = sample_of(whole) if max_bytes is None else sample_of(whole, max_bytes=max_bytes)
    output.note(describe_image(whole, part))
    # One uncompressed copy, and at most about two dozen stores of it.
    storage.require_free(24 * _n_bytes(part))
    return stored_image(storage, part)


def describe_image(whole: Dataset, part: Dataset) -> str:
    """Say what the image is, which of its axes are assumed, and how much of it is used."""
    assumed = " (assumed: it names none; say --axes)" if whole.axes_assumed else ""
    text = f"{whole.name}: {shape_text(whole.shape)} {whole.dtype.name}, {bytes_text(_n_bytes(whole))}, axes {whole.axes}{assumed}."
    if part is whole:
        return text + " Using all of it."
    starts = getattr(part, "starts", ())
    percent = ratio_text(100 * math.prod(part.shape) / math.prod(whole.shape))
    return text + f" Using {count_text(len(starts))} spread tiles, {percent} % of the voxels."


def _n_bytes(dataset: Dataset) -> int:
    return math.prod(dataset.shape) * int(dataset.dtype.itemsize)


def note_plan(output: Output, plan: Plan) -> None:
    """Say what will be measured before it is."""
    where = f"{plan.workspace.results}/{plan.workspace.machine}"
    output.note(
        f"Plan: {count_text(plan.n_measurements)} measurements of {count_text(plan.n_cases)} cases, "
        f"about {seconds_text(plan.estimate_s)} "
        f"({_extent_text(plan)}). Results: {where}"
    )
    if plan.dirty:
        output.note(
            "Warning: the clone has uncommitted changes, so the results are marked dirty. Commit first for results to keep."
        )


def _extent_text(plan: Plan) -> str:
    """Say how often each case is measured, in the words of its engine."""
    if plan.engine == "asv":
        return "1 pass" if plan.passes == 1 else f"{plan.passes} passes"
    budget = "" if plan.budget_s is None else f" or {seconds_text(plan.budget_s)} are over"
    return f"in rounds, until each median is known to {100 * plan.rule.half_width:g} %{budget}"


def plan_facts(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON has it."""
    return {
        "tier": plan.tier,
        "suites": plan.suites,
        "dataset": plan.dataset,
        "engine": plan.engine,
        "passes": plan.passes,
        "half_width": plan.rule.half_width if plan.engine == "paired" else None,
        "budget_s": plan.budget_s,
        "n_cases": plan.n_cases,
        "n_measurements": plan.n_measurements,
        "estimate_s": plan.estimate_s,
        "dirty": plan.dirty,
        "machine": plan.workspace.machine,
        "results": str(plan.workspace.results),
        "storage": str(plan.workspace.storage.root),
        "benchmarks": sorted({name for _, names in plan.batches for name in names}),
        "skipped": [{"name": name, "reason": reason} for name, reason in plan.skipped],
    }


def outcome_facts(outcome: Outcome) -> dict[str, Any]:
    """Return how a campaign ended as JSON has it."""
    return {
        "result_files": [str(path) for path in outcome.result_files],
        "n_ok": outcome.n_ok,
        "n_failed": outcome.n_failed,
        "n_skipped": outcome.n_skipped,
        "interrupted": outcome.interrupted,
        "failures": [{"case_id": name, "reason": reason} for name, reason in outcome.failures],
    }


def run_plan(output: Output, plan: Plan, *, resume: bool = False, deadline: Deadline | None = None) -> Outcome:
    """Measure what was planned, with progress on stderr."""
    from storebench.campaign import run_campaign

    require_writable(plan.workspace.results)

    with progress_shown(output) as show:

        def on_progress(progress: Progress) -> None:
            show(progress)
            if deadline is not None:
                deadline.check(progress)

        return run_campaign(plan, on_progress=on_progress, resume=resume)


def note_outcome(output: Output, plan: Plan, outcome: Outcome) -> None:
    """Say what was measured, what failed, and what was skipped and why."""
    counts = [f"{count_text(outcome.n_ok)} cases measured"]
    counts += [f"{count_text(outcome.n_failed)} failed"] if outcome.n_failed else []
    counts += [f"{count_text(outcome.n_skipped)} skipped"] if outcome.n_skipped else []
    output.note(", ".join(counts) + ".")
    for title, pairs in (("Failed", outcome.failures), ("Skipped", plan.skipped)):
        for name, reason in pairs[:_SHOWN_REASONS]:
            output.note(f"  {title}: {name}: {reason}")
        if len(pairs) > _SHOWN_REASONS:
            output.note(
                f"  {title}: {count_text(len(pairs) - _SHOWN_REASONS)} more; all of them: storebench export --format markdown"
            )


def note_noise_of(output: Output, outcome: Outcome) -> None:
    """Warn where the machine was busy while a campaign measured."""
    from storebench.results.frame import load_results

    for journal in outcome.result_files:
        if journal.suffix == ".jsonl":  # asv's file of the same name is read with it
            note_noise(output, load_results(journal))
