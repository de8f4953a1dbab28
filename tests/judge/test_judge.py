import json
import random
from bisect import bisect_left
from dataclasses import replace

import pytest

from splitter.errors import StateError
from splitter.judge.calibration import Baseline
from splitter.judge.config import LATENCIES, GuardOptions, JudgeConfig, OnUndecided, profile
from splitter.judge.judge import Judge, JudgeStateError
from splitter.judge.tick import Tick
from splitter.judge.verdict import Action, Decision, Verdict
from splitter.model import Counts, Pairs, Resources, Side
from tests.judge.worlds import HONEST, Manners, World

QUICK = replace(JudgeConfig(), warmup_s=5.0, dwell_s=5.0, min_duration_s=60.0, max_duration_s=600.0)
BASELINE = Baseline(n=3_000, latency=tuple((10_000 + 100 * place, 30) for place in range(1, 101)), span_s=600.0)


def judge(config: JudgeConfig = QUICK, baseline: Baseline | None = BASELINE) -> Judge:
    made = Judge(config)
    if baseline:
        made.calibrate(baseline)
    return made


def good(seat: Judge, t: int = 0) -> Tick:
    """Return a tick in which both stacks do as the baseline did."""
    return Tick(t, live=counts(seat, Side.LIVE, 900), shadow=counts(seat, Side.SHADOW, 100))


def bad(seat: Judge, t: int = 0) -> Tick:
    """Return a tick in which a fiftieth of the shadow's requests fails: too little for a guard."""
    return replace(good(seat, t), shadow=counts(seat, Side.SHADOW, 100, failures=2))


def some_fail(seat: Judge, t: int) -> Tick:
    """Return a tick of a shadow of which one request in 800 fails, which is within the promotion margin."""
    return replace(good(seat, t), shadow=counts(seat, Side.SHADOW, 100, failures=int(t % 8 == 0)))


def idle(seat: Judge, t: int = 0) -> Tick:
    """Return a tick in which the shadow has no request."""
    return replace(good(seat, t), shadow=None)


def counts(seat: Judge, side: Side, n: int, failures: int = 0) -> Counts:
    """Return `n` requests: the failures, and answers that took 10.1 ms to 20 ms, evenly."""
    edges, answers = seat.edges(side), n - failures
    bins = [0] * (len(edges) + 1)
    for place in range(answers):
        bins[bisect_left(edges, 10_000 + 100 * (1 + place % 100))] += 1
    return Counts(n, failures, failures, bins=tuple(bins))


def last(seat: Judge, ticks: list[Tick]) -> Decision:
    """Return what the last of `ticks` led to."""
    return [seat.observe(tick) for tick in ticks][-1]


def until_decided(seat: Judge, tick: Tick, ticks: int = 700) -> tuple[int, Decision]:
    """Return the first decision other than CONTINUE, and after how many times `tick` it fell."""
    for count in range(1, ticks + 1):
        decision = seat.observe(tick)
        if decision.action is not Action.CONTINUE:
            return count, decision
    raise AssertionError(f"{decision.action} after {ticks} ticks: {decision.reason}")


class TestStart:
    def test_knows_nothing(self) -> None:
        """
        The first tick decides nothing, has a verdict for every KPI and lets the share grow.
        """
        seat = judge()

        decision = seat.observe(idle(seat))

        assert decision.action is Action.CONTINUE
        assert decision.score == pytest.approx(50.0)
        assert decision.evidence == pytest.approx(1.0)
        assert decision.needed == pytest.approx(125.0)
        assert [verdict.kpi for verdict in decision.verdicts] == list(QUICK.kpis)
        assert decision.may_increase_share

    def test_says_how_warm_the_shadow_is(self) -> None:
        """
        During the warm-up the reason says what is missing.
        """
        seat = judge()

        decision = seat.observe(replace(good(seat), shadow=counts(seat, Side.SHADOW, 20)))

        assert decision.reason.startswith("warming up (20 of 50 requests, 1 s of 5 s): ")
        assert decision.requests == 20

    def test_has_edges_before_it_is_calibrated(self) -> None:
        """
        Without a baseline there is one edge on both sides, for answers that do not come.
        """
        seat = judge(baseline=None)

        assert seat.edges(Side.LIVE) == seat.edges(Side.SHADOW) == (5_000_000,)

    def test_cannot_be_calibrated_in_mid_run(self) -> None:
        """
        Edges are fixed before the first tick.
        """
        seat = judge()
        seat.observe(good(seat))

        with pytest.raises(AssertionError, match="edges are fixed"):
            seat.calibrate(BASELINE)


