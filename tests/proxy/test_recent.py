"""What is remembered of many things, and for how long."""

from splitter.proxy.recent import Recent


class TestRecent:
    def test_returns_what_was_put_in(self) -> None:
        """
        A thing is found by its own bytes and no others; a later one takes its place.
        """
        recent: Recent[int] = Recent(4)
        recent.put(b"a", 1)
        recent.put(b"b", 2)
        recent.put(b"a", 3)

        assert [recent.get(key) for key in (b"a", b"b", b"c")] == [3, 2, None]

    def test_is_bounded(self) -> None:
        """
        However many things are put in, no more than the bound are kept, the last one among them.
        """
        recent: Recent[int] = Recent(8)
        for number in range(1_000):
            recent.put(b"%d" % number, number)

            assert len(recent) <= 8
            assert recent.get(b"%d" % number) == number

    def test_keeps_what_is_asked_for(self) -> None:
        """
        A thing that is used again and again outlives any number of things that are not.
        """
        recent: Recent[int] = Recent(8)
        recent.put(b"used", 1)
        for number in range(1_000):
            recent.put(b"%d" % number, number)
            if number % 3 == 0:
                assert recent.get(b"used") == 1

    def test_forgets_what_two_generations_did_not_use(self) -> None:
        """
        What is not asked for between two ages is gone at the second.
        """
        recent: Recent[int] = Recent(8)
        recent.put(b"unused", 1)
        recent.put(b"used", 2)
        recent.age()

        assert recent.get(b"used") == 2
        recent.age()
        assert recent.get(b"unused") is None
        assert recent.get(b"used") == 2
