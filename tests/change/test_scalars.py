import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter.change.scalars import resolve


class TestScalars:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("true", True),
            ("False", False),
            ("TRUE", True),
            ("yes", "yes"),
            ("no", "no"),
            ("on", "on"),
            ("off", "off"),
            ("y", "y"),
            ("~", None),
            ("null", None),
            ("", None),
            ("12", 12),
            ("-12", -12),
            ("0", 0),
            ("0777", 511),
            ("0o17", 15),
            ("0x1F", 31),
            ("089", 89),
            ("1.10", 1.1),
            (".5", 0.5),
            ("1e3", 1000.0),
            ("-.inf", -math.inf),
            ("22:22", "22:22"),
            ("1_000", "1_000"),
            ("2024-01-01", "2024-01-01"),
            ("12e4567", "12e4567"),
            ("1" * 65, "1" * 65),
            ("1.2.3", "1.2.3"),
            ("-", "-"),
        ],
    )
    def test_follow_yaml_1_2(self, text: str, value: object) -> None:
        """
        A plain scalar is what YAML 1.2 makes of it, but for 0777, which Compose files mean as octal.
        """
        resolved = resolve(text)

        assert value == resolved
        assert type(value) is type(resolved)

    def test_not_a_number(self) -> None:
        """
        `.nan` is the float that equals nothing.
        """
        value = resolve(".nan")

        assert isinstance(value, float)
        assert math.isnan(value)

    @given(st.integers(min_value=-(10**18), max_value=10**18))
    def test_integers_are_themselves(self, number: int) -> None:
        """
        Every decimal number without leading zeros is read as itself.
        """
        assert number == resolve(str(number))