class TestPromotion:
    def test_follows_proof_that_has_lasted(self) -> None:
        """
        An equal shadow is promoted when its proof has held for the dwell time and the shortest duration is over.
        """
        count, decision = until_decided(judge(), good(judge()))

        assert decision.action is Action.PROMOTE
        assert count == 60
        wanted = {verdict.kpi for verdict in decision.verdicts if verdict.promote}
        proven = {verdict.kpi for verdict in decision.verdicts if verdict.verdict is Verdict.NON_INFERIOR}
        assert wanted == proven == {"error_rate", "client_error_rate", *LATENCIES}
        assert decision.score > 85
        assert decision.reason.startswith("every KPI that counts is proven within its promotion margin after 60 s and ")
        assert decision.reason.endswith("; promoting")

    def test_waits_for_the_dwell_time(self) -> None:
        """
        When proof is quick and the shortest duration short, the dwell time is what is left.
        """
        patient = judge(replace(QUICK, min_duration_s=1.0, dwell_s=30.0))
        hasty = judge(replace(QUICK, min_duration_s=1.0, dwell_s=0.0))

        late, _ = until_decided(patient, good(patient))
        early, _ = until_decided(hasty, good(hasty))

        assert late - early == pytest.approx(29, abs=1)

    def test_is_not_compared_while_live_is_idle(self) -> None:
        """
        Without a request of live nothing is proven and no comparison speaks against the shadow; guards go on: two
        failures in a hundred are let pass, one in two is not.
        """
        seat = judge()

        calm = last(seat, [replace(bad(seat), live=None, seconds=1.0) for _ in range(100)])
        broken = replace(good(seat), live=None, shadow=counts(seat, Side.SHADOW, 100, failures=50))

        assert calm.action is Action.CONTINUE
        assert calm.evidence == pytest.approx(1.0)
        assert until_decided(seat, broken)[1].kpi == "guards.error_rate"

    def test_clock_stands_while_the_shadow_is_idle(self) -> None:
        """
        Ticks without a request of the shadow neither count nor begin the dwell anew.
        """
        seat = judge(replace(QUICK, min_duration_s=1.0, dwell_s=30.0))
        count, _ = until_decided(judge(replace(QUICK, min_duration_s=1.0, dwell_s=30.0)), good(seat))

        decision = last(seat, [*[good(seat)] * (count - 1), *[idle(seat)] * 50])

        assert decision.action is Action.CONTINUE
        assert seat.observe(good(seat)).action is Action.PROMOTE

    def test_stays_and_still_yields_to_a_rollback(self) -> None:
        """
        What was promoted stays promoted on good ticks, and is rolled back when it turns bad.
        """
        seat = judge()
        _, promotion = until_decided(seat, good(seat))

        again = seat.observe(good(seat))
        count, rollback = next((n, d) for n in range(60) if (d := seat.observe(bad(seat))).action is Action.ROLLBACK)

        assert (promotion.action, promotion.reason) == (again.action, again.reason)
        assert again.may_increase_share
        assert rollback.kpi == "error_rate"
        assert count < 60

    def test_needs_no_latencies_where_live_had_none(self) -> None:
        """
        Without a baseline a shadow is promoted on its errors alone, and the other KPIs say why they are silent.
        """
        seat = judge(baseline=None)

        _, decision = until_decided(seat, good(seat))

        assert decision.action is Action.PROMOTE
        sentences = {verdict.kpi: verdict.sentence for verdict in decision.verdicts}
        assert sentences["latency_p99"] == "not compared: 0 answers of live before the rollout are too few"

    def test_is_never_given_for_silence(self) -> None:
        """
        A shadow without a single request is undecided at the end, whatever the policy.
        """
        seat = judge(replace(QUICK, on_undecided=OnUndecided.PROMOTE_IF_NOT_WORSE))

        _, decision = until_decided(seat, idle(seat))

        assert decision.action is Action.UNDECIDED


