"""What an app says of single services, volumes and networks."""

import pytest

from tests.config.documents import mistakes, read, with_app


class TestSubnets:
    def test_are_one_or_several(self) -> None:
        """
        A list is in the order of preference, and both families can be said.
        """
        said = "subnets: {back: 10.80.1.0/24, six: ['fd00:1::/64', 'fd00:2::/64']}"

        assert read(with_app(said)).apps["shop"].subnets == {
            "back": ("10.80.1.0/24",),
            "six": ("fd00:1::/64", "fd00:2::/64"),
        }

    @pytest.mark.parametrize(
        ("written", "sentence"),
        [
            ("10.80.1.0.0/24", "is no subnet; write its first address and its length"),
            ("10.80.1.0/33", "is no subnet"),
            ("10.80.1.7/24", "10.80.1.7/24 begins in the middle of a subnet; write 10.80.1.0/24"),
            ("'fd00::7/64'", "begins in the middle of a subnet; write fd00::/64"),
            ("10.80.1.7", "10.80.1.7 has no room for a container"),
            ("[]", "is empty; write at least one"),
        ],
    )
    def test_are_what_a_network_can_have(self, written: str, sentence: str) -> None:
        """
        What the engine would refuse, or read as another subnet, is a mistake with its place.
        """
        (found,) = mistakes(with_app(f"subnets: {{back: {written}}}"))

        assert "apps.shop.subnets.back" in found
        assert sentence in found

    def test_do_not_overlap(self) -> None:
        """
        Two stacks stand at once, so no two subnets of an app may share addresses.
        """
        (within,) = mistakes(with_app("subnets: {back: [10.80.1.0/24, 10.80.0.0/16]}"))
        (between,) = mistakes(with_app("subnets: {back: 10.80.1.0/24, front: 10.80.1.128/25}"))

        assert "10.80.0.0/16 overlaps 10.80.1.0/24 of network back; two networks cannot have both" in within
        assert "apps.shop.subnets.front: 10.80.1.128/25 overlaps 10.80.1.0/24 of network back" in between

    def test_are_for_containers(self) -> None:
        """
        Nothing else has networks of its own.
        """
        text = with_app("subnets: {back: 10.80.1.0/24}").replace("docker", "process")

        assert "provisioner process makes no networks; remove it" in mistakes(text)[0]
