"""All KPIs of a rollout, and the evidence that they amount to.

Rule 1: the evidence of all is the mean of theirs, weighted by their shares of the risk.  That is the one way to merge
evidence of KPIs that may depend on each other (Vovk & Wang 2021): a product would take one fact for several.
Rule 2: shares are fixed at the start.  A KPI that cannot be measured stays in the mean with 1; to renormalise when it
turns up would be to choose the weights by the figures.
"""

from collections.abc import Mapping
from math import log
from typing import Any

from splitter.judge.bank import log_sum
from splitter.judge.calibration import Scale, Tails
from splitter.judge.comparison import Comparison
from splitter.judge.config import SERIES, JudgeConfig
from splitter.judge.effects import Design
from splitter.judge.measures import measure_of
from splitter.judge.series import SeriesComparison
from splitter.judge.tick import Reading, Tick
from splitter.judge.verdict import KpiVerdict, Verdict


class Panel:
    """The KPIs of one rollout on one scale.  Written by `observe`, once per tick."""

    def __init__(self, config: JudgeConfig, scale: Scale, tails: Tails, alpha: float) -> None:
        """Share the risk `alpha` of a false rollback between the KPIs."""
        self._config = config
        self._scale = scale
        self._alpha = alpha
        self._shares = config.shares()
        self._counted: dict[str, Comparison] = {}
        self._sampled: dict[str, SeriesComparison] = {}
        for kpi, options in config.kpis.items():
            if kpi in SERIES:
                self._sampled[kpi] = SeriesComparison(kpi, options, self._shares[kpi], config, alpha)
            elif measure := measure_of(kpi, options, scale, tails):
                self._counted[kpi] = Comparison(kpi, options, self._shares[kpi], measure, config, alpha)
        self.evidence = self._together()

    @property
    def required(self) -> list[Comparison]:
        """Return the KPIs that a promotion waits for."""
        return [each for each in self._counted.values() if each.is_required]

    @property
    def is_proven(self) -> bool:
        """Return whether all of them are within their promotion margins, at present."""
        required = self.required
        return bool(required) and all(each.is_proven for each in required)

    @property
    def loudest(self) -> Comparison | SeriesComparison:
        """Return the KPI that speaks loudest against the shadow, weighted as the decision weighs it."""
        return max((each for each in self._all() if each.share), key=lambda each: log(each.share) + each.evidence)

    def observe(self, tick: Tick, reading: Reading, design: Design, *, is_warm: bool) -> None:
        """Bet on a tick.  Requests that were not given to the stacks by chance are not compared; pairs always are."""
        if self._config.comparable or reading.pairs is not None:
            for comparison in self._counted.values():
                comparison.observe(reading, tick.seconds, design, is_warm=is_warm)
        for series in self._sampled.values():
            series.observe(tick, reading)
        self.evidence = self._together()

    def accusation(self) -> str:
        """Return the figures of the loudest KPI."""
        loudest = self.loudest
        if isinstance(loudest, SeriesComparison):
            return loudest.accusation()
        return loudest.accusation(self._scale.places.get(loudest.kpi))

    def verdicts(self) -> tuple[KpiVerdict, ...]:
        """Return a verdict for each KPI, in the order of the config."""
        known = {each.kpi: each for each in self._all()}
        return tuple(known[kpi].verdict() if kpi in known else self._unmeasured(kpi) for kpi in self._config.kpis)

    def score(self) -> float:
        """Return 50 for nothing known, 100 for all proven, 0 for all worse."""
        known = self._all()
        silent = 1.0 - sum(each.share for each in known)
        return 100.0 * (sum(each.share * each.score() for each in known) + 0.5 * silent)

    def state(self) -> dict[str, Any]:
        """Return all that changes, as plain numbers."""
        return {each.kpi: each.state() for each in self._all()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned.  Raises ValueError if it is the state of other KPIs."""
        if set(state) != {each.kpi for each in self._all()}:
            raise ValueError(f"KPIs {', '.join(state)}")
        for each in self._all():
            each.restore(state[each.kpi])
        self.evidence = self._together()

    def _all(self) -> list[Comparison | SeriesComparison]:
        return [*self._counted.values(), *self._sampled.values()]

    def _together(self) -> float:
        """Return ln of the odds of all KPIs together; what cannot be measured stays at 1 : 1."""
        measured = [(each.share, each.evidence) for each in self._all() if each.share]
        silent = 1.0 - sum(share for share, _ in measured)
        logs = [log(share) + evidence for share, evidence in measured]
        return log_sum([*logs, log(silent)] if silent > 1e-9 else logs)

    def _unmeasured(self, kpi: str) -> KpiVerdict:
        options = self._config.kpis[kpi]
        return KpiVerdict(
            kpi=kpi,
            verdict=Verdict.UNDECIDED,
            live_rate=None,
            shadow_rate=None,
            evidence=1.0,
            needed=1.0 / (self._alpha * (self._shares[kpi] or 1.0)),
            ni_evidence=1.0,
            ni_needed=1.0 / self._config.false_promotion,
            requests_to_verdict=None,
            sentence=f"not compared: {self._scale.answers} answers of live before the rollout are too few",
            tolerance=options.tolerance,
            promote=options.promote,
        )