class TestRollback:
    def test_names_figures_odds_and_what_follows(self) -> None:
        """
        The reason is one sentence: both rates, the odds, the claim, what was needed, what happens next.
        """
        _, decision = until_decided(judge(), bad(judge()))

        assert decision.action is Action.ROLLBACK
        assert decision.kpi == "error_rate"
        assert decision.reason.startswith("error rate 2 % against 0 % of live: ")
        assert " : 1 against 'no worse than 1.25x + 0.05 %', needed 313 : 1; rolling back" in decision.reason
        assert not decision.may_increase_share
        assert decision.verdicts[0].verdict is Verdict.WORSE

    def test_names_the_edges_of_a_latency(self) -> None:
        """
        For a latency the reason says what was counted as slow on either side.
        """
        seat = judge()
        edges = seat.edges(Side.SHADOW)
        slow = Counts(100, bins=(50, *[0] * (len(edges) - 3), 50, 0, 0))

        _, decision = until_decided(seat, replace(good(seat), shadow=slow))

        assert decision.kpi.startswith("latency_")
        assert "of answers took more than" in decision.reason
        assert "of live's more than" in decision.reason

    def test_adds_up_what_speaks_against_the_shadow(self) -> None:
        """
        Two KPIs that would not do alone do together, and the sentence says so.
        """
        kpis = {name: replace(QUICK.kpis[name], weight=0.5) for name in ("error_rate", "client_error_rate")}
        config = replace(QUICK, guards=GuardOptions(error_rate=None), kpis=kpis)
        found = set()
        for seed in range(40):
            seat = judge(config, None)
            world = World(seed, rps=1_000, share=0.1)
            for t in range(60):
                tick = world.tick(t, seat, Manners(failures=0.004, client_errors=0.04))
                decision = seat.observe(tick)
                if decision.action is Action.ROLLBACK:
                    found.add("with the other KPIs" in decision.reason)
                    break

        assert True in found

    def test_is_final(self) -> None:
        """
        After a rollback every tick gets the very same answer, also a good or a broken one.
        """
        seat = judge()
        _, decision = until_decided(seat, bad(seat))

        assert seat.observe(good(seat)) is decision
        assert seat.observe(Tick(9, seconds=-1.0)) is decision

    def test_comes_at_once_when_the_shadow_died(self) -> None:
        """
        A dead stack needs no evidence; its reason is the provisioner's.
        """
        seat = judge()

        decision = seat.observe(Tick(0, died="web ended with code 137"))

        assert decision.action is Action.ROLLBACK
        assert decision.kpi == "stack"
        assert decision.reason == "the shadow died: web ended with code 137; rolling back"

    def test_wins_over_a_promotion_in_the_same_tick(self) -> None:
        """
        In the tick that would promote, an alarm rolls back.
        """
        seat = judge()
        for t in range(59):
            seat.observe(good(seat, t))

        assert seat.observe(replace(good(seat), died="oom")).action is Action.ROLLBACK

    def test_is_no_matter_of_warmth_for_errors(self) -> None:
        """
        A shadow that fails while it warms up is not waited for.
        """
        seat = judge(replace(QUICK, warmup_s=500.0))

        count, decision = until_decided(seat, bad(seat))

        assert decision.action is Action.ROLLBACK
        assert count < 100


