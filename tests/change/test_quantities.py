import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter.change.quantities import duration_s, fraction, share_bp, size_bytes


class TestDurations:
    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("90s", 90.0),
            ("1m30s", 90.0),
            ("1h", 3600.0),
            ("1.5 h", 5400.0),
            ("1h 30m", 5400.0),
            ("250ms", 0.25),
            ("10us", 0.00001),
            ("10µs", 0.00001),
            ("1d", 86_400.0),
            ("1w", 604_800.0),
            ("0", 0.0),
            (0, 0.0),
        ],
    )
    def test_as_people_write_them(self, text: object, seconds: float) -> None:
        """
        Numbers with units, one after the other, add up.
        """
        assert seconds == duration_s(text)

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (90, "'90' has no unit; write 90s, 90ms or 90m"),
            ("", "a duration is missing; write for example 90s"),
            ("soon", "'soon' is not a duration; write for example 90s, 1m30s or 250ms"),
            ("-3s", "'-3s' is not a duration; write for example 90s, 1m30s or 250ms"),
            (True, "true or false is not a duration such as 90s or 1m30s"),
            (None, "nothing is not a duration such as 90s or 1m30s"),
            ("9" * 30 + "s", "a number of more than 24 digits is not a duration such as 90s or 1m30s"),
        ],
    )
    def test_say_what_to_write(self, value: object, message: str) -> None:
        """
        What is no duration is refused with one that is.
        """
        with pytest.raises(ValueError) as caught:
            duration_s(value)

        assert message == str(caught.value)

    @given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
    def test_add_up(self, hours: int, minutes: int, seconds: int) -> None:
        """
        Hours, minutes and seconds mean what they say.
        """
        assert hours * 3600 + minutes * 60 + seconds == duration_s(f"{hours}h{minutes}m{seconds}s")


class TestSizes:
    @pytest.mark.parametrize(
        ("text", "size"),
        [("512", 512), (512, 512), ("64k", 65_536), ("2 MiB", 2_097_152), ("1.5gb", 1_610_612_736), ("1KB", 1024)],
    )
    def test_count_in_1024(self, text: object, size: int) -> None:
        """
        K, M and G are powers of 1024 in every spelling.
        """
        assert size == size_bytes(text)

    @pytest.mark.parametrize("value", ["2 x", "-1", "", "1.2.3", "1 MiBs"])
    def test_refuse_the_rest(self, value: str) -> None:
        """
        What is no size is refused with one that is.
        """
        with pytest.raises(ValueError, match="write for example 512 MiB"):
            size_bytes(value)


class TestShares:
    @pytest.mark.parametrize(("text", "points"), [("5%", 500), ("0.01 %", 1), ("100%", 10_000), ("0%", 0)])
    def test_are_basis_points(self, text: str, points: int) -> None:
        """
        A percentage of traffic is exact in basis points.
        """
        assert points == share_bp(text)

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (5, "'5' is not a share; write 5%"),
            ("0.001%", "0.001% is finer than the smallest step, 0.01%"),
            ("101%", "101% is more than 100%"),
            ("half", "'half' is not a share; write for example 5%"),
        ],
    )
    def test_say_what_to_write(self, value: object, message: str) -> None:
        """
        A bare number has two readings, so it is refused.
        """
        with pytest.raises(ValueError) as caught:
            share_bp(value)

        assert message == str(caught.value)

    def test_fractions_are_finer(self) -> None:
        """
        A rate may be finer than the smallest step of traffic.
        """
        assert fraction("0.005%") == 0.00005
