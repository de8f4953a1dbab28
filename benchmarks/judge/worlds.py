"""Simulated traffic of two stacks, request by request, drawn in minutes: numpy throws the dice, the judge sees counts.

A world says how requests arrive and what both stacks have in common; manners say how a stack does.  Latencies are
log-normal with a median of 20 ms, one request in a thousand fails, live has 95 % of the traffic where nobody says
otherwise.  All is seeded: a world of one seed is the same world on every machine.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from splitter.judge.calibration import Baseline, Block
from splitter.judge.tick import Tick
from splitter.model import Counts, Side

MEDIAN_S = 0.020
SPREAD = 0.6
CHUNK_S = 60
EVERY_MINUTE_S = 60
RETRY_S = 10  # a client's errors of one kind count once in so many seconds

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def _same(t: Floats) -> Floats:
    return np.ones_like(t)


@dataclass(frozen=True)
class Manners:
    """How a stack does, from `turns_s` on; before it does as live.

    `slower` multiplies all latencies, `tail` only those above three medians; a part `stuck` takes a second.  `stalls`:
    once a minute everything waits for one to three seconds.
    """

    failures: float = 0.001
    slower: float = 1.0
    tail: float = 1.0
    stuck: float = 0.0
    stalls: bool = False
    is_hanging: bool = False
    turns_s: int = 0


HONEST = Manners()


@dataclass(frozen=True)
class World:
    """What happens to both stacks.  Functions are of the second, as arrays.

    `stalls_s`: once in so many seconds a container makes everything wait for one to three, each at its own times;
    `common_stalls_s`: both at the same, as on a host that they share.  `retries`: some clients send heaps of requests
    that fail, to the stack that they stick to.  `heavy`: so do some whose requests are slow, and do not fail.
    """

    name: str
    rps: float = 50.0
    share: Callable[[int], float] = lambda t: 0.05
    load: Callable[[Floats], Floats] = _same
    slowness: Callable[[Floats], Floats] = _same
    trouble: Callable[[Floats], Floats] = field(default=lambda t: np.zeros_like(t))
    stalls_s: int = 0
    common_stalls_s: int = 0
    retries: bool = False
    heavy: bool = False


@dataclass(frozen=True)
class Requests:
    """Requests of one chunk: when and to whom they came, whether they failed, how long they took."""

    second: Ints
    place: Floats  # the router's u: below the share it is the shadow's
    client: Ints
    failed: NDArray[np.bool_]
    latency_s: Floats


class Traffic:
    """One run of a world: both stacks, second by second.  Written by `tick`."""

    def __init__(self, world: World, seed: int, shadow: Manners = HONEST) -> None:
        self.world = world
        self._shadow = shadow
        self._dice = np.random.default_rng(seed)
        self._stalls = {side: self._stall_times(world.stalls_s or EVERY_MINUTE_S) for side in Side}
        self._common_stalls = self._stall_times(world.common_stalls_s or EVERY_MINUTE_S)
        self._seen: dict[tuple[int, int], int] = {}
        self._chunk = -1
        self._seconds: list[dict[str, Floats]] = []  # latencies of answers
        self._errors: list[dict[str, tuple[int, int, int]]] = []
        self._waiting: list[int] = []
        self._blocks: deque[Block] = deque(maxlen=180)  # of live's last half hour

    def baseline(self, seconds: int = 600) -> Baseline:
        """Return live's minutes before the shadow came."""
        blocks, buckets = [], dict[int, int]()
        n = failures = 0
        for start in range(-seconds, 0, 10):
            requests = self._drawn(start, 10, side=None)
            good = np.maximum((requests.latency_s[~requests.failed] * 1e6).astype(np.int64), 1)
            tops, counts = np.unique(_top_us(good), return_counts=True)
            block = tuple(zip(tops.tolist(), counts.tolist(), strict=True))
            bad = len(set(requests.client[requests.failed].tolist()))
            blocks.append(Block(10.0, len(requests.second), int(requests.failed.sum()), bad, block))
            n, failures = n + len(requests.second), failures + bad
            for top, count in block:
                buckets[top] = buckets.get(top, 0) + count
        self._blocks.extend(blocks)
        return Baseline(n, failures, 0, tuple(sorted(buckets.items())), float(seconds), blocks=tuple(blocks))

    def recent(self) -> Baseline:
        """Return live's last minute."""
        latency = np.concatenate([each["live"] for each in self._seconds])
        tops, counts = np.unique(_top_us((latency * 1e6).astype(np.int64)), return_counts=True)
        block = tuple(zip(tops.tolist(), counts.tolist(), strict=True))
        n, _, e5u = map(sum, zip(*(each["live"] for each in self._errors), strict=True))
        return Baseline(n, e5u, 0, block, float(CHUNK_S), blocks=tuple(self._blocks))

    def _remember(self) -> None:
        """Keep live's chunk in blocks of ten seconds, for how much it varies."""
        for start in range(0, CHUNK_S, 10):
            latency = np.concatenate([each["live"] for each in self._seconds[start : start + 10]])
            tops, counts = np.unique(_top_us((latency * 1e6).astype(np.int64)), return_counts=True)
            n, e5, e5u = map(sum, zip(*(each["live"] for each in self._errors[start : start + 10]), strict=True))
            self._blocks.append(Block(10.0, n, e5, e5u, tuple(zip(tops.tolist(), counts.tolist(), strict=True))))

    def tick(self, t: int, edges_us: Mapping[Side, Sequence[int]]) -> Tick:
        """Return what both stacks did in second `t`, cut at each side's edges."""
        if t // CHUNK_S != self._chunk:
            self._chunk = t // CHUNK_S
            self._draw(self._chunk * CHUNK_S)
            self._remember()
        index = t % CHUNK_S
        latencies, errors = self._seconds[index], self._errors[index]
        counts = {}
        for part, side in (("live", Side.LIVE), ("control", Side.LIVE), ("shadow", Side.SHADOW)):
            edges = edges_us[side]
            n, e5, e5u = errors[part]
            above = np.searchsorted(np.asarray(edges), latencies[part] * 1e6, side="left")
            bins = np.bincount(above, minlength=len(edges) + 1)
            counts[part] = Counts(n=n, e5=e5, e5u=e5u, bins=tuple(bins.tolist()))
        if self._shadow.is_hanging:
            counts["shadow"] = self._overdue(counts["shadow"].n, edges_us[Side.SHADOW])
        share = self.world.share(t)
        return Tick(
            t,
            live=counts["live"],
            control=counts["control"] if share <= 0.5 else None,
            shadow=counts["shadow"],
            share=share,
        )

    def _draw(self, start: int) -> None:
        """Draw a chunk and lay it out by second."""
        parts = {"live": self._drawn(start, CHUNK_S, Side.LIVE), "shadow": self._drawn(start, CHUNK_S, Side.SHADOW)}
        live, share = parts["live"], self.world.share(start)
        in_control = live.place < 2 * share
        parts["control"] = Requests(
            live.second[in_control],
            live.place[in_control],
            live.client[in_control],
            live.failed[in_control],
            live.latency_s[in_control],
        )
        self._seconds = [{} for _ in range(CHUNK_S)]
        self._errors = [{} for _ in range(CHUNK_S)]
        for part, requests in parts.items():
            for index in range(CHUNK_S):
                now = requests.second == start + index
                failed = requests.failed[now]
                clients = requests.client[now][failed].tolist()
                unique = sum(self._is_new(client, start + index, part) for client in clients)
                self._errors[index][part] = (int(now.sum()), int(failed.sum()), unique)
                self._seconds[index][part] = requests.latency_s[now][~failed]

    def _drawn(self, start: int, seconds: int, side: Side | None) -> Requests:
        """Return requests from `start` on; `side` None: live has all of them."""
        dice, world = self._dice, self.world
        share = world.share(start) if side else 0.0
        part = share if side is Side.SHADOW else 1.0 - share
        times = np.arange(start, start + seconds, dtype=np.float64)
        arrivals = dice.poisson(world.rps * part * world.load(times))
        second = np.repeat(np.arange(start, start + seconds), arrivals)
        n = len(second)
        low, high = (0.0, share) if side is Side.SHADOW else (share, 1.0)
        place = dice.uniform(low, high, n)
        client = dice.integers(0, 10**9, n)
        manners = self._manners(side, second)
        at = second.astype(np.float64)
        failed = dice.random(n) < np.maximum(manners["failures"], world.trouble(at))
        latency = MEDIAN_S * np.exp(dice.normal(0.0, SPREAD, n)) * world.slowness(at) * manners["slower"]
        latency = np.where(latency > 3 * MEDIAN_S, latency * manners["tail"], latency)
        latency = np.where(dice.random(n) < manners["stuck"], 1.0, latency)
        at = at + dice.random(n)
        if world.stalls_s or (side is Side.SHADOW and self._shadow.stalls):
            latency = latency + _stalled(self._stalls[side or Side.LIVE], at)
        if world.common_stalls_s:
            latency = latency + _stalled(self._common_stalls, at)
        drawn = Requests(second, place, client, failed, latency)
        return self._with_heaps(drawn, start, seconds, low, high) if world.retries or world.heavy else drawn

    def _manners(self, side: Side | None, second: Ints) -> dict[str, Floats]:
        """Return the manners of a stack by request."""
        turned = (second >= self._shadow.turns_s) if side is Side.SHADOW else np.zeros(len(second), dtype=np.bool_)
        names = ("failures", "slower", "tail", "stuck")
        return {name: np.where(turned, getattr(self._shadow, name), getattr(HONEST, name)) for name in names}

    def _stall_times(self, every_s: int) -> tuple[Floats, Floats]:
        """Return when there is a stall, once in each `every_s`, and for how long."""
        rounds = np.arange(-1_200 // every_s, 12_000 // every_s)
        return rounds * every_s + self._dice.uniform(0, every_s - 3, len(rounds)), self._dice.uniform(
            1.0, 3.0, len(rounds)
        )

    def _with_heaps(self, drawn: Requests, start: int, seconds: int, low: float, high: float) -> Requests:
        """Add the heaps of clients that stick to this side, each a few hundred requests within half a minute."""
        dice = self._dice
        heaps = dice.poisson(seconds / 120 * (high - low))
        if not heaps:
            return drawn
        size = 200 if self.world.retries else 100
        second = np.sort(dice.integers(start, start + seconds, (heaps, 1)) + dice.integers(0, 20, (heaps, size)))
        second = np.minimum(second, start + seconds - 1).ravel()
        n = len(second)
        place = np.repeat(dice.uniform(low, high, heaps), size)
        client = np.repeat(dice.integers(0, 10**9, heaps), size)
        failed = np.full(n, self.world.retries)
        latency = np.full(n, 0.3) if self.world.heavy else MEDIAN_S * np.exp(dice.normal(0.0, SPREAD, n))
        return Requests(
            np.concatenate([drawn.second, second]),
            np.concatenate([drawn.place, place]),
            np.concatenate([drawn.client, client]),
            np.concatenate([drawn.failed, failed]),
            np.concatenate([drawn.latency_s, latency]),
        )

    def _is_new(self, client: int, second: int, part: str) -> bool:
        """Return whether a client's error counts; the control slice sees what live sees."""
        key = (client, 0 if part != "control" else 1)
        last = self._seen.get(key)
        if last is not None and second - last < RETRY_S:
            return False
        self._seen[key] = second
        if len(self._seen) > 10_000:
            self._seen.pop(next(iter(self._seen)))
        return True

    def _overdue(self, arrived: int, edges: Sequence[int]) -> Counts:
        """Count what hangs once it is older than the highest edge, as a recorder does."""
        self._waiting.append(arrived)
        late = self._waiting.pop(0) if len(self._waiting) > math.ceil(edges[-1] / 1e6) else 0
        return Counts(n=late, bins=(*[0] * len(edges), late))


def _stalled(stalls: tuple[Floats, Floats], at: Floats) -> Floats:
    """Return how long each request waits for its stack to go on."""
    begins, lasts = stalls
    index = np.clip(np.searchsorted(begins, at) - 1, 0, len(begins) - 1)
    waits: Floats = np.maximum(begins[index] + lasts[index] - at, 0.0) * (at >= begins[index])
    return waits


def _top_us(value_us: Ints) -> Ints:
    """Return the highest value of each value's bucket of three digits."""
    bits = np.floor(np.log2(value_us)).astype(np.int64) + 1
    blurred = np.maximum(bits - 11, 0)
    top: Ints = ((value_us >> blurred) + 1 << blurred) - 1
    return top
