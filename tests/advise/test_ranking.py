"""The ranking by hand-made tables: scores, what is not ranked, sureness, flips, words."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from storebench.advise.candidates import candidates_of, costs_of
from storebench.advise.choosing import answer
from storebench.advise.flips import Flip
from storebench.advise.priorities import Priorities, parse_priority, parse_reads, shared_patterns
from storebench.advise.ranking import Answer, Unranked
from storebench.advise.scoring import Costs, in_order, read_mix, scores
from storebench.errors import UnknownNameError, UsageError
from storebench.records import FileForm
from storebench.results.columns import COLUMNS
from storebench.results.intervals import median_interval

_NOTHING: Mapping[str, Any] = dict.fromkeys(COLUMNS)


def _rows(
    codec: str | None,
    write_s: float | None,
    reads_s: Mapping[str, float],
    stored_bytes: int | None = 1000,
    *,
    n_samples: int = 12,
    noise: float = 0.01,
    **facts: Any,
) -> list[dict[str, Any]]:
    """Rows of one setting: the same noise in all, so that order is shown wherever medians differ by more than it."""
    made = []
    for operation, pattern, time_s in (
        *([] if write_s is None else [("write", "whole", write_s)]),
        *(("read", pattern, time_s) for pattern, time_s in reads_s.items()),
    ):
        rng = np.random.default_rng(len(made))
        samples = tuple(float(s) for s in time_s * (1 + noise * rng.standard_normal(n_samples)))
        processes = tuple(i % 4 for i in range(n_samples))
        found = median_interval(samples, processes)
        row = {
            **_NOTHING,
            "status": "ok",
            "dataset": "mine",
            "seed": 0,
            "shape": (64, 64, 64),
            "dtype": "uint16",
            "axes": "zyx",
            "backend": "zarr3-zarrpython",
            "library": "zarrpython",
            "format": "zarr3",
            "chunk_shape": (32, 32, 32),
            "codec": codec,
            "operation": operation,
            "pattern": pattern,
            "store": "local",
            "cache": "warm",
            "n_levels": 1,
            "stack_axis": 0,
            "n_files": 9,
            "logical_bytes": 2000,
            "stored_bytes": stored_bytes,
            "median_s": found.median,
            "ci95_low_s": found.low,
            "ci95_high_s": found.high,
            "samples_s": samples,
            "samples_process": processes,
            "n_samples": n_samples,
            "n_processes": 4,
            "low_confidence": n_samples < 8,
            **facts,
        }
        row["case_id"] = f"{operation}/{row['backend']}/chunks-32x32x32/{codec}/{pattern}"
        made.append(row)
    return made


def _answer(rows: Sequence[dict[str, Any]], **wishes: Any) -> Answer:
    found = answer(rows, **wishes)
    assert isinstance(found, Answer)
    return found


def _labels(found: Answer) -> list[str]:
    return [ranked.candidate.codec or "?" for ranked in found.ranked]


def _costs(**columns: Sequence[float]) -> Costs:
    arrays = {name: np.asarray(values, dtype=float) for name, values in columns.items()}
    return Costs(
        write_s=arrays["write"],
        stored_bytes=arrays["size"],
        n_files=arrays["files"],
        reads_s={name: values for name, values in arrays.items() if name not in ("write", "size", "files")},
    )


def test_a_score_is_the_weighted_geometric_mean_of_times_the_best() -> None:
    costs = _costs(write=[2, 1], size=[100, 400], files=[1, 1], xy=[1, 2], xz=[3, 2])
    even = scores(costs, Priorities(reads={"xy": 1, "xz": 1}))
    assert even == pytest.approx([2 ** (1 / 3), 4 ** (1 / 3)])
    heavy = scores(costs, Priorities(size=2, write=1, read=0))
    assert heavy == pytest.approx([2 ** (1 / 3), 4 ** (2 / 3)])
    assert scores(costs, Priorities(size=6, write=3, read=0)) == pytest.approx(heavy)


def test_the_mix_is_the_weighted_arithmetic_mean() -> None:
    costs = _costs(write=[1, 1], size=[1, 1], files=[1, 1], xy=[1, np.nan], xz=[3, 2])
    assert read_mix(costs, {"xy": 3, "xz": 1}) == pytest.approx([1.5, np.nan], nan_ok=True)
    assert read_mix(costs, {"xy": 0, "xz": 1}) == pytest.approx([3, 2])
    assert np.isnan(read_mix(costs, {"xy": 0})).all()


def test_what_lacks_a_cost_with_weight_is_not_ranked_and_sets_no_best() -> None:
    costs = _costs(write=[2, 1, np.nan], size=[10, 10, 1], files=[1, 1, 1], xy=[1, 1, 1])
    assert scores(costs, Priorities(reads={"xy": 1})) == pytest.approx([2 ** (1 / 3), 1, np.nan], nan_ok=True)
    assert scores(costs, Priorities(write=0, reads={"xy": 1})) == pytest.approx([10**0.5, 10**0.5, 1])


def test_scores_of_draws_are_scores_of_each_draw() -> None:
    rng = np.random.default_rng(0)
    times = rng.lognormal(size=(5, 7))
    priorities = Priorities(files=0.5, reads={"xy": 2, "xz": 1})
    sizes = rng.lognormal(size=(5, 1))
    drawn = Costs(write_s=times, stored_bytes=sizes, n_files=sizes * 3, reads_s={"xy": times * 2, "xz": times[::-1]})
    whole = scores(drawn, priorities)
    for draw in range(7):
        one = Costs(
            write_s=times[:, draw],
            stored_bytes=sizes[:, 0],
            n_files=sizes[:, 0] * 3,
            reads_s={name: column[:, draw] for name, column in drawn.reads_s.items()},
        )
        assert (whole[:, draw] == scores(one, priorities)).all()


def test_ties_keep_the_order_of_the_labels() -> None:
    assert in_order([2.0, 1.0, math.nan, 1.0]) == [1, 3, 0]
    rows = [row for codec in ("zstd-9", "none", "zstd-1") for row in _rows(codec, 1.0, {"whole": 1.0})]
    assert _labels(_answer(rows)) == ["none", "zstd-1", "zstd-9"]


def test_no_weight_ranks_nothing() -> None:
    found = answer(_rows("none", 1.0, {"whole": 1.0}), weights={"size": 0, "write": 0, "read": 0, "files": 0})
    assert isinstance(found, Unranked)
    assert "nothing has a weight" in found.sentence


def test_lossy_raw_and_unknown_stand_beside_the_ranking() -> None:
    rows = [
        *_rows("zstd-3", 1.0, {"whole": 1.0}),
        *_rows("jp2-ratio-10", 0.1, {"whole": 0.1}, 10),
        *_rows("none", 0.1, {"whole": 0.1}, backend="npy-numpy", library="numpy", chunk_shape=None),
        *_rows(None, 0.1, {"whole": 0.1}, 10, backend=None, library="tool", format=None),
        *_rows("own-codec", 0.1, {"whole": 0.1}, 10, backend=None, library="tool"),
        *_rows("zstd-9", None, {"whole": 0.1}),
    ]
    found = _answer(rows)
    assert _labels(found) == ["zstd-3"]
    assert set(found.not_ranked.values()) == {
        "lossy",
        "the raw baseline",
        "its codec is not known",
        "storebench does not know the codec own-codec, so nothing says that it is lossless",
        "its write not measured",
    }
    assert "tool 32x32x32 ?" in found.not_ranked
    assert "Only one setting can be ranked" in found.headline
    json.dumps(found.to_json(), allow_nan=False)


def test_who_is_first_depends_on_the_priorities() -> None:
    rows = [
        *_rows("none", 1.0, {"plane_xy": 1.0, "plane_xz": 8.0}, 4000),
        *_rows("zstd-3", 2.0, {"plane_xy": 4.0, "plane_xz": 2.0}, 1000),
    ]
    assert _labels(_answer(rows, weights=parse_priority("size=1")))[0] == "zstd-3"
    assert _labels(_answer(rows, weights=parse_priority("write=1")))[0] == "none"
    only_reads = parse_priority("read=1")
    assert _labels(_answer(rows, weights=only_reads, reads={"plane_xy": 1}))[0] == "none"
    assert _labels(_answer(rows, weights=only_reads, reads={"plane_xz": 1}))[0] == "zstd-3"


def test_a_clear_lead_is_shown_and_a_small_one_is_not() -> None:
    clear = _answer([*_rows("none", 1.0, {"whole": 1.0}), *_rows("zstd-3", 2.0, {"whole": 2.0})])
    assert not clear.equals
    assert clear.headline.startswith("Store as Zarr 3 with zarr-python, chunks 32x32x32, no codec")
    assert [d.confidence for d in clear.decisions] == ["not compared", "not compared", "high"]
    noisy = [*_rows("none", 1.0, {"whole": 1.0}, noise=0.3)]
    noisy += [row | {"samples_s": row["samples_s"][::-1]} for row in _rows("zstd-3", 1.01, {"whole": 1.01}, noise=0.3)]
    level = _answer(noisy)
    assert level.nothing_shown
    assert level.headline == "Nothing is shown to be better: all 2 settings may be equal"
    assert level.finding.startswith("Nothing is shown to be better")
    assert level.n_near == 1


@pytest.mark.parametrize(
    ("n_samples", "n_processes", "confidence", "reason"),
    [
        (12, 4, "high", ""),
        (12, None, "medium", "not known"),
        (12, 1, "medium", "1 process"),
        (6, 4, "medium", "6 samples"),
        (4, 4, "not known", "4 samples"),
    ],
)
def test_few_samples_and_unknown_processes_cap_confidence(
    n_samples: int, n_processes: int | None, confidence: str, reason: str
) -> None:
    rows = [*_rows("none", 1.0, {"whole": 1.0}, n_samples=n_samples), *_rows("zstd-3", 3.0, {"whole": 3.0})]
    found = _answer([row | {"n_processes": n_processes} for row in rows])
    (codec,) = (decision for decision in found.decisions if decision.name == "codec")
    assert (codec.confidence, codec.share) == (confidence, 1.0)
    assert reason in codec.reason


def test_a_busy_machine_caps_confidence() -> None:
    found = _answer([*_rows("none", 1.0, {"whole": 1.0}, noisy=True), *_rows("zstd-3", 3.0, {"whole": 3.0})])
    (codec,) = (decision for decision in found.decisions if decision.name == "codec")
    assert (codec.confidence, codec.share) == ("medium", 1.0)
    assert "busy" in codec.reason


def test_one_or_two_samples_never_show_that_a_setting_is_worse() -> None:
    found = _answer([*_rows("none", 1.0, {"whole": 1.0}), *_rows("zstd-3", 9.0, {"whole": 9.0}, n_samples=2)])
    assert found.nothing_shown


def test_levels_of_one_codec_may_be_equal_while_the_codec_is_sure() -> None:
    rows = [
        *_rows("zstd-1", 1.0, {"whole": 1.0}, noise=0.2),
        *[row | {"samples_s": row["samples_s"][::-1]} for row in _rows("zstd-2", 1.0, {"whole": 1.0}, noise=0.2)],
        *_rows("none", 5.0, {"whole": 5.0}, noise=0.2),
    ]
    by_name = {decision.name: decision for decision in _answer(rows).decisions}
    assert by_name["codec"].confidence == "high"
    assert by_name["level"].confidence == "low"
    assert by_name["level"].n_options == 2


def test_a_flip_is_where_it_says() -> None:
    rows = [
        *_rows("none", 1.0, {"plane_xy": 1.0, "plane_xz": 10.0}, 1000, noise=0),
        *_rows("zstd-3", 1.0, {"plane_xy": 4.0, "plane_xz": 4.0}, 1000, noise=0),
    ]
    weights = parse_priority("read=1")
    found = _answer(rows, weights=weights, reads={"plane_xy": 9, "plane_xz": 1})
    assert _labels(found)[0] == "none"
    flips = {flip.name: (flip, then) for flip, then in found.flips}
    flip, then = flips["plane_xz"]  # s * 10 + (1 - s) > 4 where s > 1/3
    assert flip.condition == "more than 33 % of the reads are XZ planes"
    assert then.codec == "zstd-3"
    assert "plane_xy" not in flips  # fewer than 67 % XY planes is the same, said again
    for flip, then in found.flips:
        others = {"plane_xy", "plane_xz"} - {flip.name}
        moved = _answer(rows, weights=weights, reads={flip.name: flip.share, others.pop(): 1 - flip.share})
        assert moved.first.codec == then.codec
        nearer = flip.share - 0.01 if flip.share > flip.now else flip.share + 0.01
        others = {"plane_xy", "plane_xz"} - {flip.name}
        assert _answer(rows, weights=weights, reads={flip.name: nearer, others.pop(): 1 - nearer}).first.codec == "none"


def test_a_flip_of_a_goal_is_where_it_says() -> None:
    rows = [*_rows("none", 1.0, {"whole": 1.0}, 4000, noise=0), *_rows("zstd-3", 2.0, {"whole": 2.0}, 1000, noise=0)]
    found = _answer(rows, weights=parse_priority("write=3,size=1"))
    (size,) = (flip for flip, _ in found.flips if flip.name == "size")  # t * log 4 > (1 - t) * log 2 where t > 1/3
    assert size.condition == "size gets more than 33 % of the weight (now 25 %)"
    for share, first in ((0.33, "none"), (size.share, "zstd-3")):
        assert _answer(rows, weights={"size": share, "write": 1 - share, "read": 0, "files": 0}).first.codec == first


def test_baselines_are_found_or_the_command_that_measures_them_is_named() -> None:
    first = _rows("zstd-9", 1.0, {"whole": 1.0}, 500)
    plain = _rows("none", 2.0, {"whole": 3.0}, 2000)
    default = _rows("zstd-3", 4.0, {"whole": 4.0}, 700, chunk_shape=(64, 64, 64))
    found = _answer([*first, *plain, *default])
    by_kind = {baseline.kind: baseline for baseline in found.baselines}
    assert by_kind["uncompressed"].size_ratio == 4
    assert by_kind["uncompressed"].write_ratio is not None
    assert by_kind["uncompressed"].write_ratio.median == pytest.approx(2, rel=0.01)
    assert by_kind["default"].candidate is None
    assert by_kind["default"].command == (
        "storebench measure mine --shape 64,64,64 --dtype uint16 --backend zarr3-zarrpython --codec zstd-3 --operation write"
    )
    asked_nothing = [row | {"case_id": f"{row['operation']}/zarr3-zarrpython/zstd-3/mine"} for row in default]
    found = _answer([*first, *plain, *asked_nothing])
    (held,) = (baseline.candidate for baseline in found.baselines if baseline.kind == "default")
    assert held is not None
    assert held.chunk_shape == (64, 64, 64)


def test_the_file_as_it_is_is_found_or_why_not_is_said() -> None:
    mine = {"seed": None, "dataset": "my scan.h5"}
    rows = [*_rows("zstd-9", 1.0, {"whole": 1.0}, 500, **mine), *_rows("zstd-1", 2.0, {"whole": 4.0}, 1500, **mine)]
    form = FileForm(backend="zarr3-zarrpython", codec="zstd-1", chunk_shape=(32, 32, 32))
    (held,) = (baseline for baseline in _answer(rows, as_file=form).baselines if baseline.kind == "file")
    assert held.candidate is not None
    assert held.candidate.codec == "zstd-1"
    assert held.size_ratio == 3
    other = FileForm(backend="zarr3-zarrpython", codec="zstd-1", chunk_shape=(8, 8, 8))
    (held,) = (baseline for baseline in _answer(rows, as_file=other).baselines if baseline.kind == "file")
    assert (held.candidate, held.command) == (None, "storebench quick 'my scan.h5'")
    (held,) = (baseline for baseline in _answer(rows).baselines if baseline.kind == "file")
    assert (held.candidate, held.command) == (None, None)
    assert "no backend stores exactly" in held.why


def test_same_rows_in_any_order_give_the_same_answer() -> None:
    rows = [row for codec in ("zstd-9", "none", "zstd-1") for row in _rows(codec, 1.0, {"whole": 1.0}, noise=0.2)]
    assert _answer(rows).to_json() == _answer(rows[::-1]).to_json()


def test_reads_that_most_settings_share_count() -> None:
    many, few = frozenset({"whole", "roi32"}), frozenset({"viewport@1"})
    assert shared_patterns([many] * 5 + [few]) == ["whole", "roi32"]
    assert shared_patterns([frozenset({"whole", "a", "b"})] * 2 + [frozenset({"whole"})] * 8) == ["whole"]
    assert shared_patterns([]) == []


def test_priorities_are_read_and_written() -> None:
    assert parse_priority("write=2, size=0.5") == {"size": 0.5, "write": 2, "read": 0, "files": 0}
    assert parse_reads("plane_xy=20,viewport@1=80") == {"plane_xy": 20, "viewport@1": 80}
    priorities = Priorities(write=2, reads={"it's [a]": 1.5, "b": 0})
    assert priorities.options == """--priority size=1,write=2,read=1,files=0 --reads 'it'"'"'s [a]=1.5'"""
    with pytest.raises(UnknownNameError, match="Did you mean size"):
        parse_priority("sizes=1")
    for text in ("write", "write=", "=1", "write=-1", "write=nan", "write=inf", "write=0", "write=1,write=2", ""):
        with pytest.raises(UsageError):
            parse_priority(text)


def test_costs_are_what_the_rows_say() -> None:
    (one,) = candidates_of(_rows("none", 0.123456789, {"whole": 1.0}, noise=0))
    costs = costs_of([one], ["whole", "plane_xy"])
    assert costs.write_s[0] == 0.123457
    assert np.isnan(costs.reads_s["plane_xy"][0])


def test_900_settings_take_about_a_second() -> None:
    rows = []
    for n in range(900):
        chunks = (8 + n, 32, 32)
        rows += _rows("none", 1.0 + n / 100, dict.fromkeys(("a", "b", "c", "d", "e"), 1.0 + n / 90), chunk_shape=chunks)
    start = time.process_time()
    found = _answer(rows)
    took_s = time.process_time() - start
    assert len(found.ranked) == 900
    assert took_s < 4  # 0.7 s on an idle machine


def test_the_snippet_of_another_tools_zarr_is_zarr_pythons() -> None:
    rows = _rows("zstd-3", 1.0, {"whole": 1.0}, backend=None, format="zarr3", library="tensorstore", axes=None)
    code = _answer(rows).snippet.code
    assert code is not None
    assert code.startswith("# written with zarr-python; measured was zarr3-tensorstore\n")
    assert "chunks=(32, 32, 32)" in code


@pytest.mark.parametrize(
    ("kind", "name", "now", "share", "words"),
    [
        ("goal", "read", 1 / 3, 0.33, "reading gets any less of the weight than now (33 %)"),
        ("goal", "read", 1 / 3, 0.34, "reading gets any more of the weight than now (33 %)"),
        ("goal", "read", 1 / 3, 0.32, "reading gets any less of the weight than now (33 %)"),
        ("goal", "size", 0.25, 0.26, "size gets any more of the weight than now (25 %)"),
        ("goal", "size", 0.25, 0.27, "size gets more than 26 % of the weight (now 25 %)"),
        ("goal", "files", 0.0, 0.01, "the number of files gets any weight"),
        ("pattern", "plane_xz", 1 / 3, 0.33, "any fewer of the reads are XZ planes than now (33 %)"),
        ("pattern", "plane_xz", 0.5, 0.51, "any more of the reads are XZ planes than now (50 %)"),
    ],
)
def test_a_flip_that_is_near_names_no_bound_beyond_what_is_now(
    kind: str, name: str, now: float, share: float, words: str
) -> None:
    flip = Flip(kind=kind, name=name, now=now, share=share, then=1, is_equal_now=False)
    assert flip.condition == words


@pytest.mark.parametrize(
    ("backend", "codec"), [(None, None), ("zarr3-zarrpython", "zstd-3")], ids=["codec not known", "the default's codec"]
)
def test_another_tools_case_is_no_default_however_it_is_called(backend: str | None, codec: str | None) -> None:
    facts = {"backend": backend, "case_id": "test_write[chunks]", "engine": "pytest-benchmark"}
    found = answer([*_rows("zstd-9", 1.0, {"whole": 1.0}, **facts), *_rows(codec, 2.0, {"whole": 2.0}, **facts)])
    assert isinstance(found, Answer)
    assert {baseline.kind: baseline.candidate for baseline in found.baselines}["default"] is None


def test_the_command_of_a_baseline_measures_the_same_image_in_the_same_way() -> None:
    rows = _rows("zstd-9", 1.0, {"whole": 1.0}, seed=7, n_levels=3, threads=2)
    found = answer(rows)
    assert isinstance(found, Answer)
    command = next(baseline.command for baseline in found.baselines if baseline.kind == "uncompressed")
    assert command == (
        "storebench measure mine --shape 64,64,64 --dtype uint16 --seed 7 --backend zarr3-zarrpython --chunks 32,32,32 "
        "--levels 3 --threads 2 --codec none --operation write"
    )


@pytest.mark.parametrize(
    ("n_others", "words"), [(1, "The other setting is shown"), (2, "Each of 2 other settings is shown")]
)
def test_how_far_ahead_is_said_of_one_and_of_many(n_others: int, words: str) -> None:
    others = [row for level in range(n_others) for row in _rows(f"zstd-{level + 1}", 9.0, {"whole": 9.0}, 9000)]
    found = answer([*_rows("zstd-9", 1.0, {"whole": 1.0}), *others])
    assert isinstance(found, Answer)
    assert found.standing.startswith(words)
