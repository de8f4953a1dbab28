from contextlib import suppress
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter.change.positions import (
    OVERRIDE,
    RESET,
    ListNode,
    MapNode,
    Places,
    ScalarNode,
    dotted,
    parse,
    plain,
    walk,
)
from splitter.errors import ProblemsError
from splitter.limits import TEMPLATE_BYTES_MAX, TEMPLATE_DEPTH_MAX


def mistakes(text: str) -> list[str]:
    with pytest.raises(ProblemsError) as caught:
        parse(text, "f")
    return [str(problem) for problem in caught.value.problems]


class TestScalars:
    def test_quotes_make_text(self) -> None:
        """
        A quoted or folded scalar is text whatever it looks like.
        """
        node = parse("""["12", 'true', "", !!str 5, !!float 5, !!int "7"]""", "f")

        assert plain(node) == ["12", "true", "", "5", 5.0, 7]

    def test_keeps_the_spelling(self) -> None:
        """
        A number remembers how it was written.
        """
        node = parse("1.10", "f")

        assert isinstance(node, ScalarNode)
        assert node.text == "1.10"


class TestPlaces:
    def test_keys_and_values(self) -> None:
        """
        A place knows line and column, from 1, of the key and of the value.
        """
        places = Places(parse("a:\n  b: [x,\n    y]\n", "f.yaml"))

        assert str(places.key(("a", "b"))) == "f.yaml:2:3"
        assert str(places.value(("a", "b"))) == "f.yaml:2:6"
        assert str(places.value(("a", "b", 1))) == "f.yaml:3:5"

    def test_unknown_path_is_its_nearest_ancestor(self) -> None:
        """
        A path that is not in the file is where its nearest ancestor is.
        """
        places = Places(parse("a:\n  b: 1\n", "f"))

        assert places.value(("a", "b")) == places.value(("a", "b", "c", 3))
        assert str(places.key(("z",))) == "f:1:1"

    def test_alias_is_where_its_anchor_is(self) -> None:
        """
        What stands wrong in an aliased value is shown where it was written.
        """
        places = Places(parse("a: &a {b: 1}\nc: *a\n", "f"))

        assert places.value(("a", "b")) == places.value(("c", "b"))

    def test_walk_visits_every_value_once(self) -> None:
        """
        Walking yields the root, then depth first in the order of the text.
        """
        paths = [dotted(path) for path, _, _ in walk(parse("a: [1, {b: 2}]\nc: 3", "f"))]

        assert paths == ["", "a", "a[0]", "a[1]", "a[1].b", "c"]

    def test_dotted_quotes_odd_keys(self) -> None:
        """
        A key with dots or blanks stands in brackets, so that a path has one reading.
        """
        assert dotted(("labels", "a.b", 0, "c")) == 'labels["a.b"][0].c'


class TestCollections:
    def test_plain_python(self) -> None:
        """
        A file without oddities is the dictionaries and lists it looks like.
        """
        node = parse("a: {b: [1, 2.5, x], c: }\n80: yes\n", "f")

        assert plain(node) == {"a": {"b": [1, 2.5, "x"], "c": None}, "80": "yes"}

    def test_empty_file_is_nothing(self) -> None:
        """
        A file of comments is a scalar of None.
        """
        assert plain(parse("# nothing\n", "f")) is None

    def test_merge_keys(self) -> None:
        """
        `<<` brings in a mapping or a list of them: own keys win, then the earlier mapping.
        """
        text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], z: 3}\nd: {z: 4, <<: *b}\n"

        node = plain(parse(text, "f"))

        assert node["c"] == {"x": 1, "y": 1, "z": 3}
        assert node["d"] == {"y": 2, "z": 4}

    def test_quoted_merge_key_is_a_key(self) -> None:
        """
        A quoted `<<` is text like any other.
        """
        assert plain(parse('"<<": 1', "f")) == {"<<": 1}

    def test_compose_tags_are_kept(self) -> None:
        """
        `!reset` and `!override` stay on their nodes, for the merge to see.
        """
        node = parse("a: !reset null\nb: !override [1]\nc: !override {d: 1}", "f")

        assert isinstance(node, MapNode)
        assert [entry.value.tag for entry in node.entries.values()] == [RESET, OVERRIDE, OVERRIDE]
        assert isinstance(node.entries["b"].value, ListNode)


