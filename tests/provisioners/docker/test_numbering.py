from typing import Any, ClassVar

from provisioners.docker.numbering import exhausted, ipam_of, taken
from splitter.template import Ipam, Network, Pool


def network(key: str, *subnets: str) -> Network:
    return Network(key, ipam=Ipam(pools=tuple(Pool(subnet) for subnet in subnets)))


def existing(*subnets: str) -> dict[str, dict[str, Any]]:
    return {"other": {"IPAM": {"Config": [{"Subnet": subnet} for subnet in subnets]}}}


class TestTaken:
    def test_is_what_overlaps(self) -> None:
        """
        A subnet that holds another, or lies in it, cannot be had; one beside it can.
        """
        wanted = [network("same", "10.9.0.0/24"), network("inside", "10.9.0.128/25"), network("beside", "10.9.1.0/24")]

        assert {"same", "inside"} == taken(wanted, existing("10.9.0.0/24"))

    def test_knows_both_families(self) -> None:
        """
        A network of one family never overlaps one of the other.
        """
        assert frozenset() == taken([network("six", "fd00::/64")], existing("10.0.0.0/8"))
        assert {"six"} == taken([network("six", "fd00::/64")], existing("fd00::/48"))

    def test_is_nothing_where_nothing_is_fixed(self) -> None:
        """
        A network without addresses of its own is numbered by the engine anyway.
        """
        assert frozenset() == taken([Network("plain")], {"none": {}, **existing("10.0.0.0/8")})


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


class TestIpam:
    def test_is_what_the_template_says(self) -> None:
        """
        Subnet, range, gateway and reserved addresses are told to the engine.
        """
        pool = Pool("10.9.0.0/24", "10.9.0.128/25", "10.9.0.1", {"router": "10.9.0.2"})

        found = ipam_of(Network("n", ipam=Ipam("", (pool,), {"a": "b"})), renumbered=False)

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
        assert ipam_of(network("n", "10.9.0.0/24"), renumbered=True) is None
        assert ipam_of(Network("n"), renumbered=False) is None
