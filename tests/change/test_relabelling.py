"""What the configuration says of services and volumes."""

import pytest

from splitter.change.canonical import digest
from splitter.change.changeset import change_set
from splitter.change.placing import place
from splitter.change.relabelling import relabelled
from splitter.change.scope import scopes
from splitter.errors import OperatorError
from splitter.placement import VolumeMode
from splitter.template import Template
from tests.change.compose import template

SHOP = """
services:
  web: {image: 'web:1', volumes: [uploads:/u]}
  db: {image: 'postgres:15', volumes: [data:/var/lib/postgresql/data], labels: {splitter.scope: stack}}
volumes: {data: {labels: {splitter.volume: fresh}}, uploads: , outside: {external: true}}
"""
SHADOW = SHOP.replace("web:1", "web:2")


def said(scopes: dict[str, str] | None = None, volumes: dict[str, str] | None = None, text: str = SHADOW) -> Template:
    return relabelled(template(text), "shop", scopes or {}, volumes or {})


class TestConfiguration:
    def test_wins_over_labels_and_over_what_is_usual(self) -> None:
        """
        A service is shared and a volume is copied as the configuration says, whoever else says what.
        """
        live, shadow = template(SHOP), said({"db": "shared", "web": "stack"}, {"data": "share", "uploads": "copy"})
        changes = change_set(live, shadow)

        placement = place(live, shadow, scopes(live, shadow, changes), changes)

        assert placement.shared == ("db",)
        assert placement.volumes == {"data": VolumeMode.SHARE, "uploads": VolumeMode.COPY}

    def test_says_nothing_of_what_it_does_not_name(self) -> None:
        """
        Other labels count, and an app without such options has the template as it is.
        """
        one = template(SHADOW)

        assert relabelled(one, "shop", {}, {}) is one
        assert said({"web": "stack"}).services["db"] == one.services["db"]
        assert said({}, {"uploads": "fresh"}).volumes["data"] == one.volumes["data"]

    def test_makes_another_template(self) -> None:
        """
        The digest is that of the template as it counts, so the journal keeps what was said at the time.
        """
        shared = said({"db": "shared"})

        assert shared.digest == digest(shared) != template(SHADOW).digest
        assert said({"db": "stack"}).digest == template(SHADOW).digest

    def test_of_an_external_volume_is_what_a_template_says_of_one(self) -> None:
        """
        It has the name that the file gives it, or its key, and neither stack makes it; a label says the same.
        """
        labelled = template(SHADOW.replace("uploads: ,", "uploads: {labels: {splitter.volume: external}},"))

        found = said({}, {"uploads": "external"})
        assert (found.volumes["uploads"].external, found.volumes["uploads"].name) == (True, "uploads")
        assert found.volumes["uploads"] == labelled.volumes["uploads"]


class TestMistakes:
    def test_are_subnets_of_networks_that_are_not_made(self) -> None:
        """
        A network that the template does not use, or that somebody else has made, gets no subnet.
        """
        mounted = "services: {web: {image: a, networks: [back, edge]}}\nnetworks: {back: , edge: {external: true}}"

        with pytest.raises(OperatorError) as caught:
            relabelled(template(mounted), "shop", {}, {}, ["back", "bakc", "edge"])

        unknown, external = str(caught.value).splitlines()
        assert unknown == "apps.shop.subnets.bakc: the template uses no network 'bakc'; did you mean 'back'?"
        assert external.startswith("apps.shop.subnets.edge: the template says that it is external, so somebody else")
        assert relabelled(template(SHADOW), "shop", {}, {}, ["default"]) == template(SHADOW)

    def test_name_the_nearest(self) -> None:
        """
        All that the template does not have is said at once, with the option's place and what was probably meant.
        """
        with pytest.raises(OperatorError) as caught:
            said({"dbb": "shared"}, {"daat": "copy", "zzz": "fresh"})

        assert str(caught.value).splitlines() == [
            "apps.shop.services.dbb: the template uses no service 'dbb'; did you mean 'db'?",
            "apps.shop.volumes.daat: the template uses no volume 'daat'; did you mean 'data'?",
            "apps.shop.volumes.zzz: the template uses no volume 'zzz'; it uses: data, uploads",
        ]

    def test_are_modes_of_what_is_external(self) -> None:
        """
        What the template calls external is never touched, so nothing else can be asked for it.
        """
        mounted = SHADOW.replace("uploads:/u", "outside:/u")

        with pytest.raises(OperatorError, match=r"apps\.shop\.volumes\.outside: .* external"):
            said({}, {"outside": "copy"}, mounted)

        assert said({}, {"outside": "external"}, mounted).volumes["outside"].external