class TestTime:
    def test_ends_undecided(self) -> None:
        """
        With too little traffic to prove anything the longest duration ends it; the reason says what is open.
        """
        seat = judge()
        few = replace(good(seat), live=counts(seat, Side.LIVE, 9), shadow=counts(seat, Side.SHADOW, 0))

        count, decision = until_decided(seat, few)

        assert count == 600
        assert decision.action is Action.UNDECIDED
        assert decision.reason.startswith("undecided after 10 min and 0 shadow requests: error rate, client error rate")
        assert decision.reason.endswith("on_undecided says rollback")

    def test_promotes_what_leans_well_if_told_to(self) -> None:
        """
        Under `promote_if_not_worse` a shadow that every proof leans towards is promoted at the end.
        """
        config = replace(QUICK, min_duration_s=1.0, max_duration_s=13.0, on_undecided=OnUndecided.PROMOTE_IF_NOT_WORSE)
        seat = judge(config)

        _, decision = until_decided(
            seat, replace(good(seat), live=counts(seat, Side.LIVE, 300), shadow=counts(seat, Side.SHADOW, 30))
        )

        assert decision.action is Action.PROMOTE
        assert decision.age_s == 13
        assert decision.reason.startswith("nothing is worse after 13 s and 390 shadow requests: ")
        assert decision.by_policy
        assert decision.leans_well

    def test_says_that_a_promotion_was_policy_after_a_restart(self) -> None:
        """
        What was promoted by policy is not taken for proven by a daemon that was started again.
        """
        config = replace(QUICK, min_duration_s=1.0, max_duration_s=13.0, on_undecided=OnUndecided.PROMOTE_IF_NOT_WORSE)
        seat = judge(config)
        tick = replace(good(seat), live=counts(seat, Side.LIVE, 300), shadow=counts(seat, Side.SHADOW, 30))
        until_decided(seat, tick)

        again = Judge.from_state(config, json.loads(json.dumps(seat.state_dict())))

        decision = again.observe(tick)
        assert decision.action is Action.PROMOTE
        assert decision.by_policy

    def test_does_not_promote_by_policy_what_does_not_lean_well(self) -> None:
        """
        Failures that prove nothing yet are enough to keep `promote_if_not_worse` from promoting.
        """
        config = replace(QUICK, min_duration_s=1.0, max_duration_s=13.0, on_undecided=OnUndecided.PROMOTE_IF_NOT_WORSE)
        seat = judge(config)
        few = replace(good(seat), live=counts(seat, Side.LIVE, 300), shadow=counts(seat, Side.SHADOW, 3))
        failing = replace(few, shadow=replace(counts(seat, Side.SHADOW, 2), n=3, e5=1, e5u=1))

        seat.observe(failing)
        _, decision = until_decided(seat, few)

        assert decision.action is Action.UNDECIDED
        assert not decision.leans_well
        assert decision.reason.endswith("too little for on_undecided to promote it")

    def test_waits_for_the_score_that_is_asked_for(self) -> None:
        """
        `min_score` holds back what is proven while something speaks against it; the reason names both figures.
        """
        seats = [judge(), judge(replace(QUICK, min_score=90.0))]
        free, bound = ([some_fail(seat, t) for t in range(60)] for seat in seats)

        decided, waiting = last(seats[0], free), last(seats[1], bound)

        assert decided.action is Action.PROMOTE
        assert 50 < decided.score < 90
        assert waiting.action is Action.CONTINUE
        assert waiting.score == decided.score
        assert waiting.reason == "all proven, but the score is 87.3, at least 90 is asked for; continuing"

    def test_can_be_extended(self) -> None:
        """
        A rollout that was held as undecided and is resumed gets more time, and may then be promoted.
        """
        seat = judge()
        until_decided(seat, idle(seat))

        seat.extend(120.0)

        assert seat.observe(idle(seat)).action is Action.CONTINUE
        count, decision = until_decided(seat, good(seat))
        assert decision.action is Action.PROMOTE
        assert count < 120

    def test_watches_what_is_held(self) -> None:
        """
        An undecided shadow stays undecided on good ticks and is rolled back on bad ones.
        """
        seat = judge()
        until_decided(seat, idle(seat))

        assert seat.observe(good(seat)).action is Action.UNDECIDED
        count = next(n for n in range(100) if seat.observe(bad(seat)).action is Action.ROLLBACK)
        assert count < 100

    def test_takes_ticks_of_any_length(self) -> None:
        """
        Durations are sums of the ticks' seconds.
        """
        seat = judge()

        count, decision = until_decided(seat, replace(idle(seat), seconds=7.5))

        assert count == 80
        assert decision.age_s == 600


