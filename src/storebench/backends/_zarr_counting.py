"""A zarr store that writes every request into a log: correct for zarr 3.1 to 3.4, sharded or not, async or not.

Only `get` and `get_sync` (and their writing twins) touch the wrapped store. Everything that zarr builds on top of them
is taken from `Store` itself instead of from the wrapper, which would hand it on past the log: a counter without this saw
4 kB of the 9.6 MB that zarr 3.4 read through `get_ranges`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

from zarr.abc.store import Store
from zarr.storage import WrapperStore

from storebench.stores import RequestLog


class CountingStore(WrapperStore[Any]):  # type: ignore[misc]
    """A store that logs each request before it is answered to zarr.

    Parameters
    ----------
    store : zarr.abc.store.Store
        Where the bytes really are.
    log : RequestLog
        Gets one entry per request: a "get", a "ranged_get", a "miss" (the key is not there), a "set" or a "list".
    """

    def __init__(self, store: Any, log: RequestLog) -> None:
        super().__init__(store)
        self._log = log

    def _with_store(self, store: Any) -> CountingStore:
        return type(self)(store, self._log)

    def _fetched(self, key: str, byte_range: object, value: Any) -> Any:
        if value is None:
            self._log.add("miss", key, 0)
        else:
            self._log.add("get" if byte_range is None else "ranged_get", key, len(value))
        return value

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        """Fetch an object or a range of it."""
        return self._fetched(key, byte_range, await self._store.get(key, prototype, byte_range))

    def get_sync(self, key: str, *, prototype: Any = None, byte_range: Any = None) -> Any:
        """Fetch without an event loop (zarr 3.4's fused pipeline)."""
        return self._fetched(key, byte_range, self._store.get_sync(key, prototype=prototype, byte_range=byte_range))

    async def get_partial_values(self, prototype: Any, key_ranges: Iterable[tuple[str, Any]]) -> list[Any]:
        """Fetch several ranges, each of them one request."""
        return list(await asyncio.gather(*(self.get(key, prototype, byte_range) for key, byte_range in key_ranges)))

    _get_many = Store._get_many
    if hasattr(Store, "get_ranges"):  # zarr 3.4: merges near ranges, then calls `get`
        get_ranges = Store.get_ranges
    if hasattr(Store, "get_ranges_sync"):
        get_ranges_sync = Store.get_ranges_sync

    async def exists(self, key: str) -> bool:
        """Ask for a key's presence: a request that moves no payload."""
        there = bool(await self._store.exists(key))
        self._log.add("get" if there else "miss", key, 0)
        return there

    async def set(self, key: str, value: Any) -> None:
        """Store an object."""
        self._log.add("set", key, len(value))
        await self._store.set(key, value)

    def set_sync(self, key: str, value: Any) -> None:
        """Store an object without an event loop."""
        self._log.add("set", key, len(value))
        self._store.set_sync(key, value)

    async def set_if_not_exists(self, key: str, value: Any) -> None:
        """Store an object unless it is there."""
        self._log.add("set", key, len(value))
        await self._store.set_if_not_exists(key, value)

    def list(self) -> AsyncIterator[str]:
        """List every key."""
        return self.list_prefix("")

    def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """List the keys that begin with a prefix."""
        self._log.add("list", prefix, 0)
        return self._store.list_prefix(prefix)  # type: ignore[no-any-return]

    def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """List the names right below a prefix."""
        self._log.add("list", prefix, 0)
        return self._store.list_dir(prefix)  # type: ignore[no-any-return]
