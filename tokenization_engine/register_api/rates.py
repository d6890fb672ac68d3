"""How often one caller may ask: a bucket of requests that fills again with time, for each key and each address.

Ours, and not a library's: those that are well kept hold a counter for every name they ever saw in the window, so that
a stranger with many addresses fills the memory. Here the least recently seen bucket makes room.
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MAX_BUCKETS = 20_000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class Rates:
    """Buckets of one size; `per_minute` requests a minute, and as many at once."""

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with full buckets; 0 admits everything."""
        self._per_minute = per_minute
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def wait(self, name: str) -> int:
        """0 if the caller of that name may ask now, which is counted; else the seconds until it may."""
        if not self._per_minute:
            return 0
        now = self._clock()
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = _Bucket(float(self._per_minute), now)
            if len(self._buckets) > MAX_BUCKETS:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(name)
        filled = bucket.tokens + (now - bucket.filled_at) * self._per_minute / 60
        bucket.tokens, bucket.filled_at = min(filled, float(self._per_minute)), now
        if bucket.tokens < 1:
            return max(1, round((1 - bucket.tokens) * 60 / self._per_minute))
        bucket.tokens -= 1
        return 0

    def __len__(self) -> int:
        """How many buckets are kept."""
        return len(self._buckets)


def address_group(remote: str | None) -> str:
    """Who stands behind an address: the address itself, and of IPv6 its /64, which one customer has whole."""
    try:
        address = ipaddress.ip_address((remote or "").partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