class TestShare:
    def test_may_not_grow_while_something_speaks_against_the_shadow(self) -> None:
        """
        Long before it rolls back the judge asks to wait.
        """
        seat = judge()
        answers = [seat.observe(good(seat)).may_increase_share]
        for _ in range(100):
            decision = seat.observe(bad(seat))
            answers.append(decision.may_increase_share)
            if decision.action is Action.ROLLBACK:
                break

        assert answers[0]
        assert not answers[-2]


class TestRejection:
    @pytest.mark.parametrize(
        "change",
        [
            {"seconds": float("nan")},
            {"shadow": Counts(n=-3)},
            {"live": Counts(n=5, e5=float("nan"))},  # type: ignore[arg-type]
            {"shadow_uses": Resources(memory=float("inf"))},
        ],
    )
    def test_counts_the_tick_and_goes_on_as_if_it_had_not_been(self, change: dict[str, object]) -> None:
        """
        A tick that cannot be is named in the reason, counted, and changes no figure.
        """
        seat, other = judge(), judge()
        for t in range(8):
            seat.observe(good(seat, t))
            other.observe(good(other, t))

        decision = seat.observe(replace(good(seat, 8), **change))  # type: ignore[arg-type]

        assert seat.rejected == 1
        assert decision.action is Action.CONTINUE
        assert decision.reason.startswith("tick 8 was left out: ")
        assert replace(seat.observe(good(seat, 9)), reason="") == replace(other.observe(good(other, 9)), reason="")

    def test_does_not_hide_that_the_shadow_died(self) -> None:
        """
        A tick with broken counts that says the stack died rolls back.
        """
        decision = judge().observe(Tick(0, shadow=Counts(n=-1), died="oom"))

        assert decision.action is Action.ROLLBACK

    def test_keeps_a_decision_that_stands(self) -> None:
        """
        A broken tick after a promotion does not take it back.
        """
        seat = judge()
        until_decided(seat, good(seat))

        assert seat.observe(Tick(0, seconds=-1.0)).action is Action.PROMOTE


class TestBins:
    def test_that_do_not_fit_leave_latencies_out(self) -> None:
        """
        The first window after the edges were set has other bins: its errors count, its latencies do not.
        """
        seat = judge()

        decision = last(seat, [replace(good(seat), live=Counts(n=900, bins=(900,)))] * 50)

        rates = {verdict.kpi: verdict.live_rate for verdict in decision.verdicts}
        assert rates["error_rate"] == 0.0
        assert rates["latency_p50"] is None


