from hypothesis import given
from hypothesis import strategies as st

from provisioners import startup
from splitter.template import Condition, Dependency, Healthcheck, Service

CHECK = Healthcheck(("CMD", "true"))
STARTED = {Condition.STARTED}


def services(**dependencies: tuple[Dependency, ...]) -> dict[str, Service]:
    return {name: Service(name=name, depends_on=each) for name, each in dependencies.items()}


@st.composite
def acyclic(draw: st.DrawFn) -> dict[str, Service]:
    """Return services that depend on earlier ones only."""
    names = [f"s{number}" for number in range(draw(st.integers(0, 8)))]
    found = {}
    for at, name in enumerate(names):
        earlier = draw(st.lists(st.sampled_from(names[:at]), unique=True)) if at else []
        found[name] = Service(name=name, depends_on=tuple(Dependency(each) for each in earlier))
    return found


class TestDue:
    def test_service_without_dependencies_starts_at_once(self) -> None:
        """
        Whoever waits for nobody is due first, by name.
        """
        assert startup.due(services(b=(), a=()), begun=set(), reached={}) == ["a", "b"]

    def test_dependent_waits_for_its_condition(self) -> None:
        """
        A dependency that is started but not healthy does not let a dependent start that asks for health.
        """
        both = services(db=(), web=(Dependency("db", Condition.HEALTHY),))

        assert startup.due(both, begun={"db"}, reached={"db": STARTED}) == []
        assert startup.due(both, begun={"db"}, reached={"db": STARTED | {Condition.HEALTHY}}) == ["web"]

    def test_service_starts_once(self) -> None:
        """
        What was begun is not due again.
        """
        assert startup.due(services(a=()), begun={"a"}, reached={}) == []

    def test_lost_optional_dependency_holds_nobody_up(self) -> None:
        """
        A dependency with `required: false` need not come up, nor be in the template.
        """
        web = (Dependency("cache", Condition.HEALTHY, required=False), Dependency("gone", required=False))

        assert startup.due(services(cache=(), web=web), begun={"cache"}, reached={}, lost={"cache"}) == ["web"]

    @given(acyclic())
    def test_everything_starts_in_the_order_of_its_levels(self, made: dict[str, Service]) -> None:
        """
        Starting whatever is due, round after round, starts each level in turn, until all are started.
        """
        begun: set[str] = set()
        rounds = []
        while now := startup.due(made, begun=begun, reached=dict.fromkeys(begun, STARTED)):
            begun |= set(now)
            rounds.append(now)

        assert rounds == startup.levels(made)
        assert begun == made.keys()


class TestGoals:
    def test_each_service_has_the_goal_that_fits_it(self) -> None:
        """
        A job completes, a service with a health check gets healthy, any other one just starts.
        """
        made = {
            "job": Service(name="job", healthcheck=CHECK),
            "web": Service(name="web", depends_on=(Dependency("job", Condition.COMPLETED),)),
            "db": Service(name="db", healthcheck=CHECK),
            "off": Service(name="off", healthcheck=Healthcheck(("NONE",))),
        }

        expected = {
            "job": Condition.COMPLETED,
            "web": Condition.STARTED,
            "db": Condition.HEALTHY,
            "off": Condition.STARTED,
        }
        assert startup.goals(made) == expected

    def test_optional_is_what_nobody_requires(self) -> None:
        """
        One dependent that requires a service is enough for the stack to require it; so is having no dependents.
        """
        lax, strict = Dependency("a", required=False), Dependency("b", required=True)
        made = services(a=(), b=(), web=(lax, strict), api=(Dependency("b", required=False),))

        assert startup.optional(made) == {"a"}


class TestImpossible:
    def test_possible_waits_are_no_problem(self) -> None:
        """
        A sound template has no problems.
        """
        assert startup.impossible(services(db=(), web=(Dependency("db"),))) == []

    def test_waiting_for_health_without_a_check(self) -> None:
        """
        Nobody gets healthy who cannot say so.
        """
        (problem,) = startup.impossible(services(db=(), web=(Dependency("db", Condition.HEALTHY),)))

        assert "service web waits until db is healthy, but db has no healthcheck" in problem

    def test_unknown_dependency(self) -> None:
        """
        A required dependency must be in the template.
        """
        assert startup.impossible(services(web=(Dependency("db"),))) == [
            "service web depends on db, which the template does not have"
        ]

    def test_circle_is_printed(self) -> None:
        """
        Services that wait for each other are named in the order of their waiting.
        """
        (problem,) = startup.impossible(services(a=(Dependency("b"),), b=(Dependency("a"),)))

        assert problem.endswith(("a → b → a", "b → a → b"))
