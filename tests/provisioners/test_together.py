"""What a stack uses is what its parts use."""

from provisioners.together import host_limit, together
from splitter.model import Resources


class TestTogether:
    def test_memory_is_that_of_the_fullest_part(self) -> None:
        """
        A small part near its limit tells more than a large one far from its own.
        """
        large, small = Resources(memory=900, memory_limit=10_000), Resources(memory=80, memory_limit=100)

        assert together([large, small]) == Resources(memory=80, memory_limit=100)

    def test_the_rest_is_summed(self) -> None:
        """
        CPU seconds, cores, restarts and kills are those of all parts, and processes where they have no limit.
        """
        one = Resources(memory=1, memory_limit=10, cpu_s=1.5, cpu_limit=2, pids=3, restarts=1, oom_kills=1)
        other = Resources(memory=2, memory_limit=10, cpu_s=0.5, cpu_limit=1, pids=1, restarts=2)

        assert together([one, other]) == Resources(
            memory=2, memory_limit=10, cpu_s=2.0, cpu_limit=3, pids=4, restarts=3, oom_kills=1
        )

    def test_processes_are_those_of_the_part_nearest_its_limit(self) -> None:
        """
        Whoever may have no more processes is what ends the stack.
        """
        parts = [Resources(pids=50, pids_limit=1_000), Resources(pids=9, pids_limit=10), Resources(pids=70)]

        found = together(parts)

        assert found is not None
        assert (found.pids, found.pids_limit) == (9, 10)

    def test_nothing_of_nothing(self) -> None:
        """
        A stack of which nothing runs uses nothing that could be measured.
        """
        assert together([]) is None


class TestHostLimit:
    def test_leaves_a_tenth(self) -> None:
        """
        A part without a limit may use nine tenths of the host.
        """
        assert host_limit(1_000) == 900
