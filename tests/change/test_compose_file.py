from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from splitter.change.compose_file import document, to_json, to_yaml
from splitter.change.loader import load
from splitter.errors import TemplateError
from splitter.template import Service, Template
from tests.change import test_schema as corpus
from tests.change.compose import FILE, template
from tests.change.test_shop import shop


def again(first: Template, text: str) -> Template:
    """Load what was written of `first`, from the same place; what both were read from does not count."""
    return replace(_load(text), files=first.files, notes=first.notes)


def loaded(content: corpus.Json) -> Template:
    return _load(to_text(content))


def _load(text: str) -> Template:
    texts = {FILE: text, "/srv/shop/file": "A=1", "/srv/shop/other.yaml": "services: {other: {image: o}}"}

    def read(path: str) -> str:
        return texts[path] if path in texts else Path(path).read_text(encoding="utf-8")

    return load([FILE], read=read, environment={"VAR": "1", "DB_PASSWORD": "s3cret"}, env_files=())


def to_text(content: corpus.Json) -> str:
    return str(yaml.safe_dump(content))


@pytest.mark.usefixtures("every_key")
class TestIdempotence:
    @pytest.mark.parametrize("path", corpus.GOOD, ids=".".join)
    def test_every_key_is_written_as_it_is_read(self, path: tuple[str, ...]) -> None:
        """
        Whatever key a template has, what is written of it is the same template.
        """
        for key, values in corpus.GOOD[path].items():
            for value in values:
                first = loaded(corpus.around(path, key, value))

                assert first == again(first, to_yaml(first)), (key, value)

    @given(st.data())
    @settings(max_examples=40)
    def test_keys_together(self, data: st.DataObject) -> None:
        """
        Services of many keys are written as they are read, in YAML and in JSON.
        """
        good = corpus.GOOD["services",]
        names = data.draw(st.sets(st.sampled_from(sorted(set(good) - {"network_mode", "scale"})), max_size=12))
        first = loaded(corpus.service(**{name: data.draw(st.sampled_from(good[name])) for name in sorted(names)}))

        assert first == again(first, to_yaml(first))
        assert first == again(first, to_json(first))

    @given(st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12))
    def test_texts(self, text: str) -> None:
        """
        Any text stays what it is: dollars, quotes, numbers and what YAML would take for something else.
        """
        service = Service(name="web", image="web", environment={"A": text}, command=(text,))
        first = again(whole := Template("shop", "/srv/shop", {"web": service}), to_yaml(whole))

        assert first.services["web"].environment == {"A": text}
        assert first.services["web"].command == (text,)

    @pytest.mark.parametrize("text", ["0o17", "017", "1e3", "null", "yes", "22:22", "<<", "~", "a\nb\n", " a ", "$x$$"])
    def test_texts_that_look_like_something_else(self, text: str) -> None:
        """
        What YAML, in any version, would not read as this text is quoted.
        """
        service = Service(name="web", image="web", environment={"A": text})
        whole = Template("shop", "/srv/shop", {"web": service})

        assert again(whole, to_yaml(whole)).services["web"].environment == {"A": text}


ODD: tuple[Any, ...] = (
    *("x", "", "~/x", "${A:?}", "$", "a:b:c:d", "service:web", "host", 1, -1, 1.5, True, None, 10**30),
    *([], ["x"], [None], [[]], [{}], {}, {"x": "y"}, {"": ""}),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every value below `value`."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [way for key in keys for way in ((*path, key), *places(value[key], (*path, key)))]


class TestOddFiles:
    SHOP = document(shop())

    def test_the_shop_is_none(self) -> None:
        """
        What the next test makes odd is a template as it stands.
        """
        assert list(loaded(self.SHOP).services) == list(shop().services)

    @given(st.data())
    @settings(max_examples=60)
    def test_are_refused_or_written_as_they_are_read(self, data: st.DataObject) -> None:
        """
        A file with anything anywhere is a template or a list of mistakes, never a fault; a template is written whole.
        """
        content = deepcopy(self.SHOP)
        *way, last = data.draw(st.sampled_from(places(content)))
        holder = content
        for key in way:
            holder = holder[key]
        holder[last] = deepcopy(data.draw(st.sampled_from(ODD)))
        try:
            first = loaded(content)
        except TemplateError:
            return

        assert first == again(first, to_yaml(first))


class TestDocument:
    def test_is_short(self) -> None:
        """
        What stands at its default is left out.
        """
        read = template("services: {web: {image: 'web:$TAG', ports: ['8080:80']}}", environment={"TAG": "1"})

        assert document(read) == {
            "name": "shop",
            "services": {
                "web": {
                    "image": "web:1",
                    "ports": [{"target": 80, "published": "8080", "protocol": "tcp"}],
                    "networks": {"default": None},
                }
            },
            "networks": {"default": None},
        }

    def test_the_order_of_networks_is_kept(self) -> None:
        """
        A priority is written where the order is not that of the names.
        """
        text = "services: {web: {image: a, networks: {a: , b: {priority: 2}}}}\nnetworks: {a: , b: }"

        networks: Any = document(template(text))["services"]["web"]["networks"]

        assert networks == {"b": {"priority": 2}, "a": {"priority": 1}}
