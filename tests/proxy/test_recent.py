"""What is remembered of many things, and for how long."""

from splitter.proxy.recent import Recent


def keep(recent: Recent[int], key: bytes, value: int) -> None:
    """Offer a value twice, so that it is kept."""
    for _ in range(2):
        recent.offer(key, value)


class TestRecent:
    def test_returns_what_was_offered_last(self) -> None:
        """
        A thing is found by its own bytes and no others; a later one takes its place.
        """
        recent: Recent[int] = Recent(4, 8)
        keep(recent, b"a", 1)
        keep(recent, b"b", 2)
        keep(recent, b"a", 3)

        assert [recent.get(key) for key in (b"a", b"b", b"c")] == [3, 2, None]

    def test_keeps_nothing_that_came_once(self) -> None:
        """
        The first time is only marked: most things never come again.
        """
        recent: Recent[int] = Recent(8, 8)
        for number in range(100):
            recent.offer(b"%d" % number, number)

        assert len(recent) == 0

    def test_keeps_nothing_long(self) -> None:
        """
        What is longer than it may be is not kept, however often it comes.
        """
        recent: Recent[int] = Recent(8, 8)
        keep(recent, b"x" * 9, 1)
        keep(recent, b"x" * 8, 2)

        assert (recent.get(b"x" * 9), recent.get(b"x" * 8)) == (None, 2)

    def test_is_bounded(self) -> None:
        """
        However many things come, no more than the bound are kept, the last one among them.
        """
        recent: Recent[int] = Recent(8, 8)
        for number in range(1_000):
            keep(recent, b"%d" % number, number)

            assert len(recent) <= 8
            assert recent.get(b"%d" % number) == number

    def test_keeps_what_is_asked_for(self) -> None:
        """
        A thing that is used again and again outlives any number of things that are not.
        """
        recent: Recent[int] = Recent(8, 8)
        keep(recent, b"used", 1)
        for number in range(1_000):
            keep(recent, b"%d" % number, number)
            if number % 3 == 0:
                assert recent.get(b"used") == 1

    def test_forgets_what_two_generations_did_not_use(self) -> None:
        """
        What is not asked for between two ages is gone at the second.
        """
        recent: Recent[int] = Recent(8, 8)
        keep(recent, b"unused", 1)
        keep(recent, b"used", 2)
        recent.age()

        assert recent.get(b"used") == 2
        recent.age()
        assert recent.get(b"unused") is None
        assert recent.get(b"used") == 2
