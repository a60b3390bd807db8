"""The engine "paired": storebench's own sampler over the same cases, filed in the same journal and in asv's format.

What an interrupted campaign has taken is in its journal, and counts when it is resumed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from storebench.asv_calls import AsvFolder
from storebench.asv_results import write_asv_results
from storebench.campaign._plan import Plan, timed_cases
from storebench.campaign._steps import Job, Progress, Surroundings
from storebench.measurement.sampler import SamplingProgress, sample_cases
from storebench.measurement.session import Origin, Session
from storebench.records import Case
from storebench.results.asv import read_benchmarks
from storebench.results.journal import Journal, JournalRow, read_journal
from storebench.suites import Grid


def run_paired(job: Job, around: Surroundings) -> None:
    """Sample all timed cases until each is known well enough or the time is up, and count the others.

    Parameters
    ----------
    job : Job
        With the grids, the budget and the journal.
    around : Surroundings
        Told to note limits and conditions.
    """
    folder, plan = job.folder, job.plan
    if not folder.benchmarks.exists():
        job.call.discover(poll=lambda: job.tell("asking asv for its benchmarks"))
    taken = _by_case(folder)
    cases = timed_cases(plan.grids)
    _count_others(job, known={*taken, *cases})

    def tell(progress: SamplingProgress) -> None:
        job.on_progress(Progress(progress.done, progress.total, progress.eta_s, progress.label))

    around.note_limits()
    with around.watched() as between_rounds:
        sample_cases(
            [(case, job.images.of(grid).key) for case, grid in cases.values()],
            plan.workspace.storage,
            plan.rule,
            journal=folder.journal,
            run=folder.path.name,
            on_progress=tell,
            on_round=between_rounds,
            already={case_id: entry.row.samples for case_id, entry in taken.items()},
        )


def _count_others(job: Job, *, known: set[str]) -> None:
    """Note what the counting suites say of the cases that are not timed."""
    storage, journal = job.plan.workspace.storage, job.folder.journal
    for grid, case, origin in _measured_as(job.plan, job.folder):
        if case.id not in known:
            session = Session(case, job.images.of(grid), storage, journal=journal, origin=origin)
            with suppress(Exception):  # of any library; the session has noted it
                session.count()


def file_as_asv(plan: Plan, folder: AsvFolder) -> None:
    """Write asv's file of everything that is in the journal, and note there under which benchmarks asv has it."""
    rows = _by_case(folder)
    if not rows or not folder.benchmarks.exists():
        return  # interrupted before the first case
    journal, content = Journal(folder.journal), read_journal(folder.journal)
    for _, case, origin in _measured_as(plan, folder):
        entry = rows.get(case.id)
        pair = (origin.benchmark, tuple(origin.params or ()))
        if entry is not None and pair not in entry.measured_as:
            environment = content.environments[entry.environment_id]
            journal.append_row(environment, replace(entry.row, samples=()), origin)
    write_asv_results(
        folder.raw_results / plan.workspace.machine,
        grids=plan.grids,
        rows={case_id: entry.row for case_id, entry in rows.items()},
        benchmarks=read_benchmarks(folder.benchmarks),
        environment=plan.environment,
        commit=plan.environment.commit or plan.environment.storebench,
    )


def _measured_as(plan: Plan, folder: AsvFolder) -> Iterator[tuple[Grid, Case, Origin]]:
    """Yield each combination of each grid with the words that stand beside it in the journal; the timed ones last."""
    for grid in sorted(plan.grids, key=lambda grid: grid.is_timed):
        for values in grid.combinations():
            origin = Origin(run=folder.path.name, benchmark=grid.noted_as, params=tuple(map(repr, values)))
            yield grid, grid.case(*values), origin


def _by_case(folder: AsvFolder) -> dict[str, JournalRow]:
    """Return what the journal of the campaign holds, by the case's id: it was made in one environment."""
    if not folder.journal.exists():
        return {}
    return {case_id: entry for (_, case_id), entry in read_journal(folder.journal).rows.items()}
