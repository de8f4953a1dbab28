"""Feeds the judge: what live did before the split, then a tick of both stacks at a time.

Rule 1: the judge sees what the journal can show again.  Every tick and the baseline are kept as they were fed, so a
decision can be replayed figure by figure.
Rule 2: nothing here decides, and nothing here is lost by a crash but the windows of live: the judge's state is kept
before the shadow gets its first request and every few ticks from then on, and what it was fed since is fed again.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final, Protocol

from splitter.contracts import KpiSource
from splitter.judge.calibration import Baseline
from splitter.judge.config import JudgeConfig, from_mapping
from splitter.judge.keeping import baseline_state
from splitter.judge.plan import NO_COPIES, Copying, JudgePlan, plan
from splitter.judge.tick import Tick
from splitter.judge.verdict import Action, Decision, Forecast, Verdict
from splitter.kpi import merge
from splitter.limits import WEIGHT_TOTAL
from splitter.model import Counts, Resources, Side, StackId, Window
from splitter.resources import Uses, alike, whole
from splitter.rollout.events import Kind
from splitter.rollout.fed import Before, Fed, Row, coarse, decode, encode, encode_past, feed
from splitter.rollout.history import Rollout
from splitter.rollout.journal import Journal
from splitter.rollout.options import RolloutOptions
from splitter.rollout.ring import Blocks, Ring
from splitter.rollout.status import Figures

KEEP_EVERY_TICKS: Final = 5
REFRESH_WINDOW_S: Final = 60.0  # of live, for new edges where it has moved away from the first ones
BASELINE_REQUESTS_MIN: Final = 1_000  # fewer give fewer latency edges (judge.md 2)


class Judge(Fed, Protocol):
    """The pure judge, as far as a rollout uses it."""

    def edges(self, side: Side) -> tuple[int, ...]: ...
    @property
    def is_stale(self) -> bool: ...
    def state_dict(self) -> dict[str, Any]: ...


class Judges(Protocol):
    """Makes judges: new ones, and one that goes on from what `state_dict` said."""

    def __call__(self, config: JudgeConfig) -> Judge: ...
    def from_state(self, config: JudgeConfig, state: Mapping[str, Any]) -> Judge: ...


class Analysis:
    """The judge of one app's rollout, and the windows of live that it is calibrated with.

    Per app: the ring of live's windows.  Per rollout, from `begin` or `restore` to `end`: the judge, its last decision.
    """

    def __init__(self, app: str, config: JudgeConfig, judges: Judges, kpis: KpiSource, journal: Journal) -> None:
        self.figures: dict[StackId, Figures] = {}
        self.decision: Decision | None = None
        self._app = app
        self._judges = judges
        self._kpis = kpis
        self._journal = journal
        self._lately = Ring(config.baseline_window_s)  # of live: what it is like
        self._blocks = Blocks(config.design_window_s)  # of live: how much it varies
        self._untold: dict[StackId, Uses] = {}  # samples for the next tick
        self._services: dict[StackId, tuple[str, ...]] = {}  # of each stack's last sample
        self._calm: dict[StackId, Resources] = {}  # the last sample before a judge began
        self._judge: Judge | None = None
        self._warned: set[str] = set()  # of which forecasts people were told
        self._tick = 0
        self._before = Before()  # what was done to the judge since the last tick

    @property
    def baseline_requests(self) -> int:
        """How many requests of live the next baseline has."""
        return self._lately.requests

    @property
    def has_baseline(self) -> bool:
        return self.baseline_requests >= BASELINE_REQUESTS_MIN

    # --- Windows -----------------------------------------------------------------------------------------------------

    def close_live(self, stack: StackId) -> Window:
        """Close live's window and keep it for the next baseline."""
        window = self.close(stack)
        self._lately.append(window)
        self._blocks.append(window)
        return window

    def close(self, stack: StackId) -> Window:
        """Close the window of `stack`."""
        window = self._kpis.close_window(stack)
        self.figures.setdefault(stack, Figures()).add(window)
        return replace(window, phases={})  # they are for people; half an hour of them would be much to keep

    def forget(self, stack: StackId) -> None:
        """Drop the figures of a stack that is gone."""
        self.figures.pop(stack, None)
        self._untold.pop(stack, None)
        self._services.pop(stack, None)
        self._calm.pop(stack, None)

    def outlook(self, config: JudgeConfig, options: RolloutOptions) -> JudgePlan:
        """Return what a rollout that began now would show, and when, by what live did lately."""
        baseline = self._lately.baseline(tuple(self._blocks))
        rps = baseline.n / baseline.span_s if baseline.span_s > 0 else 0.0
        mirror = options.mirror
        copying = Copying(mirror.share_bp / WEIGHT_TOTAL, mirror.for_s) if mirror is not None else NO_COPIES
        steps = [step / WEIGHT_TOTAL for step in options.steps_bp]
        return plan(config, baseline, rps, steps, options.hold_s, copying)

    # --- The judge ---------------------------------------------------------------------------------------------------

    def begin(self, rollout: Rollout) -> dict[str, Any]:
        """Start a judge with what live did lately; return what it knows, for the journal.

        The figures of both stacks start anew: from here on they are compared.
        """
        live, shadow = rollout.live.id, rollout.shadow.id
        baseline = self._lately.baseline(tuple(self._blocks))
        self._judge = self._judges(from_mapping(rollout.analysis))
        self._judge.calibrate(baseline)
        self._before = Before(baseline=baseline)
        self._tick = 0
        self._warned = set()
        self.decision = None
        self.figures = {live: Figures(), shadow: Figures()}
        self._set_edges(live, shadow)
        self._journal.begin_figures(self._app, rollout.id, partial(encode_past, list(self._lately)))
        self._keep(rollout.id)
        return self._known(self._judge, baseline)

    async def restore(self, rollout: Rollout) -> bool:
        """Go on with the judge that the journal kept for `rollout`; return False if it kept none.

        The judge is fed again what came after its state was kept, so no evidence is lost.  Raises StateError,
        ValueError, KeyError or TypeError.
        """
        text = await self._journal.analysis(self._app, rollout.id)
        if text is None:
            return False
        kept = json.loads(text)
        judge = self._judges.from_state(from_mapping(rollout.analysis), kept["judge"])
        self._tick = kept["tick"]
        live, shadow = (self._figures_of(kept, record.id) for record in (rollout.live, rollout.shadow))
        for row in map(decode, await self._journal.figures(self._app, rollout.id, first=kept["tick"])):
            self.decision = feed(judge, row)
            self._tick = row.tick.t + 1
            live.count(row.tick.live or Counts(), None)
            shadow.count(row.tick.shadow or Counts(), row.tick.pairs)
        self._warned = {each.figure for each in self._foreseen()}
        self._judge = judge
        self._set_edges(rollout.live.id, rollout.shadow.id)
        return True

    def _figures_of(self, kept: Mapping[str, Any], stack: StackId) -> Figures:
        """Return the figures that were kept of a stack; an older daemon kept none."""
        state = kept.get("figures", {}).get(stack)
        self.figures[stack] = Figures.of_state(state) if state else Figures()
        return self.figures[stack]

    def refresh(self, rollout: Rollout) -> dict[str, Any] | None:
        """Cut the edges anew where live has moved away from them; return what by, for the journal, or None."""
        judge = self._judge
        if judge is None or self._tick % KEEP_EVERY_TICKS or not judge.is_stale:
            return None
        windows = self._lately.since(self._lately.ended_s - REFRESH_WINDOW_S)
        baseline = replace(Baseline.of(merge(windows)), blocks=tuple(self._blocks))
        if not judge.refresh(baseline):
            return None
        self._before = replace(self._before, refresh=baseline)
        self._set_edges(rollout.live.id, rollout.shadow.id)
        return self._known(judge, baseline)

    def extend(self, seconds: float) -> None:
        """Give a judge that was undecided `seconds` more."""
        if self._judge is not None:
            self._judge.extend(seconds)
            self._before = replace(self._before, extended_s=seconds)

    def end_mirroring(self, rollout: Rollout) -> dict[str, Any]:
        """Give the judge its whole time from now on; return what the copies have shown, for the journal."""
        self.extend(from_mapping(rollout.analysis).max_duration_s)
        mirror = self.figures.setdefault(rollout.shadow.id, Figures()).mirror
        return {
            "pairs": mirror.pairs,
            "shadow_only": mirror.shadow_only,
            "live_only": mirror.live_only,
            "other_status": mirror.other_status,
            "other_size": mirror.other_size,
            "dropped": sum(mirror.dropped.values()),
        }

    def sampled(self, stack: StackId, uses: Uses) -> None:
        """Take what the services of `stack` use; the judge is told with the next tick."""
        self._untold[stack] = uses
        self._services[stack] = tuple(uses)
        if not self.is_judging and (used := whole(uses)) is not None:
            self._calm[stack] = used

    def end(self) -> None:
        """Let the judge go; its last decision can still be seen."""
        self._judge = None

    def clear(self) -> None:
        """Forget the last decision: another rollout begins, and has none yet."""
        self.decision = None

    @property
    def is_judging(self) -> bool:
        return self._judge is not None

    def observe(self, rollout: Rollout, live: Window | None, shadow: Window | None, unhealthy: str = "") -> Decision:
        """Feed one tick to the judge, keep it, and return what the judge says.

        `unhealthy` is why the shadow is not well, empty while it is.
        """
        assert self._judge is not None, "there is a judge while a shadow gets requests"
        windows = {Side.LIVE: live, Side.SHADOW: shadow}
        spans = [window.ended_s - window.started_s for window in windows.values() if window is not None]
        shadow_uses = whole(self._untold.pop(rollout.shadow.id, {}))
        tick = Tick(
            t=self._tick,
            live=live.counts if live else None,
            control=live.control if live else None,
            shadow=shadow.counts if shadow else None,
            restarted=self._restarted(rollout.shadow.id, shadow_uses),
            unhealthy=unhealthy,
            seconds=max(spans, default=1.0),
            share=rollout.share_bp / WEIGHT_TOTAL,
            live_uses=alike(self._untold.pop(rollout.live.id, {}), self._services.get(rollout.shadow.id, ())),
            shadow_uses=shadow_uses,
            pairs=shadow.pairs if shadow else None,
        )
        self.decision = self._judge.observe(tick)
        seen = {side.value: window for side, window in windows.items() if window is not None}
        latency = {side: coarse(window.latency) for side, window in seen.items()}
        timeouts = {side: window.outcomes.get("timeout", 0) for side, window in seen.items()}
        row = Row(tick, self._before, latency, timeouts)
        self._journal.keep_figures(self._app, rollout.id, self._tick, partial(encode, row))
        self._before = Before()
        self._tick += 1
        if self._tick % KEEP_EVERY_TICKS == 0:
            self._keep(rollout.id)
        return self.decision

    def warnings(self, rollout: Rollout) -> list[dict[str, Any]]:
        """Return what people have not been told yet: forecasts that nothing is done about, each once."""
        fresh = [each for each in self._foreseen() if each.figure not in self._warned]
        self._warned.update(each.figure for each in fresh)
        return [
            {
                "shadow": rollout.shadow.id,
                "figure": each.figure,
                "reason": each.sentence,
                "because_of": "for live is heading there as well" if each.is_shared else "as analysis.predict says",
            }
            for each in fresh
        ]

    def _foreseen(self) -> list[Forecast]:
        return [each for each in self.decision.forecasts if each.warns] if self.decision is not None else []

    def _restarted(self, shadow: StackId, uses: Resources | None) -> str:
        """Return what happened to the shadow's parts since it is judged; empty where nothing did."""
        if uses is None:
            return ""
        former = self._calm.setdefault(shadow, uses)
        if uses.restarts < former.restarts:  # a new daemon counts from 0
            former = self._calm[shadow] = uses
        if (uses.oom_kills or 0) > (former.oom_kills or 0):
            return "one of its parts was killed for want of memory"
        return "one of its parts ended and was started again" if uses.restarts > former.restarts else ""

    def grounds(self, kind: Kind) -> dict[str, Any]:
        """Return what the last decision says for an event of `kind`: its reason, and every KPI's figures."""
        decision = self.decision
        if decision is None or kind not in _JUDGED:
            return {}
        reason = decision.reason
        for ending in _ENDINGS:  # what happens next is said by the event
            reason = reason.removesuffix(ending)
        if kind in _LATE and decision.action is Action.CONTINUE:
            still_open = "; ".join(each.sentence for each in decision.verdicts if each.verdict is Verdict.UNDECIDED)
            reason = f"the time for all steps is over ({still_open or reason})"
        return {
            "reason": reason,
            "kpi": decision.kpi,
            "evidence": f"evidence against it {decision.evidence:.3g} : 1, a rollback needs {decision.needed:.3g} : 1",
            "requests": decision.requests,
            "score": decision.score,
        }

    @staticmethod
    def _known(judge: Judge, baseline: Baseline) -> dict[str, Any]:
        edges = len(judge.edges(Side.LIVE))
        shown = baseline_state(replace(baseline, blocks=()))  # the whole of it is with the figures
        return {"requests": baseline.n, "span_s": baseline.span_s, "edges": edges, "baseline": shown}

    def _set_edges(self, live: StackId, shadow: StackId) -> None:
        assert self._judge is not None
        self._kpis.set_edges(live, self._judge.edges(Side.LIVE))
        self._kpis.set_edges(shadow, self._judge.edges(Side.SHADOW))

    def _keep(self, rollout: str) -> None:
        assert self._judge is not None
        figures = {stack: figures.state() for stack, figures in self.figures.items()}
        kept = {"tick": self._tick, "judge": self._judge.state_dict(), "figures": figures}
        text = json.dumps(kept, separators=(",", ":"))
        self._journal.keep_analysis(self._app, rollout, text)


_ENDINGS: Final = ("; continuing", "; rolling back", "; promoting", "; promoting, as on_undecided says")
_LATE: Final = frozenset({Kind.UNDECIDED, Kind.HOLD_UNDECIDED, Kind.PROMOTE_UNDECIDED})
_JUDGED: Final = _LATE | {Kind.WORSE, Kind.PROVEN, Kind.ADVANCED}