class TestMistakes:
    def test_duplicate_keys_are_all_reported(self) -> None:
        """
        Every key that stands twice is named with both lines.
        """
        assert mistakes("a: 1\na: 2\nb:\n  c: 1\n  c: 2\n") == [
            "f:2:1: the key 'a' stands here twice; the first is on line 1",
            "f:5:3: b: the key 'c' stands here twice; the first is on line 4",
        ]

    def test_same_number_and_text_are_one_key(self) -> None:
        """
        Keys are compared as text: `80` and `"80"` are the same.
        """
        assert "stands here twice" in mistakes('80: a\n"80": b')[0]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a: [1", "f:1:6: not YAML: expected ',' or ']', but got '<stream end>', while parsing a flow sequence"),
            ("a: b: c", "f:1:5: not YAML: mapping values are not allowed here"),
            ("a: \x00", "f:1:4: not YAML: the character '\\x00' is not allowed"),
            ("a: 1\n---\nb: 2", "f:2:1: a second document starts here; write one document per file"),
            ("a: *b", "f:1:4: a: *b refers to no anchor; write &b at an earlier value"),
            ("a: &a [*a]", "f:1:8: a[0]: *a stands inside the value that it refers to"),
            ("? [a]\n: b", "f:1:3: a list or mapping stands where a key is expected; quote the key if it is text"),
            ("a: !secret x", "f:1:4: a: the tag !secret is not known here; remove it"),
            ("a: !!python/name:os.system x", "f:1:4: a: the tag !!python/name:os.system is not known here; remove it"),
            ("a: !!int x", "f:1:4: a: 'x' is not a value of type !!int"),
            ("a: {<<: 3}", "f:1:5: a: << takes a mapping or a list of mappings, as in `<<: *defaults`"),
        ],
    )
    def test_name_the_place(self, text: str, message: str) -> None:
        """
        A mistake is one sentence with file, line, column and path.
        """
        assert mistakes(text) == [message]


class TestBounds:
    @pytest.mark.parametrize("text", ['"a\\0b"', '"\\ud800"', '["\\x00"]', '{"\\0": 1}'])
    def test_what_no_program_takes(self, text: str) -> None:
        """
        YAML can escape an end of text and half a character; neither can be handed on.
        """
        with pytest.raises(ProblemsError, match="is in no text that a program can be given; remove it"):
            parse(text, "f")

    def test_deep_nesting_ends(self) -> None:
        """
        Nesting is bounded before Python's own recursion is.
        """
        assert f"nested deeper than {TEMPLATE_DEPTH_MAX} levels" in mistakes("[" * 5000)[0]
        assert plain(parse("[" * TEMPLATE_DEPTH_MAX + "]" * TEMPLATE_DEPTH_MAX, "f"))

    def test_aliases_of_aliases_end(self) -> None:
        """
        A small file that stands for a huge tree is refused, quickly.
        """
        lines = ["a0: &a0 [1,1,1,1,1,1,1,1,1]"]
        lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]

        assert "values once aliases are written out" in mistakes("\n".join(lines))[0]

    def test_deep_chains_of_aliases_end(self) -> None:
        """
        Height counts aliases as well, so whoever walks a node may recurse.
        """
        lines = ["a0: &a0 [1]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 200))]

        assert "levels once aliases are written out" in mistakes("\n".join(lines))[0]

    def test_large_files_are_refused(self) -> None:
        """
        A file beyond the limit is not even parsed.
        """
        assert f"larger than {TEMPLATE_BYTES_MAX} bytes" in mistakes("#" * (TEMPLATE_BYTES_MAX + 1))[0]


class TestHostileText:
    @given(st.text(alphabet="a:-[]{}&*!|>#%@\n \t\"'0,?<~", max_size=40))
    def test_never_crashes(self, text: str) -> None:
        """
        Any text is a node or a list of mistakes; nothing else comes out.
        """
        with suppress(ProblemsError):
            plain(parse(dedent(text), "f"))
