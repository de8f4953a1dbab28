"""What a stack uses is what its parts use."""

from provisioners.usage import of_host, together
from splitter.model import Usage


class TestTogether:
    def test_memory_is_that_of_the_fullest_part(self) -> None:
        """
        A small part near its limit tells more than a large one far from its own.
        """
        large, small = Usage(900, 10_000), Usage(80, 100)

        found = together([large, small])

        assert found is not None
        assert (found.memory_bytes, found.memory_limit_bytes, found.memory) == (80, 100, 0.8)

    def test_the_rest_is_summed(self) -> None:
        """
        CPU seconds, cores, processes, restarts and kills are those of all parts.
        """
        one = Usage(1, 10, cpu_s=1.5, cpus=2, pids=3, restarts=1, oom_kills=1)
        other = Usage(2, 10, cpu_s=0.5, cpus=1, pids=1, restarts=2)

        assert together([one, other]) == Usage(2, 10, cpu_s=2.0, cpus=3, pids=4, restarts=3, oom_kills=1)

    def test_nothing_of_nothing(self) -> None:
        """
        A stack of which nothing runs uses nothing that could be measured.
        """
        assert together([]) is None


class TestOfHost:
    def test_leaves_a_tenth(self) -> None:
        """
        A part without a limit may use nine tenths of the host.
        """
        assert of_host(1_000) == 900