class TestRefresh:
    """A baseline that holds a stall, and a live that has left it behind."""

    @staticmethod
    def stalled(world: World) -> Baseline:
        """Return a baseline with one answer in twenty after two seconds."""
        usual = world.baseline(60)
        slow = usual.answers // 20
        return replace(usual, n=usual.n + slow, latency=(*usual.latency, (2_000_000, slow)))

    def decided(self, shadow: Manners, *, refreshes: bool, seed: int = 11) -> Decision:
        """Return how it ends; windows are cut at the edges of the moment in which they are opened."""
        config = replace(JudgeConfig(), warmup_s=5.0, dwell_s=5.0, min_duration_s=30.0, max_duration_s=240.0)
        world = World(seed, rps=300, share=0.5)
        seat = judge(config, self.stalled(world))
        upcoming = world.tick(0, seat, shadow)
        for t in range(1, 300):
            tick, upcoming = upcoming, world.tick(t, seat, shadow)
            decision = seat.observe(tick)
            if decision.action is not Action.CONTINUE:
                return decision
            if refreshes and seat.is_stale:
                seat.refresh(world.baseline(60))
        raise AssertionError(decision.reason)

    def test_lets_equal_stacks_be_proven_sooner(self) -> None:
        """
        What hardly anybody exceeds any more takes long to prove; with edges where live is now it does not.
        """
        late, soon = (self.decided(HONEST, refreshes=refreshes) for refreshes in (False, True))

        assert soon.action is Action.PROMOTE
        assert soon.age_s < late.age_s / 2

    def test_lets_a_slower_stack_be_found(self) -> None:
        """
        A shadow whose tail has grown is found on the new edges as well.
        """
        slower = Manners(slower=lambda us, dice: us * (5 if dice.random() < 0.05 else 1))

        assert self.decided(slower, refreshes=True).action is Action.ROLLBACK

    def test_rolls_back_no_equal_stack(self) -> None:
        """
        To cut anew, as often as it seems worth it, makes no evidence against equal stacks.
        """
        assert {self.decided(HONEST, refreshes=True, seed=seed).action for seed in range(6)} == {Action.PROMOTE}

    def test_is_for_edges_that_live_has_left(self) -> None:
        """
        While live is as it was, nothing is stale.
        """
        world = World(4, rps=300, share=0.5)
        seat = judge(QUICK, world.baseline(60))

        for t in range(60):
            seat.observe(world.tick(t, seat, HONEST))

            assert not seat.is_stale

    def test_keeps_what_can_be_proven(self) -> None:
        """
        A baseline on which something could not be proven any more changes nothing.
        """
        seat = judge()
        edges = seat.edges(Side.LIVE)

        assert not seat.refresh(Baseline(n=50, latency=((20_000, 50),)))
        assert seat.edges(Side.LIVE) == edges


class TestComparable:
    def test_is_only_guarded_if_requests_are_not_random(self) -> None:
        """
        Where requests choose their stack nothing is compared: no evidence, no promotion, and guards all the same.
        """
        config = replace(QUICK, comparable=False)
        seat = judge(config)

        count, decision = until_decided(seat, bad(seat))

        assert (decision.action, count) == (Action.UNDECIDED, 600)
        assert decision.evidence == pytest.approx(1.0)
        broken = judge(config)
        assert until_decided(broken, replace(good(broken), shadow=Counts(n=100, e5=100)))[1].kpi == "guards.error_rate"


class TestMirror:
    """Requests are copied to the shadow: it has pairs, and no requests of its own."""

    def mirrored(self, seat: Judge, pairs: Pairs) -> Tick:
        return replace(good(seat), shadow=None, pairs=pairs)

    def test_finds_errors_that_only_the_copies_have(self) -> None:
        """
        Of twenty copies a second one fails alone.
        """
        seat = judge(replace(QUICK, guards=GuardOptions(error_rate=None)))

        count, decision = until_decided(seat, self.mirrored(seat, Pairs(n=20, shadow_only=1)))

        assert decision.kpi == "error_rate"
        assert count < 60

    def test_finds_copies_that_are_later(self) -> None:
        """
        At strong differences between requests, 150 pairs show a tenth more: each is compared with itself.
        """
        dice = random.Random(1)
        seat = judge(replace(QUICK, warmup_requests=0, warmup_s=0.0))
        pairs, decision = 0, seat.observe(idle(seat))
        while decision.action is Action.CONTINUE:
            originals = [dice.randint(5_000, 900_000) for _ in range(5)]
            latencies = tuple((us, int(us * dice.gauss(1.16, 0.1))) for us in originals)
            decision = seat.observe(self.mirrored(seat, Pairs(n=5, latencies_us=latencies)))
            pairs += 5

        assert decision.kpi == "latency_p50"
        assert pairs <= 150

    def test_leaves_a_dead_shadow(self) -> None:
        """
        When every copy fails and no original does, the guard needs seconds.
        """
        seat = judge()

        count, decision = until_decided(seat, self.mirrored(seat, Pairs(n=5, shadow_only=5)))

        assert decision.kpi == "guards.error_rate"
        assert count <= 5

    def test_proves_nothing(self) -> None:
        """
        Copies are a choice of requests: equal pairs for ever are no promotion.
        """
        seat = judge()

        _, decision = until_decided(seat, self.mirrored(seat, Pairs(n=50, latencies_us=((9_000, 9_000),) * 50)))

        assert decision.action is Action.UNDECIDED

    def test_goes_on_to_a_split_with_what_it_knows(self) -> None:
        """
        Evidence from pairs is still there when requests are split.
        """
        seat = judge()
        before = last(seat, [self.mirrored(seat, Pairs(n=20, shadow_only=1))] * 8)

        after = seat.observe(good(seat))

        assert before.requests == 160
        assert before.evidence > 3
        assert after.evidence > before.evidence / 2


