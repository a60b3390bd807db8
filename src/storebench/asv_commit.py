"""A plug-in for asv: takes the commit that it is told, and needs neither git nor a clone.

`storebench run` works from an installed wheel, where there is no repository, and must not depend on git in one. asv asks a
repository object only for a name and a date; this one gives back what `--set-commit-hash` said. Loaded through `plugins` in
the configuration that the campaign writes (asv 0.6.6: `asv.repo.get_repo` picks the class by its `dvcs`).
"""

from __future__ import annotations

import time

from asv.repo import NoRepository

DVCS = "storebench"


class GivenCommit(NoRepository):
    """The installed code, under the commit or version that the campaign names."""

    dvcs = DVCS

    def get_hash_from_name(self, name: str) -> str:
        """Return the name: it is the commit."""
        return name

    def get_date(self, hash: str | None) -> int:  # noqa: A002 (asv's own name)
        """Return now, in milliseconds since 1970."""
        return int(time.time() * 1000)

    def get_decorated_hash(self, commit_hash: str, length: int = 8) -> str:
        """Return the first characters of the commit."""
        return commit_hash[:length]
