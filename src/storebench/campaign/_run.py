"""Running what was planned, with either engine, and saying how it ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from storebench.asv_calls import AsvCall, AsvFolder
from storebench.campaign._asv import run_asv
from storebench.campaign._paired import file_as_asv, run_paired
from storebench.campaign._plan import Plan
from storebench.campaign._steps import Images, Job, Progress, Surroundings, count_cases
from storebench.errors import NothingSelectedError
from storebench.results.journal import JournalRow, read_journal
from storebench.suites import is_timed


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a campaign ended: files written, and cases by status."""

    result_files: tuple[Path, ...]
    n_ok: int
    n_failed: int
    n_skipped: int
    interrupted: bool
    failures: tuple[tuple[str, str], ...]


def run_campaign(plan: Plan, *, on_progress: Callable[[Progress], None], resume: bool = False) -> Outcome:
    """Measure what was planned.

    Parameters
    ----------
    plan : Plan
        From `plan_campaign`.
    on_progress : callable
        Is told how far it is, several times a second.
    resume : bool
        Go on with an interrupted campaign of the same plan.

    Returns
    -------
    Outcome
        With `interrupted` set where Ctrl-C ended it; what was measured is published all the same.

    Raises
    ------
    NothingSelectedError
        If there is nothing to resume.
    MeasurementError
        If asv itself fails; what was measured before is published.
    """
    folder = AsvFolder(plan.workspace.storage.root / "campaigns" / plan.key)
    if resume and not folder.exists():
        raise NothingSelectedError(
            "there is no interrupted run of this tier, suites, dataset and engine here; leave out --resume"
        )
    if not resume:
        folder.create(machine=plan.workspace.machine, environment=plan.environment)
    call = AsvCall(
        folder, plan.workspace.storage, plan.tier, plan.subject_key, plan.workspace.machine, plan.environment
    )
    interrupted = False
    try:
        _measure(Job(plan, folder, call, Images(plan.workspace.storage), on_progress))
    except KeyboardInterrupt:
        interrupted = True
    finally:
        if plan.engine == "paired":
            file_as_asv(plan, folder)
        files = call.publish(plan.workspace.results)
    outcome = outcome_of(folder, files, interrupted=interrupted)
    if not interrupted:
        folder.remove()
    return outcome


def _measure(job: Job) -> None:
    count_cases(job, job.folder.seen().n_rows if job.plan.engine == "asv" else 0)
    around = Surroundings(job)
    if job.plan.engine == "asv":
        run_asv(job, around)
    else:
        run_paired(job, around)


def outcome_of(folder: AsvFolder, files: tuple[Path, ...], *, interrupted: bool) -> Outcome:
    """Return how a campaign ended, as its journal tells it.

    Parameters
    ----------
    folder : AsvFolder
        With the journal.
    files : tuple of pathlib.Path
        The result files.
    interrupted : bool
        Whether there is more to come: a case without samples is then no failure yet.
    """
    entries = read_journal(folder.journal).rows.values() if folder.journal.exists() else ()
    lost = [] if interrupted else [entry for entry in entries if _is_lost(entry)]
    rows = [entry.row for entry in entries if not _is_lost(entry)]
    failed = [(row.case.id, row.reason or "") for row in rows if row.status in ("failed", "timeout")]
    failed += [(entry.row.case.id, _why_lost(entry)) for entry in lost]
    return Outcome(
        result_files=files,
        n_ok=sum(row.status == "ok" for row in rows),
        n_failed=len(failed),
        n_skipped=sum(row.status == "skipped" for row in rows),
        interrupted=interrupted,
        failures=tuple(failed),
    )


def _is_lost(entry: JournalRow) -> bool:
    """Tell whether a case was begun to be timed and never gave a sample that counts."""
    timed = any(is_timed(benchmark) for benchmark, _ in entry.measured_as)
    return entry.row.status == "ok" and timed and not any(sample.counts for sample in entry.row.samples)


def _why_lost(entry: JournalRow) -> str:
    discarded = [sample for sample in entry.row.samples if sample.kind == "timed"]
    if discarded:
        return f"none of {len(discarded)} samples counts: {discarded[-1].unverified_reason}"
    return "no call came to its end: stopped after the time limit, or crashed"
