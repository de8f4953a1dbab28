import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter.change.canonical import digest, from_json, to_json
from splitter.errors import TemplateError
from splitter.model import Endpoint
from splitter.template import (
    Attachment,
    Build,
    Condition,
    Dependency,
    Healthcheck,
    Limits,
    Mount,
    MountType,
    Network,
    Port,
    Service,
    Template,
    Volume,
)

FULL = Template(
    project="shop",
    directory="/srv/shop",
    services={
        "web": Service(
            name="web",
            image="web:1",
            build=Build("/srv/shop", "D", {"A": "1"}, "t"),
            command=(),
            entrypoint=("run", "it"),
            environment={"A": "ü\n"},
            working_dir="/w",
            user="1000",
            ports=(Port(80, "tcp", "8080", "127.0.0.1"),),
            expose=(81,),
            networks=(Attachment("back", ("a", "b")),),
            mounts=(Mount(MountType.BIND, "/x", "/y", read_only=True),),
            depends_on=(Dependency("db", Condition.HEALTHY, required=False, restart=True),),
            healthcheck=Healthcheck(("CMD", "true"), 1.0, 0.5, 5, 2.0),
            labels={"a": "b"},
            replicas=2,
            limits=Limits(1024, 0.5, 100),
            restart="always",
            stop_signal="SIGINT",
            stop_grace_s=5.0,
            static_endpoints=(Endpoint("::1", 80),),
        ),
        "db": Service(name="db"),
    },
    networks={"back": Network("back", "n", "bridge", {"o": "1"}, internal=True, external=True, labels={"l": ""})},
    volumes={"v": Volume("v", "n", "local", {"o": "1"}, external=True, labels={"l": ""})},
    files=("/a", "/b"),
    digest="d",
    notes=("n",),
)

SERVICES = st.builds(
    Service,
    name=st.text(min_size=1, max_size=5),
    image=st.text(max_size=5),
    command=st.none() | st.lists(st.text(max_size=5), max_size=3).map(tuple),
    environment=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
    limits=st.builds(Limits, st.none() | st.integers(1, 2**40), st.none() | st.floats(0.1, 64)),
    healthcheck=st.none() | st.builds(Healthcheck, st.just(("NONE",)), st.floats(0, 100)),
)


class TestRoundTrip:
    def test_every_field(self) -> None:
        """
        A template that uses every field comes back equal.
        """
        assert from_json(to_json(FULL)) == FULL

    @given(SERVICES)
    def test_any_service(self, service: Service) -> None:
        """
        Whatever text and numbers a service holds, it comes back equal.
        """
        original = Template("p", "/d", {"s": service})

        assert original == from_json(to_json(original))

    def test_defaults_are_left_out(self) -> None:
        """
        What is not used is not written, so that a later field changes no old text.
        """
        template = Template("p", "/d", {"db": Service(name="db")})

        assert to_json(template) == '{"directory":"/d","project":"p","services":{"db":{"name":"db"}}}'

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{", "cannot be read back"),
            ("[]", "template is list, not dict"),
            ('{"project":"p","directory":"/","services":{},"colour":1}', "has the unknown field 'colour'"),
            ('{"project":1,"directory":"/","services":{}}', "template.project is int, not str"),
            ('{"project":"p","directory":"/","services":{"a":{"name":"a","replicas":true}}}', "bool, not int"),
            ('{"directory":"/","services":{}}', "project"),
        ],
    )
    def test_other_text_is_refused(self, text: str, message: str) -> None:
        """
        What was not written by us, or by a newer version, is refused with the place.
        """
        with pytest.raises(TemplateError, match=message):
            from_json(text)


class TestDigest:
    def test_ignores_where_it_was_read_from(self) -> None:
        """
        Files, notes and the digest itself are not part of what a template is.
        """
        assert digest(FULL) == digest(replace(FULL, files=(), notes=(), digest=""))

    def test_sees_everything_else(self) -> None:
        """
        Any other difference is another digest.
        """
        assert digest(FULL) != digest(replace(FULL, project="other"))
        assert digest(FULL) != digest(replace(FULL, volumes={}))

    def test_order_of_keys_does_not_matter(self) -> None:
        """
        Mappings are equal whatever order they were filled in.
        """
        turned = dict(reversed(list(FULL.services.items())))

        assert digest(FULL) == digest(replace(FULL, services=turned))
        assert json.loads(to_json(FULL)) == json.loads(to_json(replace(FULL, services=turned)))
