"""The daemon: what it introduces to what."""

from dataclasses import replace
from pathlib import Path

import pytest

from splitter.config import load_config
from splitter.daemon import compare, read_template, running
from splitter.errors import OperatorError
from splitter.facts import NO_FACTS, Facts
from splitter.proxy.listener import Listener
from splitter.rollout.options import AppOptions
from splitter.routing import RouteRule
from splitter.template import Service, Template

APP = AppOptions(
    name="shop",
    provisioner="docker",
    template_files=("/srv/shop/compose.yaml",),
    routes=(RouteRule("shop", "", "/", "web", 8000),),
)
TEMPLATE = Template("shop", "/srv/shop", {"web": Service(name="web", image="web:1")})


class TestCompare:
    def test_hands_on_what_the_engine_knows(self) -> None:
        """
        The price of going back counts an image of live that is gone.
        """
        known = compare(APP, TEMPLATE, TEMPLATE, Facts(lost_images=frozenset({"web"})))
        unknown = compare(APP, TEMPLATE, TEMPLATE, NO_FACTS)

        assert [reason.id for reason in known.cost.reasons] == ["RE1"]
        assert unknown.cost.reasons == ()


class TestTemplates:
    def test_are_read_with_what_the_app_says_of_them(self, tmp_path: Path) -> None:
        """
        A scope and a mode of the configuration stand in every template of the app; what it cannot mean is said.
        """
        file = tmp_path / "compose.yaml"
        file.write_text("services: {db: {image: redis, volumes: ['data:/data']}}\nvolumes: {data: }\n")
        app = replace(APP, scopes={"db": "shared"}, volumes={"data": "copy"})

        read = read_template(app, {}, [str(file)], {})
        with pytest.raises(OperatorError, match=r"apps\.shop\.services\.dbb: .*did you mean 'db'\?"):
            read_template(replace(app, scopes={"dbb": "shared"}), {}, [str(file)], {})

        assert read.services["db"].labels == {"splitter.scope": "shared"}
        assert read.volumes["data"].labels == {"splitter.volume": "copy"}


class TestStop:
    async def test_gives_what_is_in_flight_the_time_that_the_operator_says(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        Listeners are closed with `proxy.stop_timeout` as their grace, and in the end at once.
        """
        (tmp_path / "splitter.yaml").write_text(
            "listeners: [{bind: '127.0.0.1:0'}]\n"
            "admin: {socket: s.sock}\n"
            "proxy: {stop_timeout: 7s}\n"
            "apps:\n"
            "  own:\n"
            "    provisioner: static\n"
            "    static: {services: {api: {endpoints: ['127.0.0.1:1']}}}\n"
            "    routes: [{path: /, service: api}]\n"
        )
        graces: list[float] = []
        close = Listener.close

        async def noted(listener: Listener, grace_s: float) -> None:
            graces.append(grace_s)
            await close(listener, grace_s)

        monkeypatch.setattr(Listener, "close", noted)

        async with running(load_config(tmp_path / "splitter.yaml")):
            assert graces == []

        assert graces == [7.0, 0.0]
