"""Where alerts may go."""

import pytest

from tests.config.documents import GOOD, mistakes, read

REMEDY = "write the https:// address of a webhook, or one that Apprise knows"


class TestAlertTarget:
    @pytest.mark.parametrize(
        ("url", "complaint"),
        [
            ("slack://token@channel", f"this is no slack:// address that alerts can go to; {REMEDY}"),
            ("slak://a/b/c", f"this is no slak:// address that alerts can go to; {REMEDY}"),
            ("hooks.example.org/x", f"this has no scheme; {REMEDY}"),
            ("https:///x", "the address has no host; write https://host/path"),
            ("https://[x", "this is no address; write https://host/path"),
            ("https://x:99999/", "this is no address; write https://host/path"),
        ],
    )
    def test_is_somebody(self, url: str, complaint: str) -> None:
        """
        An address that nothing can be sent to is found before the first alert.
        """
        assert mistakes(GOOD + f"alerts: [{{url: '{url}'}}]\n") == [f"9:16: alerts[0].url: {complaint}"]

    @pytest.mark.parametrize(
        "url", ["json://example.org/x", "tgram://123456789:AbcDef_hijklmnopqrstuvwxyz12345678/12315544"]
    )
    def test_may_be_of_any_service(self, url: str) -> None:
        """
        What the alert library knows is an address as a webhook's is, whatever stands where others have a port.
        """
        assert [each.url for each in read(GOOD + f"alerts: [{{url: '{url}'}}]\n").alerts] == [url]

    def test_has_known_severities(self) -> None:
        """
        A severity that does not exist would never be sent.
        """
        found = mistakes(GOOD + "alerts: [{url: 'https://x/', on: [critcal]}]\n")

        assert found == ["9:35: alerts[0].on[0]: 'critcal' is not known here; did you mean 'critical'?"]
