"""What a stack uses is what its services use, and only the same services are compared."""

from splitter.model import Resources
from splitter.resources import alike, together, whole

USES = {"web": Resources(cpu_s=1.0), "db": Resources(cpu_s=50.0), "worker": Resources(cpu_s=7.0)}


class TestTogether:
    def test_memory_is_that_of_the_fullest_part(self) -> None:
        """
        A small part near its limit tells more than a large one far from its own.
        """
        large, small = Resources(memory=900, memory_limit=10_000), Resources(memory=80, memory_limit=100)

        assert together([large, small]) == Resources(memory=80, memory_limit=100, memory_total=980)

    def test_the_rest_is_summed(self) -> None:
        """
        CPU seconds, cores, restarts and kills are those of all parts, and processes where they have no limit.
        """
        one = Resources(memory=1, memory_limit=10, cpu_s=1.5, cpu_limit=2, pids=3, restarts=1, oom_kills=1)
        other = Resources(memory=2, memory_limit=10, cpu_s=0.5, cpu_limit=1, pids=1, restarts=2)

        assert together([one, other]) == Resources(
            memory=2, memory_limit=10, memory_total=3, cpu_s=2.0, cpu_limit=3, pids=4, restarts=3, oom_kills=1
        )

    def test_processes_are_those_of_the_part_nearest_its_limit(self) -> None:
        """
        Whoever may have no more processes is what ends the stack.
        """
        parts = [Resources(pids=50, pids_limit=1_000), Resources(pids=9, pids_limit=10), Resources(pids=70)]

        found = together(parts)

        assert found is not None
        assert (found.pids, found.pids_limit) == (9, 10)

    def test_descriptors_are_those_of_the_part_nearest_its_limit(self) -> None:
        """
        Whoever can open no more is what ends the stack, and no sum has a meaning.
        """
        parts = [Resources(descriptors=50, descriptors_limit=1_000), Resources(descriptors=9, descriptors_limit=10)]

        found = together(parts)

        assert found is not None
        assert (found.descriptors, found.descriptors_limit) == (9, 10)

    def test_kills_that_nobody_knows_of_stay_unknown(self) -> None:
        """
        Unknown is not none; what is known of one part is.
        """
        unknown, known = Resources(memory=1), Resources(memory=1, oom_kills=0)

        assert (together([unknown]) or known).oom_kills is None
        assert (together([unknown, known]) or unknown).oom_kills == 0

    def test_nothing_of_nothing(self) -> None:
        """
        A stack of which nothing runs uses nothing that could be measured.
        """
        assert together([]) is None


class TestWhole:
    def test_names_the_services(self) -> None:
        """
        Who reads a figure can see what it is the figure of.
        """
        found = whole({"web": Resources(cpu_s=1.0), "api": Resources(cpu_s=2.0)})

        assert found == Resources(cpu_s=3.0, services=("api", "web"))

    def test_is_none_of_nothing(self) -> None:
        """
        Where nobody can look into a stack there are no figures, not figures of 0.
        """
        assert whole({}) is None


class TestAlike:
    def test_leaves_out_what_the_other_has_none_of(self) -> None:
        """
        A database that both stacks use is counted for its maker; it is left out, by name, where stacks are compared.
        """
        found = alike(USES, ["web"])

        assert found == Resources(cpu_s=1.0, services=("web",), left_out=("db", "worker"))

    def test_is_none_without_a_common_service(self) -> None:
        """
        Stacks that have nothing in common are not compared.
        """
        assert alike(USES, ["api"]) is None
