import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter.change.dependencies import levels, loop_message, shortest_loop, start_order, stop_order
from splitter.errors import TemplateError
from splitter.template import Dependency, Service, Template

NAMES = "abcdefgh"
GRAPHS = st.dictionaries(st.sampled_from(NAMES), st.sets(st.sampled_from(NAMES), max_size=3), max_size=8)


def template(graph: dict[str, set[str]]) -> Template:
    services = {
        name: Service(name=name, depends_on=tuple(Dependency(other) for other in sorted(others)))
        for name, others in graph.items()
    }
    return Template("p", "/d", services)


class TestLevels:
    def test_by_dependency_then_name(self) -> None:
        """
        A service stands in the first level in which all it waits for is there.
        """
        graph = {"web": {"api", "db"}, "api": {"db"}, "db": set(), "cache": set(), "outside": {"elsewhere"}}

        assert levels(graph) == (("cache", "db", "outside"), ("api",), ("web",))

    @given(GRAPHS)
    def test_order_or_loop(self, graph: dict[str, set[str]]) -> None:
        """
        Either every service starts after all it waits for, or there is a real loop to print.
        """
        ordered = levels(graph)
        loop = shortest_loop(graph)

        if ordered is None:
            assert loop[0] == loop[-1]
            assert all(after in graph[before] for before, after in itertools.pairwise(loop))
        else:
            assert loop == ()
            position = {name: index for index, level in enumerate(ordered) for name in level}
            assert sorted(position) == sorted(graph)
            for name, others in graph.items():
                assert all(position[other] < position[name] for other in others if other in graph)

    @given(GRAPHS)
    def test_same_graph_same_order(self, graph: dict[str, set[str]]) -> None:
        """
        The order of the input does not show in the output.
        """
        turned = dict(reversed(list(graph.items())))

        assert levels(graph) == levels(turned)
        assert shortest_loop(graph) == shortest_loop(turned)


class TestOrders:
    def test_stop_is_start_backwards(self) -> None:
        """
        What starts last stops first.
        """
        graph = template({"web": {"db"}, "api": {"db"}, "db": set()})

        assert start_order(graph) == (("db",), ("api", "web"))
        assert stop_order(graph) == (("web", "api"), ("db",))

    @given(GRAPHS)
    def test_every_order_turns_round(self, graph: dict[str, set[str]]) -> None:
        """
        Every stack is retired in the reverse of the order that it was started in, and nothing is left behind.
        """
        whole = template(graph)
        if levels(graph) is None:
            with pytest.raises(TemplateError):
                stop_order(whole)
            return

        started = [name for level in start_order(whole) for name in level]

        assert started[::-1] == [name for level in stop_order(whole) for name in level]
        assert sorted(started) == sorted(graph)

    def test_a_loop_is_an_error(self) -> None:
        """
        Services that wait for each other are refused with the shortest loop.
        """
        with pytest.raises(TemplateError, match="b → c → b"):
            start_order(template({"a": {"b"}, "b": {"c"}, "c": {"b"}}))

    def test_the_sentence(self) -> None:
        """
        The loop is printed from a name back to itself.
        """
        assert "a → b → a" in loop_message(("a", "b", "a"))
