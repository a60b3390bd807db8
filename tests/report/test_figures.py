"""What the report's figures share."""

from __future__ import annotations

import pytest

from storebench.report.figures import legend_above, panel_grid, series_handle


@pytest.mark.parametrize(("words", "columns"), [(1, 8), (5, 3), (60, 1)])
def test_a_legend_has_as_many_columns_as_have_room(words: int, columns: int) -> None:
    figure, _ = panel_grid(1, columns=1, row_height=2)
    legend_above(figure, [series_handle(n) for n in range(8)], ["setting " * words + str(n) for n in range(8)])
    figure.draw_without_rendering()
    (legend,) = figure.legends
    lefts = {round(text.get_window_extent().x0) for text in legend.get_texts()}
    assert len(lefts) == columns
    assert columns == 1 or legend.get_window_extent().width <= figure.bbox.width
