"""The answer at the top of the page: analysis' verdicts, without the words that the page's title already says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storebench.analysis import Verdict, Verdicts
from storebench.report.views import View


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictLine:
    """One finding, cut so that the page can set the winner in bold.

    Attributes
    ----------
    question : str
        What was compared.
    before, best, after : str
        The sentence in three parts; `best` is empty where nothing is shown to be better.
    """

    question: str
    before: str
    best: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictGroup:
    """The findings of one dataset on one machine."""

    place: str
    lines: Sequence[VerdictLine]


def verdict_groups(verdicts: Verdicts, views: Sequence[View], *, most: int = 12) -> list[VerdictGroup]:
    """Return the findings by place, those of the first view before the others.

    Parameters
    ----------
    verdicts : Verdicts
        What analysis found.
    views : sequence of View
        Their order is the page's order.
    most : int
        Places at most.
    """
    groups: dict[str, list[Verdict]] = {}
    for finding in verdicts.findings:
        groups.setdefault(finding.place, []).append(finding)
    order = {view.place: -index for index, view in reversed(list(enumerate(views)))}
    places = sorted(groups, key=lambda place: (-order.get(place, -len(views)), place))
    return [VerdictGroup(place=place, lines=[_line(finding) for finding in groups[place]]) for place in places[:most]]


def _line(finding: Verdict) -> VerdictLine:
    body = finding.sentence.removeprefix(finding.place).lstrip(",: ").removeprefix(f"{finding.about}: ")
    before, best, after = body.partition(finding.best) if finding.best else (body, "", "")
    question = finding.about[:1].upper() + finding.about[1:]
    return VerdictLine(question=question, before=before, best=best, after=after)
