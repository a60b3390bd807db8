"""Writing a volume block by block: begun, gone on with, finished."""

from __future__ import annotations

import functools
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from storebench.backends import check_stored, get_backend, writing
from storebench.errors import MissingDependencyError, NothingSelectedError, UsageError
from storebench.grid import Shape
from storebench.pipelines._arrays import Done, block_work, region_array, store_block
from storebench.pipelines._blocks import Block
from storebench.pipelines._engines import Engine
from storebench.pipelines._peaks import Peaks
from storebench.pipelines._plans import (
    Plan,
    block_shapes,
    facts_of,
    require_room,
    require_writable,
    warnings_of,
    why_not_resumed,
)
from storebench.pipelines._progress_file import ProgressFile, open_locked, progress_path
from storebench.pipelines._running import Progress, run_blocks
from storebench.pipelines._sources import Source
from storebench.pipelines._volumes import Target

if TYPE_CHECKING:
    import dask.array as da

_LEFT_BEHIND: Final = re.compile(r".*\.[0-9a-f]{32}\.partial|.*\.__lock")
"""What a process that is killed in the middle of a file leaves beside it: zarr-python's and tensorstore's names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was written.

    Attributes
    ----------
    n_blocks, n_resumed : int
        Blocks of all levels; those of them that an earlier run had done.
    logical_bytes, stored_bytes : int
        Of all levels: uncompressed, and on disk with metadata.
    n_files : int
        Files on disk.
    seconds : float
        Of this run.
    client_peak_bytes, total_peak_bytes : int or None
        Most resident memory of this process; of it and all workers. None: this system does not tell.
    worker_peak_bytes : tuple of int
        Of each worker process, those that died too.
    """

    n_blocks: int
    n_resumed: int
    logical_bytes: int
    stored_bytes: int
    n_files: int
    seconds: float
    client_peak_bytes: int | None
    worker_peak_bytes: tuple[int, ...]
    total_peak_bytes: int | None


def write_volume(
    source: Source,
    target: Target,
    engine: Engine,
    *,
    resume: bool = False,
    shown: Callable[[Progress], None] = lambda _: None,
    warned: Callable[[str], None] = lambda _: None,
) -> Written:
    """Write an image of any size with all of its levels, block by block.

    Parameters
    ----------
    source : Source
        Where the voxels come from.
    target : Target
        Where they go; nothing may be there, unless an interrupted run is gone on with.
    engine : Engine
        Who works.
    resume : bool
        Go on with an interrupted run: what it finished is not done again.
    shown : callable
        Called with the progress after each block.
    warned : callable
        Called with sentences about what makes this dearer than it need be.

    Raises
    ------
    UnsupportedError
        If the format cannot hold that, cannot be written block by block, or not by these workers.
    UsageError
        If the target is there already, or is not what is to be gone on with.
    NothingSelectedError
        If nothing is there that could be gone on with.
    StorageError
        If disk or memory do not suffice.
    VerificationError
        If the finished image is not what was asked.
    """
    began = time.monotonic()
    backend = get_backend(target.backend)
    why_not = backend.why_unavailable()
    if why_not is not None:
        raise MissingDependencyError(why_not)
    require_writable(target, engine)
    _refuse_what_is_there(target, resume=resume)
    run = _Run(source=source, target=target, engine=engine, shown=shown, warned=warned)
    if backend.parallel_writes == "none":
        run.write_in_order()
    else:
        run.write_in_any_order(resume=resume)
    stored_bytes, n_files = target.location.size()
    return Written(
        n_blocks=run.n_blocks,
        n_resumed=run.n_resumed,
        logical_bytes=target.logical_bytes,
        stored_bytes=stored_bytes,
        n_files=n_files,
        seconds=time.monotonic() - began,
        client_peak_bytes=run.peaks.client_bytes,
        worker_peak_bytes=run.peaks.worker_bytes,
        total_peak_bytes=run.peaks.total_bytes(engine.n_workers),
    )


