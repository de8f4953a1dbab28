"""The `proxy` section becomes the data plane's options."""

import dataclasses

from splitter.config.proxying import Proxy, proxy_options
from splitter.proxy.options import ProxyOptions
from tests.config.documents import GOOD, mistakes, read


class TestProxy:
    def test_defaults_are_the_data_planes(self) -> None:
        """
        What is not written is what the data plane says.
        """
        assert read(GOOD).proxy == ProxyOptions()

    def test_reaches_every_option(self) -> None:
        """
        Each option of the data plane follows an option of the section.
        """
        changed = Proxy(**{name: _other(name) for name in Proxy.model_fields})

        options = proxy_options(changed)

        same = [
            field.name
            for field in dataclasses.fields(ProxyOptions)
            if getattr(options, field.name) == getattr(ProxyOptions(), field.name)
        ]
        assert same == []

    def test_cannot_keep_more_connections_than_it_may_have(self) -> None:
        """
        The number of idle connections is part of the number of all.
        """
        assert mistakes(GOOD + "proxy: {connections_per_endpoint_max: 8}\n") == [
            "9:8: proxy.idle_per_endpoint_max: 256 is more than connections_per_endpoint_max (8); write at most that"
        ]

    def test_cannot_bound_a_part_above_the_whole(self) -> None:
        """
        A field or a target that is larger than any head could never come.
        """
        assert mistakes(GOOD + "proxy: {head_max: 4 KiB, target_max: 5 KiB, field_max: 6 KiB}\n") == [
            "9:38: proxy.target_max: 5120 is more than head_max (4096); write at most that",
            "9:56: proxy.field_max: 6144 is more than head_max (4096); write at most that",
        ]

    def test_trusts_networks_and_single_addresses(self) -> None:
        """
        One network needs no list; a host with a mask, which may mean either, is refused.
        """
        trusted = read(GOOD + "proxy: {trusted_peers: [10.0.0.0/8, 192.0.2.1, '::1']}\n").proxy.trusted_peers

        assert [str(network) for network in trusted] == ["10.0.0.0/8", "192.0.2.1/32", "::1/128"]
        assert len(read(GOOD + "proxy: {trusted_peers: fd00::/8}\n").proxy.trusted_peers) == 1
        (mistake,) = mistakes(GOOD + "proxy: {trusted_peers: [10.0.0.1/8]}\n")
        assert mistake == (
            "9:25: proxy.trusted_peers[0]: '10.0.0.1/8' is no network (10.0.0.1/8 has host bits set); "
            "write an address or a network, for example 10.0.0.0/8 or ::1"
        )

    def test_has_no_buffer_by_a_slip(self) -> None:
        """
        A size whose unit was forgotten is too small to work with.
        """
        assert mistakes(GOOD + "proxy: {write_buffer: 64}\n") == ["9:23: proxy.write_buffer: 64 is less than 4096"]

    def test_holds_no_more_of_one_copy_than_of_all(self) -> None:
        """
        A copy that may hold more than all of them would never come to that.
        """
        [mistake] = mistakes(GOOD + "proxy: {mirror_request_max: 1 MiB, mirror_stack_max: 512 KiB}\n")

        assert mistake.endswith(
            "proxy.mirror_request_max: 1 MiB is more than mirror_stack_max, that of all copies "
            "together; write at most that"
        )

    def test_upgrades_to_no_http(self) -> None:
        """
        A protocol that carries requests itself would take them past every rule.
        """
        assert read(GOOD + "proxy: {upgrades: WebSocket}\n").proxy.upgrades == frozenset({b"websocket"})
        assert read(GOOD + "proxy: {upgrades: []}\n").proxy.upgrades == frozenset()
        assert mistakes(GOOD + "proxy: {upgrades: [websocket, H2C, 'a b']}\n") == [
            "9:31: proxy.upgrades[1]: H2C carries requests past every rule of splitter's; remove it",
            "9:36: proxy.upgrades[2]: 'a b' is no protocol; write a name such as websocket",
        ]


def _other(name: str) -> str:
    """Return a value that no option has by default."""
    if name.endswith("timeout"):
        return "7s"
    others = {
        "trusted_peers": "::1",
        "idle_per_endpoint_max": "3",
        "body_rate": "5k",
        "body_rate_grace": "7s",
        "head_fields_max": "50",
        "eject_for": "7s",
        "header_underscores": "drop",
        "tunnel_jitter": "7s",
        "eject_share_max": "7%",
    }
    return others.get(name, "5000")
