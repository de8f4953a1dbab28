from datetime import UTC, datetime

import pytest

from provisioners.docker.images import is_older

NOW = datetime(2026, 5, 2, 12, 0, tzinfo=UTC)


class TestAge:
    @pytest.mark.parametrize(
        ("tagged", "is_due"),
        [
            ("2026-05-02T11:00:00.123456789Z", False),
            ("2026-05-01T12:00:00Z", True),
            ("2026-05-01T13:00:00+02:00", True),
            ("0001-01-01T00:00:00Z", True),
            ("", True),
        ],
    )
    def test_counts_since_the_image_got_its_name(self, tagged: str, is_due: bool) -> None:
        """
        An image is pulled again once it has been here for a day; one that nobody knows the age of is.
        """
        assert is_due is is_older(tagged, 86_400.0, NOW)

    def test_may_be_longer_than_time(self) -> None:
        """
        An age that no image reaches is no fault.
        """
        assert not is_older("2026-05-01T12:00:00Z", 1e30, NOW)
