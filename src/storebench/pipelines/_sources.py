"""What a volume is read from, and what is known of how it is stored."""

from __future__ import annotations

from dataclasses import dataclass

from storebench.backends import StoredAs
from storebench.datasets import Dataset, FileDataset
from storebench.datasets.file_form import stored_form
from storebench.grid import Shape
from storebench.pipelines._volumes import StoredLevel, Voxels


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An image that is read block by block.

    Attributes
    ----------
    dataset : Dataset
        Its full resolution.
    backend : str or None
        Who reads its file with all of its levels; None where it is no file, or one that only its kind of file is known of.
    stored : StoredAs or None
        What that backend finds.
    """

    dataset: Dataset
    backend: str | None = None
    stored: StoredAs | None = None

    @property
    def decode_shape(self) -> Shape | None:
        """What is decoded at once; None where nothing is, or it is not known."""
        return None if self.stored is None else self.stored.decode_shape

    @property
    def levels(self) -> tuple[Voxels, ...]:
        """Each level that is stored, 0 = full; a level that a format makes by itself is none."""
        if self.backend is None or self.stored is None or not isinstance(self.dataset, FileDataset):
            return (self.dataset,)
        smaller = [
            StoredLevel(backend=self.backend, path=self.dataset.path, level=level, shape=shape, dtype=self.stored.dtype)
            for level, shape in enumerate(self.stored.level_shapes)
            if level > 0
        ]
        return (self.dataset, *smaller)


def source_of(dataset: Dataset) -> Source:
    """Look at how a dataset is stored, where it is a file in its own axis order."""
    if not isinstance(dataset, FileDataset) or dataset.order != tuple(range(len(dataset.shape))):
        return Source(dataset=dataset)
    found = stored_form(dataset)
    return Source(dataset=dataset) if found is None else Source(dataset=dataset, backend=found[0], stored=found[1])