@dataclass(slots=True, kw_only=True)
class _Run:
    """One run: the parameters of `write_volume`, and what is taken down on the way."""

    source: Source
    target: Target
    engine: Engine
    shown: Callable[[Progress], None]
    warned: Callable[[str], None]
    peaks: Peaks = field(default_factory=Peaks)
    created: bool = False
    n_blocks: int = 0
    n_resumed: int = 0

    def write_in_order(self) -> None:
        """Write a file from its beginning to its end, one block after the other; a failure leaves nothing behind."""
        target = self.target
        plan = self._planned(block_shapes(target, self.source.decode_shape), check_room=True)
        (blocks, _) = plan.stages
        progress = Progress(total=len(blocks), weights={block.index: plan.weight(block) for block in blocks})
        with writing(get_backend(target.backend), target.location, target.request) as writer:
            for block in blocks:
                writer.write(block.region, self.source.dataset.read(block.region))
                progress.add(block)
                self.shown(progress)
        _check_finished(target)

    def write_in_any_order(self, *, resume: bool) -> None:
        """Write with a progress file beside the target; a failure leaves both, where they can be gone on with."""
        with ProgressFile(self.target.path) as kept:
            try:
                plan = self._planned(self._begun(kept, resume=resume), check_room=not resume)
                self.n_resumed = len(kept.done)
                self._write_stages(plan, kept)
            except BaseException:
                self._clean_up(kept)
                raise
            _sweep(self.target)
            _check_finished(self.target)
            kept.remove()

    def _begun(self, kept: ProgressFile, *, resume: bool) -> tuple[Shape, ...]:
        """Begin the image and its progress file, or find both as they were left; return the block shape of each level."""
        facts = facts_of(self.source.dataset, self.target)
        if resume:
            kept.resume(facts)
        else:
            kept.begin(facts)
        if not kept.is_locked:
            self.warned(f"{kept.path} cannot be locked on this file system: start no second run of this target")
        if kept.shapes is not None:
            return kept.shapes
        _clear(self.target)
        self.created = True
        self.target.create()
        shapes = block_shapes(self.target, self.source.decode_shape)
        kept.note_created(shapes)
        return shapes

    def _clean_up(self, kept: ProgressFile) -> None:
        """Remove what this run has begun, unless it can be gone on with; what an earlier one did stays."""
        if kept.done and why_not_resumed(get_backend(self.target.backend)) is None:
            return
        if self.created:
            self.target.location.delete()
        if self.created or kept.is_new:
            kept.remove()

    def _planned(self, shapes: tuple[Shape, ...], *, check_room: bool) -> Plan:
        plan = Plan(source=self.source, target=self.target, shapes=shapes)
        if check_room:
            require_room(plan, self.engine)
        self.n_blocks = plan.n_blocks
        for sentence in warnings_of(plan):
            self.warned(sentence)
        return plan

    def _write_stages(self, plan: Plan, kept: ProgressFile) -> None:
        """Do the blocks that are missing: level 0, then the levels made from it."""
        stages = [[block for block in stage if block.index not in kept.done] for stage in plan.stages]
        weights = {block.index: plan.weight(block) for stage in stages for block in stage}
        progress = Progress(total=self.n_blocks, done=len(kept.done), weights=weights)

        def finished(block: Block, done: Done) -> None:
            kept.note(block.index)
            self.peaks.add(done)
            progress.add(block)
            self.shown(progress)

        def work(block: Block) -> da.Array:
            voxels = region_array(plan.voxels(block.level), block.region, plan.piece(block))
            return block_work(
                block.index, functools.partial(store_block, self.target, block.region, block.level), voxels
            )

        for stage in stages:
            run_blocks(self.engine, stage, work, finished)


def _clear(target: Target) -> None:
    """Make room for an image that a progress file was begun for; only an empty folder is removed.

    Raises
    ------
    UsageError
        If anything else is there: it may be somebody's.
    """
    path = target.path
    if not os.path.lexists(path):
        return
    if path.is_symlink() or not path.is_dir() or any(path.iterdir()):
        raise UsageError(
            f"{path} is there, and the run that left {progress_path(path)} was stopped before it had made an image: what is "
            "there may be somebody else's; move or remove it, then go on with --resume"
        )
    path.rmdir()


def _refuse_what_is_there(target: Target, *, resume: bool) -> None:
    """Raise UsageError where an image or its unfinished part is in the way, or where there is nothing to go on with."""
    unfinished = progress_path(target.path)
    why_not = why_not_resumed(get_backend(target.backend))
    if unfinished.exists():
        open_locked(target.path)[0].close()  # refuses where another run is writing
        if why_not is not None:
            raise UsageError(
                f"{target.path} is unfinished and cannot be gone on with: {why_not}; remove it and {unfinished}"
            )
        if not resume:
            raise UsageError(
                f"{target.path} is unfinished; go on with the same command and --resume, or remove it and {unfinished}"
            )
    elif resume:
        state = (
            "it is finished, or storebench did not begin it" if target.location.exists() else "there is no such image"
        )
        raise NothingSelectedError(f"{target.path}: nothing to go on with, {state}; leave out --resume")
    elif target.location.exists():
        raise UsageError(f"{target.path} exists, and storebench overwrites nothing: remove it or choose another name")
    elif target.path.is_symlink():
        raise UsageError(f"{target.path} is a link to what is not there: remove it or choose another name")
    if not target.path.parent.is_dir():
        raise UsageError(f"there is no folder {target.path.parent}; make it first: mkdir -p {target.path.parent}")


def _sweep(target: Target) -> None:
    """Remove what workers that died have left in the image's folder."""
    for file in target.location.files():
        if _LEFT_BEHIND.fullmatch(file.name):
            Path(file).unlink()


def _check_finished(target: Target) -> None:
    """Compare the metadata of the finished image with what was asked."""
    with get_backend(target.backend).open(target.location) as reader:
        stored = reader.stored_as()
    check_stored(stored, target.request)
