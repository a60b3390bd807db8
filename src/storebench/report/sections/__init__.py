"""The figures of the page: one module each, one visible table in the page's order.

A module has one function `make(story, studio)` that yields its section, or nothing where the results do not hold what it
shows. It picks from the story, draws with matplotlib in the house style, saves through the studio, and names the finding
in a sentence. Nothing is computed that the table does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from storebench.report.section import Section, Story, Studio
from storebench.report.sections import (
    amplification,
    binning,
    chunk_bytes,
    chunks,
    codec_speed,
    cold_warm,
    durable,
    every_format,
    formats,
    growth,
    growth_costs,
    large_plane,
    level_costs,
    levels,
    libraries,
    limits,
    lossy,
    memory,
    overwrite,
    padding,
    parallel,
    rates,
    scaling_threads,
    stacks,
    streaming,
    tradeoff,
    viewer,
    viewer_requests,
)

SECTIONS: Final[tuple[Callable[[Story, Studio], Iterator[Section]], ...]] = (
    formats.make,
    every_format.make,
    tradeoff.make,
    chunks.make,
    amplification.make,
    chunk_bytes.make,
    padding.make,
    codec_speed.make,
    stacks.make,
    libraries.make,
    levels.make,
    viewer.make,
    viewer_requests.make,
    level_costs.make,
    large_plane.make,
    binning.make,
    lossy.make,
    rates.make,
    cold_warm.make,
    durable.make,
    streaming.make,
    overwrite.make,
    limits.make,
    growth.by_size,
    growth_costs.by_size,
    growth.by_objects,
    growth_costs.by_objects,
    scaling_threads.make,
    parallel.make,
    memory.make,
)
"""In the order of the page."""
