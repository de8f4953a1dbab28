from splitter.change.spelling import nearest, unknown_key


class TestNearest:
    def test_finds_a_slip(self) -> None:
        """
        A letter too few, or another case, is close.
        """
        assert nearest("imag", ["image", "build"]) == "image"
        assert nearest("IMAGE", ["image", "build"]) == "image"

    def test_nothing_close_is_none(self) -> None:
        """
        A word like none of them has no suggestion.
        """
        assert nearest("zzz", ["image", "build"]) is None


class TestUnknownKey:
    def test_offers_the_nearest(self) -> None:
        """
        The sentence names the key that was probably meant.
        """
        assert unknown_key("imag", ["image"]) == "unknown key 'imag'; did you mean 'image'?"

    def test_lists_a_few(self) -> None:
        """
        Where nothing is close and few are known, all are listed.
        """
        assert unknown_key("zzz", ["b", "a"]) == "unknown key 'zzz'; known here: a, b"

    def test_lists_no_crowd(self) -> None:
        """
        Many known keys are not listed.
        """
        assert unknown_key("zzz", [f"key{n}" for n in range(20)]) == "unknown key 'zzz'"
