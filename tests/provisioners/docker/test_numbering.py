from typing import Any, ClassVar

from provisioners.docker.numbering import exhausted, ipam_of, renumbered, standing
from splitter.template import Ipam, Network, Pool


def network(key: str, *subnets: str) -> Network:
    return Network(key, ipam=Ipam(pools=tuple(Pool(subnet) for subnet in subnets)))


def existing(*subnets: str) -> list[dict[str, Any]]:
    configs = [{"Subnet": subnet} for subnet in subnets]
    return [{"Name": "none"}, {"Name": "other", "IPAM": {"Config": configs}}]


def numbers(networks: list[Network], *subnets: str, **named: tuple[str, ...]) -> dict[str, str]:
    """Return what the networks get on an engine where somebody else has `subnets`."""
    return renumbered({f"shop-r2_{each.key}": each for each in networks}, existing(*subnets), named)


class TestRenumbered:
    def test_is_what_overlaps(self) -> None:
        """
        A subnet that holds another, or lies in it, cannot be had; one beside it can.
        """
        wanted = [network("same", "10.9.0.0/24"), network("inside", "10.9.0.128/25"), network("beside", "10.9.1.0/24")]

        assert numbers(wanted, "10.9.0.0/24") == {"same": "", "inside": ""}

    def test_knows_both_families(self) -> None:
        """
        A network of one family never overlaps one of the other.
        """
        assert numbers([network("six", "fd00::/64")], "10.0.0.0/8") == {}
        assert numbers([network("six", "fd00::/64")], "fd00::/48") == {"six": ""}

    def test_is_nothing_where_nothing_is_fixed(self) -> None:
        """
        A network without addresses of its own is numbered by the engine anyway.
        """
        assert numbers([Network("plain")], "10.0.0.0/8") == {}

    def test_takes_no_account_of_what_is_its_own(self) -> None:
        """
        A network of the stack's own name is one that is about to be made again.
        """
        own = {"other": network("back", "10.9.0.0/24")}

        assert renumbered(own, existing("10.9.0.0/24"), {}) == {}


class TestNamedSubnets:
    def test_are_taken_where_the_templates_is_not_free(self) -> None:
        """
        The first that is free is had; the template's own comes before all.
        """
        back = [network("back", "10.9.0.0/24")]
        named = ("10.9.1.0/24", "10.9.2.0/24")

        assert numbers(back, "10.9.1.0/24", back=named) == {}
        assert numbers(back, "10.9.0.0/24", back=named) == {"back": "10.9.1.0/24"}
        assert numbers(back, "10.9.0.0/24", "10.9.1.128/25", back=named) == {"back": "10.9.2.0/24"}
        assert numbers(back, "10.9.0.0/16", back=named) == {"back": ""}

    def test_are_had_in_turn_where_the_template_fixes_none(self) -> None:
        """
        The second stack gets what the first one does not have; where nothing is left the engine chooses.
        """
        named = ("10.9.1.0/24", "10.9.2.0/24")

        assert numbers([Network("default")], default=named) == {"default": "10.9.1.0/24"}
        assert numbers([Network("default")], "10.9.1.0/24", default=named) == {"default": "10.9.2.0/24"}
        assert numbers([Network("default")], *named, default=named) == {"default": ""}

    def test_are_never_those_of_another_network_of_the_stack(self) -> None:
        """
        What one network of the stack gets, or keeps, no other gets.
        """
        networks = [network("a", "10.9.0.0/24"), network("b", "10.9.1.0/24"), Network("c")]

        found = numbers(networks, "10.9.0.0/24", a=("10.9.1.0/25", "10.9.2.0/24"), c=("10.9.2.0/25", "10.9.3.0/24"))

        assert found == {"a": "10.9.2.0/24", "c": "10.9.3.0/24"}


class TestStanding:
    def test_network_stays_as_it_is(self) -> None:
        """
        A stack that is made again has the addresses that it got, though the template's are free by now.
        """
        own = {"other": network("back", "10.9.0.0/24")}

        assert standing(own, existing("10.9.7.0/24")) == {"back": "10.9.7.0/24"}
        assert standing(own, existing("10.9.0.0/24", "fd00::/64")) == {}
        assert standing({"mine": network("back", "10.9.0.0/24")}, existing("10.9.7.0/24")) == {}


class TestExhausted:
    EXISTING: ClassVar = [{"Driver": "bridge"}] * 31 + [{"Driver": "host"}]

    def test_are_pools_that_hold_no_more_bridges(self) -> None:
        """
        The engine's own pools hold so many bridges and no more.
        """
        found = exhausted([Network("default")], self.EXISTING, {})

        assert found.startswith("the engine has 31 bridge networks, and its address pools hold 31")
        assert exhausted([Network("default")], self.EXISTING[1:], {}) == ""

    def test_are_no_matter_of_networks_with_addresses_of_their_own(self) -> None:
        """
        A fixed subnet, another driver, or pools that an operator has given the engine need none of its own.
        """
        assert exhausted([network("fixed", "10.1.0.0/24"), Network("wide", driver="macvlan")], self.EXISTING, {}) == ""
        assert exhausted([Network("default")], self.EXISTING, {"DefaultAddressPools": [{}]}) == ""
        assert exhausted([Network("default")], self.EXISTING, {}, {"default": "10.1.0.0/24"}) == ""
        assert exhausted([network("fixed", "10.1.0.0/24")], self.EXISTING, {}, {"fixed": ""}) != ""


class TestIpam:
    def test_is_what_the_template_says(self) -> None:
        """
        Subnet, range, gateway and reserved addresses are told to the engine.
        """
        pool = Pool("10.9.0.0/24", "10.9.0.128/25", "10.9.0.1", {"router": "10.9.0.2"})

        found = ipam_of(Network("n", ipam=Ipam("", (pool,), {"a": "b"})))

        assert found == {
            "Driver": "default",
            "Config": [
                {
                    "Subnet": "10.9.0.0/24",
                    "IPRange": "10.9.0.128/25",
                    "Gateway": "10.9.0.1",
                    "AuxiliaryAddresses": {"router": "10.9.0.2"},
                }
            ],
            "Options": {"a": "b"},
        }

    def test_leaves_the_addresses_to_the_engine(self) -> None:
        """
        A network that is renumbered, or has no addresses, says nothing of them.
        """
        assert ipam_of(network("n", "10.9.0.0/24"), "") is None
        assert ipam_of(Network("n")) is None

    def test_is_another_subnet_alone(self) -> None:
        """
        Range and gateway of the template lie in its own subnet, and are left out with it.
        """
        pool = Pool("10.9.0.0/24", "10.9.0.128/25", "10.9.0.1", {"router": "10.9.0.2"})

        found = ipam_of(Network("n", ipam=Ipam(pools=(pool,))), "10.9.7.0/24")

        assert found is not None
        assert [each["Subnet"] for each in found["Config"]] == ["10.9.7.0/24"]
        assert not any(found["Config"][0][key] for key in ("IPRange", "Gateway", "AuxiliaryAddresses"))
