"""The judge: told what both stacks did, tick by tick, it says whether to go on, roll back or promote, and why.

What it promises: while no KPI of the shadow is beyond its tolerance, the chance that it ever rolls back is at most
`false_rollback`; while a weighted KPI is beyond its promotion margin, the chance that this KPI is ever found within it
is at most `false_promotion`.  Looked at every tick, for the whole rollout, with the split changed at will; what that
needs is said in `stats`.

Rule 1: a decision is final.  The same ROLLBACK is returned for ever.  PROMOTE and UNDECIDED stay too, but while the
shadow goes on serving (on its way to the last step, held, as the promoted stack) the judge goes on looking, and a
rollback overrides them.
Rule 2: same config, same baseline, same ticks: same decisions, also through `state_dict` and `from_state` in between.
There is no clock, no chance and no order of a set in here.

Cost: about 0.2 ms for a tick with the default KPIs, of which the sentences take a tenth.
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from math import log
from typing import Any, Final

from splitter.errors import StateError
from splitter.judge.calibration import Baseline, Scale, Tails, calibrate
from splitter.judge.config import JudgeConfig, OnUndecided
from splitter.judge.effects import Design, design_of, learn, nearest
from splitter.judge.guards import Alarm, Guards, fate
from splitter.judge.panel import Panel
from splitter.judge.prospects import Prospects
from splitter.judge.tick import Reading, Tick, flaw
from splitter.judge.verdict import Action, Decision
from splitter.judge.wording import LABELS, as_odds, odds, span
from splitter.model import Side

EVIDENCE_SHARE: Final = 0.8  # of false_rollback; three guards have 5 % each, 5 % are kept for a trend
CALM: Final = 0.3  # of the evidence that rolls back: below it nothing speaks against the shadow

_STATE_VERSION: Final = 3


class JudgeStateError(StateError, ValueError):
    """What a judge kept cannot be gone on from: other options, another version, or damage."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """An action with its cause, before it is clothed in a Decision."""

    action: Action
    kpi: str
    reason: str
    by_policy: bool = False


class Judge:
    """The judge of one rollout.  Written by `calibrate` (before the first tick), `observe`, `refresh` and `extend`."""

    def __init__(self, config: JudgeConfig) -> None:
        # For the rollout.
        self._config = config
        self._alpha = EVIDENCE_SHARE * config.false_rollback
        self._level = log(1.0 / self._alpha)
        self._set_scale(calibrate(config, Baseline()))  # until `calibrate` knows better
        self._next: tuple[Scale, Design] | None = None  # what `refresh` has cut, for the tick after the next
        # Over all ticks.
        self._age_s = 0.0
        self._warm_s = 0.0  # since the shadow's first request
        self._requests = 0
        self._healthy_s = 0.0
        self._extra_s = 0.0
        self._rejected = 0
        self._standing: _Outcome | None = None  # a PROMOTE or UNDECIDED that was given
        self._final: Decision | None = None  # a ROLLBACK that was given

    @property
    def rejected(self) -> int:
        """Return how many ticks could not be used."""
        return self._rejected

    def calibrate(self, baseline: Baseline) -> None:
        """Measure live.  Before it, and with too few requests of live, latencies are not compared."""
        assert self._age_s == 0, "edges are fixed before the first tick"
        self._set_scale(calibrate(self._config, baseline))
        learn(self._design, self._scale, baseline)

    @property
    def scale(self) -> Scale:
        """Where latencies are cut."""
        return self._scale

    @property
    def is_stale(self) -> bool:
        """Return whether live has moved away from the edges, so that `refresh` is worth it."""
        places = self._scale.places.values()
        return self._next is None and any(
            self._tails.are_stale(self._scale.live_us.index(place.live_us)) for place in places
        )

    def refresh(self, baseline: Baseline) -> bool:
        """Cut the edges anew by what live did of late; return False, and leave them, if something could not be proven.

        The windows that are open now are cut at the old edges: the next tick is bet on with those, all later ones with
        the new.  The evidence stays: each tick is a bet of its own, on edges that were known before it.
        """
        scale = calibrate(self._config, baseline)
        if scale.provable != self._scale.provable:
            return False
        design = design_of(scale, self._config)
        learn(design, scale, baseline)
        design.inherit(self._design, [nearest(edge, self._scale.live_us) for edge in scale.live_us])
        self._next = scale, design
        return True

    def edges(self, side: Side) -> tuple[int, ...]:
        """Return the edges in µs, ascending, that the bins of a side's next window must be cut at."""
        return (self._next[0] if self._next else self._scale).edges(side)

    def observe(self, tick: Tick) -> Decision:
        """Judge one tick.  One that no honest count can have made is counted and changes nothing else."""
        if self._final:
            return self._final
        wrong = flaw(tick)
        decision = self._answer(self._reject(tick, wrong) if wrong else self._weigh(tick))
        if self._next:
            self._change_scale(*self._next)
        return decision

    def _change_scale(self, scale: Scale, design: Design) -> None:
        """Go on with all evidence on another scale; what was measured at the old edges was measured again."""
        self._next = None
        fresh = {"scale": scale.state(), "tails": Tails(scale.tails).state(), "design": design.state()}
        self._restore({**self.state_dict(), **fresh})

    def _weigh(self, tick: Tick) -> _Outcome:
        """Bet on a tick and return what follows from it."""
        reading = Reading(tick, len(self._scale.live_us), len(self._scale.shadow_us))
        self._count(tick, reading)
        self._design.pace(reading, tick.seconds)
        alarm = self._guards.observe(tick, reading, self._design)
        self._panel.observe(tick, reading, self._design, is_warm=self._is_warm)
        self._prospects.observe(tick, reading, self._design, self._age_s, is_warm=self._is_warm)
        self._design.observe(reading, tick.seconds)
        if reading.is_timed:
            self._tails.follow(reading.live_above, reading.answers_l, tick.seconds)
        if reading.is_comparable:
            self._healthy_s = self._healthy_s + tick.seconds if self._is_healthy else 0.0
        return self._outcome(alarm or self._prospects.burn_alarm())

    def _reject(self, tick: Tick, wrong: str) -> _Outcome:
        """Leave a tick out; that the shadow died is true however wrong the counts are."""
        self._rejected += 1
        alarm = fate(tick)
        if alarm:
            return self._left(alarm)
        return self._standing or self._continue(f"tick {tick.t} was left out: {wrong}; continuing")

    def _answer(self, outcome: _Outcome) -> Decision:
        """Return the outcome as a decision, and remember what is final."""
        decision = self._decision(outcome)
        if outcome.action is Action.ROLLBACK:
            self._final = decision
        elif outcome.action is not Action.CONTINUE:
            self._standing = outcome
        return decision

    def extend(self, seconds: float) -> None:
        """Go on for `seconds` from now after UNDECIDED: somebody resumed a rollout that was held."""
        self._extra_s = max(0.0, self._age_s + seconds - self._config.max_duration_s)
        if self._standing and self._standing.action is Action.UNDECIDED:
            self._standing = None

    def state_dict(self) -> dict[str, Any]:
        """Return everything that ticks have changed, and the scale, as plain values that JSON can hold."""
        standing = self._standing
        return {
            "version": _STATE_VERSION,
            "scale": self._scale.state(),
            "next": [part.state() for part in self._next] if self._next else None,
            "tails": self._tails.state(),
            "design": self._design.state(),
            "kpis": self._panel.state(),
            "guards": self._guards.state(),
            "prospects": self._prospects.state(),
            "age_s": self._age_s,
            "warm_s": self._warm_s,
            "requests": self._requests,
            "healthy_s": self._healthy_s,
            "extra_s": self._extra_s,
            "rejected": self._rejected,
            "standing": list(astuple(standing)) if standing else None,
            "final": self._final.state() if self._final else None,
        }

    @classmethod
    def from_state(cls, config: JudgeConfig, state: Mapping[str, Any]) -> "Judge":
        """Return the judge that `state_dict` was asked of.  Raises JudgeStateError if its options or version differ."""
        judge = cls(config)
        try:
            judge._restore(state)
        except (KeyError, TypeError, ValueError) as error:
            raise JudgeStateError(
                f"the judge's kept state does not fit its options ({error!r}): "
                "start the rollout anew, or go back to the options and the version that it began with"
            ) from error
        return judge

    def _restore(self, state: Mapping[str, Any]) -> None:
        if state["version"] != _STATE_VERSION:
            raise ValueError(f"version {state['version']}, known is {_STATE_VERSION}")
        self._set_scale(Scale.of_state(state["scale"]))
        self._next = self._next_of(state["next"]) if state["next"] else None
        self._tails.restore(state["tails"])
        self._design.restore(state["design"])
        self._panel.restore(state["kpis"])
        self._guards.restore(state["guards"])
        self._prospects.restore(state["prospects"])
        self._age_s = float(state["age_s"])
        self._warm_s = float(state["warm_s"])
        self._requests = int(state["requests"])
        self._healthy_s = float(state["healthy_s"])
        self._extra_s = float(state["extra_s"])
        self._rejected = int(state["rejected"])
        if state["standing"]:
            action, kpi, reason, *more = state["standing"]
            self._standing = _Outcome(Action(action), kpi, reason, *more)
        if state["final"]:
            self._final = Decision.of_state(state["final"])

    def _next_of(self, state: Any) -> tuple[Scale, Design]:
        scale = Scale.of_state(state[0])
        design = design_of(scale, self._config)
        design.restore(state[1])
        return scale, design

    def _set_scale(self, scale: Scale) -> None:
        self._scale = scale
        self._tails = Tails(scale.tails)
        self._guards = Guards(self._config, scale)
        self._design = design_of(scale, self._config)
        self._panel = Panel(self._config, scale, self._tails, self._alpha)
        self._prospects = Prospects(self._config, scale, self._tails)

    def _count(self, tick: Tick, reading: Reading) -> None:
        self._age_s += tick.seconds
        self._requests += reading.pairs.n if reading.pairs is not None else reading.shadow.n
        if self._requests:
            self._warm_s += tick.seconds

    @property
    def _is_warm(self) -> bool:
        return self._warm_s >= self._config.warmup_s and self._requests >= self._config.warmup_requests

    @property
    def _is_calm(self) -> bool:
        return self._panel.evidence < CALM * self._level

    @property
    def _is_healthy(self) -> bool:
        return self._panel.is_proven and self._is_calm

    @property
    def _leans_well(self) -> bool:
        """Whether nothing speaks against the shadow and all that could be proven of it is on the way there."""
        required = self._panel.required
        is_close = bool(required) and all(each.ni_evidence > 0 for each in required)
        return is_close and self._panel.evidence < 0 and self._has_score and not self._prospects.gates()

    @property
    def _has_score(self) -> bool:
        least = self._config.min_score
        return least is None or self._panel.score() >= least

    # --- The order of decisions --------------------------------------------------------------------------------------

    def _outcome(self, alarm: Alarm | None) -> _Outcome:
        """Return what is to be done: what protects users first, then proof, then time."""
        config = self._config
        if alarm:
            return self._left(alarm)
        if self._panel.evidence >= self._level:
            return self._worse()
        foreseen = self._prospects.alarm()
        if foreseen:
            return self._left(foreseen)
        if self._standing:
            return self._standing
        is_time = self._healthy_s >= config.dwell_s and self._age_s >= config.min_duration_s
        if is_time and self._is_healthy and self._has_score and not self._prospects.gates():
            return self._proven()
        if self._age_s >= config.max_duration_s + self._extra_s:
            return self._undecided()
        return self._continue(self._progress())

    def _left(self, alarm: Alarm) -> _Outcome:
        return _Outcome(Action.ROLLBACK, alarm.guard, f"{alarm.sentence}; rolling back")

    def _worse(self) -> _Outcome:
        """Name the KPI that speaks loudest."""
        loudest, figures = self._panel.loudest, self._panel.accusation()
        if loudest.decides_alone:
            figures = f"{figures}, needed {odds(self._level - log(loudest.share))}"
        else:
            figures = f"{figures}, with the other KPIs {odds(self._panel.evidence)}, needed {odds(self._level)}"
        return _Outcome(Action.ROLLBACK, loudest.kpi, f"{figures}; rolling back")

    def _proven(self) -> _Outcome:
        weakest = min(self._panel.required, key=lambda each: each.ni_evidence)
        needed = log(1.0 / self._config.false_promotion)
        reason = (
            f"every KPI that counts is proven within its promotion margin after {span(self._age_s)} and "
            f"{self._requests} shadow requests: the least, {LABELS[weakest.kpi]}, with {odds(weakest.ni_evidence)}, "
            f"needed {odds(needed)}; promoting"
        )
        return _Outcome(Action.PROMOTE, "", reason)

    def _undecided(self) -> _Outcome:
        required = self._panel.required
        open_kpis = [LABELS[each.kpi] for each in required if not each.is_proven]
        gates = "; ".join(self._prospects.gates())
        left = f"{', '.join(open_kpis)} not proven" if open_kpis else gates or self._lacking_score()
        left = left or "proofs did not last long enough"
        facts = f"after {span(self._age_s)} and {self._requests} shadow requests: {left}, {self._against()}"
        policy = self._config.on_undecided
        if policy is OnUndecided.PROMOTE_IF_NOT_WORSE and self._leans_well:
            reason = f"nothing is worse {facts}; promoting, as on_undecided says"
            return _Outcome(Action.PROMOTE, "", reason, by_policy=True)
        if policy is OnUndecided.PROMOTE_IF_NOT_WORSE:
            return _Outcome(Action.UNDECIDED, "", f"undecided {facts}; too little for on_undecided to promote it")
        return _Outcome(Action.UNDECIDED, "", f"undecided {facts}; on_undecided says {policy.value}")

    def _continue(self, reason: str) -> _Outcome:
        return _Outcome(Action.CONTINUE, "", reason)

    def _progress(self) -> str:
        """Say what a shadow that is neither worse nor proven is waiting for."""
        config = self._config
        if not self._is_warm:
            requests, seconds = min(self._requests, config.warmup_requests), span(min(self._warm_s, config.warmup_s))
            wanted = f"{requests} of {config.warmup_requests} requests, {seconds} of {span(config.warmup_s)}"
            return f"warming up ({wanted}): latencies and proofs do not count yet; continuing"
        gates = self._prospects.gates()
        if self._is_healthy and gates:
            return f"all proven, but {'; '.join(gates)}; continuing"
        if self._is_healthy and (lacking := self._lacking_score()):
            return f"all proven, but the {lacking}; continuing"
        if self._is_healthy:
            held = f"all proven for {span(self._healthy_s)} of {span(config.dwell_s)}"
            age = f"{span(self._age_s)} of at least {span(config.min_duration_s)}"
            return f"{held}, {age}, {self._against()}; continuing"
        waiting = [LABELS[each.kpi] for each in self._panel.required if not each.is_proven]
        return f"{', '.join(waiting) or 'nothing'} to be proven, {self._against()}; continuing"

    def _lacking_score(self) -> str:
        """Say how far the score is from what a promotion needs; empty where it is enough."""
        least = self._config.min_score
        if least is None or self._has_score:
            return ""
        return f"score is {self._panel.score():.1f}, at least {least:g} is asked for"

    def _against(self) -> str:
        return f"{odds(self._panel.evidence)} against the shadow, a rollback needs {odds(self._level)}"

    # --- The answer --------------------------------------------------------------------------------------------------

    def _decision(self, outcome: _Outcome) -> Decision:
        gates = self._prospects.gates()
        return Decision(
            action=outcome.action,
            kpi=outcome.kpi,
            reason=outcome.reason,
            verdicts=self._panel.verdicts(),
            score=self._panel.score(),
            may_increase_share=outcome.action is not Action.ROLLBACK and self._is_calm and not gates,
            evidence=as_odds(self._panel.evidence),
            needed=1.0 / self._alpha,
            age_s=self._age_s,
            requests=self._requests,
            forecasts=self._prospects.forecasts(),
            gates=gates,
            warnings=self._prospects.warnings(),
            leans_well=self._leans_well,
            by_policy=outcome.by_policy,
            min_score=self._config.min_score,
        )
