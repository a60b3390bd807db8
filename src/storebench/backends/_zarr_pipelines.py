"""zarr's codec pipelines: who codes the chunks of an array.

zarr has one setting for the whole process, and an array takes what it finds there when it is created or opened. So the
setting is another for that moment only, and arrays of other backends in this process work as they always do.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from storebench.errors import UnsupportedError

_PATH: Final = "codec_pipeline.path"
_EMPTY_CHUNKS: Final = "array.write_empty_chunks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """One of zarr's codec pipelines.

    Attributes
    ----------
    path : str or None
        Its class, as zarr's configuration names it; None: the one that is configured.
    settings : mapping
        What else of zarr's configuration goes with it.
    """

    path: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @contextmanager
    def selected(self) -> Iterator[None]:
        """Let arrays that are created or opened meanwhile take this pipeline.

        Threads that ask for the same pipeline work side by side; those that ask for another one wait.
        """
        _selection.enter(self)
        try:
            yield
        finally:
            _selection.leave()

    def check(self, array: Any) -> None:
        """Look whether an array has taken this pipeline: zarr takes its own where a pipeline does not know a store.

        Raises
        ------
        UnsupportedError
            If it has another one.
        """
        found = type(array.async_array.codec_pipeline)
        name = f"{found.__module__}.{found.__qualname__}"
        if self.path not in (None, name):
            raise UnsupportedError(
                f"zarr fell back to {name} where {self.path} was asked for; use zarr3-zarrpython, which works with it"
            )

    def applied(self) -> AbstractContextManager[Any]:
        """Return zarr's own context with this pipeline in its configuration, and with chunks of zeros written.

        The latter is for arrays that are opened again: their argument `config` zarr 3.1 does not look at.
        """
        import zarr

        path = {} if self.path is None else {_PATH: self.path}
        context: AbstractContextManager[Any] = zarr.config.set({_EMPTY_CHUNKS: True, **path, **self.settings})
        return context

    def facts(self, backend: str) -> dict[str, str]:
        """Return which pipeline a backend takes."""
        import zarr

        if self.path is None:
            return {"codec pipeline": str(zarr.config.get(_PATH)).rpartition(".")[2]}
        more = "".join(f", {name.rpartition('.')[2]}={value}" for name, value in self.settings.items())
        return {f"codec pipeline of {backend}": self.path.rpartition(".")[2] + more}


class _Selection:
    """The pipeline that is selected in this process, and by how many threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._pipeline: Pipeline | None = None
        self._n_threads = 0
        self._context: AbstractContextManager[Any] | None = None

    def enter(self, pipeline: Pipeline) -> None:
        """Select a pipeline, once no other one is."""
        with self._changed:
            self._changed.wait_for(lambda: self._n_threads == 0 or self._pipeline is pipeline)
            if self._n_threads == 0:
                self._pipeline, self._context = pipeline, pipeline.applied()
                self._context.__enter__()
            self._n_threads += 1

    def leave(self) -> None:
        """Give the configuration back as it was, if this was the last thread."""
        with self._changed:
            self._n_threads -= 1
            if self._n_threads == 0 and self._context is not None:
                self._context.__exit__(None, None, None)
                self._changed.notify_all()


_selection: Final = _Selection()

CONFIGURED: Final = Pipeline()
"""The pipeline of zarr's configuration: its own, unless the user says otherwise."""