class TestState:
    @pytest.mark.parametrize("shadow", [HONEST, Manners(failures=0.02), Manners(slower=lambda us, _: 1.3 * us)])
    def test_goes_on_as_if_nothing_had_been(self, shadow: Manners) -> None:
        """
        A judge that is kept as JSON and restored at every tick decides, word for word, what one that never was decides.
        """
        config = replace(JudgeConfig(), warmup_s=10.0, dwell_s=20.0, min_duration_s=60.0, max_duration_s=200.0)
        world = World(5, rps=300, share=0.2)
        seat = judge(config, world.baseline(60))
        other = Judge.from_state(config, seat.state_dict())

        for t in range(220):
            tick = world.tick(t, seat, shadow)
            other = Judge.from_state(config, json.loads(json.dumps(other.state_dict(), allow_nan=False)))

            assert seat.observe(tick) == other.observe(tick)

        assert seat.state_dict() == other.state_dict()

    def test_keeps_a_rollback(self) -> None:
        """
        What was rolled back is so after a restart, with the same words.
        """
        seat = judge()
        _, decision = until_decided(seat, bad(seat))

        restored = Judge.from_state(QUICK, json.loads(json.dumps(seat.state_dict())))

        assert decision == restored.observe(good(seat))

    @pytest.mark.parametrize(
        "damage",
        [
            {"version": 99},
            {"scale": {}},
            {"kpis": {}},
            {"guards": None},
            {"age_s": "long"},
        ],
    )
    def test_is_refused_if_it_cannot_be_read(self, damage: dict[str, object]) -> None:
        """
        A state that does not fit is an error of the state directory's family, and a ValueError.
        """
        state = {**judge().state_dict(), **damage}

        with pytest.raises(JudgeStateError, match="does not fit its options") as caught:
            Judge.from_state(QUICK, state)

        assert isinstance(caught.value, StateError)
        assert isinstance(caught.value, ValueError)

    def test_is_refused_by_other_options(self) -> None:
        """
        A judge of other KPIs does not go on from it.
        """
        fewer = replace(QUICK, kpis={"error_rate": QUICK.kpis["error_rate"]})

        with pytest.raises(JudgeStateError, match="error_rate"):
            Judge.from_state(fewer, judge().state_dict())


class TestDeterminism:
    def test_same_ticks_lead_to_same_decisions(self) -> None:
        """
        Two judges that are told the same say the same, figure by figure.
        """
        world, config = World(3, rps=200, share=0.1), profile("strict")
        one, two = judge(config, world.baseline(60)), judge(config, world.baseline(0))
        two = Judge.from_state(config, one.state_dict())

        for t in range(120):
            tick = world.tick(t, one, Manners(failures=0.004))

            assert one.observe(tick) == two.observe(tick)
