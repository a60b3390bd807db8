"""A campaign: every case of some suites, measured by one of two engines, resumable, its results kept under neutral names.

"asv" drives asv in shuffled passes; "paired" is storebench's own sampler: rounds over all cases in fresh processes, until the
intervals are narrow. Both time the same workloads, write the same journal, and publish the same files of asv.
"""

from __future__ import annotations

from storebench.campaign._plan import ENGINES, EngineName, Plan, Workspace, plan_campaign
from storebench.campaign._run import Outcome, run_campaign
from storebench.campaign._steps import Progress

__all__ = [
    "ENGINES",
    "EngineName",
    "Outcome",
    "Plan",
    "Progress",
    "Workspace",
    "plan_campaign",
    "run_campaign",
]
