"""The other end of the API: what it makes of answers, of streams, and of silence."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from splitter.admin.client import AnswerError, Client, UnreachableError, Update, answer_error, updates


async def lines(*text: str) -> AsyncIterator[bytes]:
    for line in text:
        yield line.encode() + b"\n"


class TestUpdates:
    async def test_are_split_at_empty_lines(self) -> None:
        """
        A stream is read as the standard says: fields, then an empty line; comments are heartbeats.
        """
        stream = lines(
            "event: status", 'data: {"app": "shop"}', "", ": heartbeat", "", "event: event", 'data: {"seq":1}', ""
        )

        assert [update async for update in updates(stream)] == [
            Update("status", {"app": "shop"}),
            Update("event", {"seq": 1}),
        ]

    async def test_that_are_cut_off_are_dropped(self) -> None:
        """
        A stream that ends inside an event has not said it.
        """
        assert [update async for update in updates(lines("event: status", 'data: {"app"'))] == []


class TestAnswer:
    def test_that_refuses_keeps_its_words(self) -> None:
        """
        The daemon's sentence is what people read.
        """
        error = answer_error(409, b'{"error": {"kind": "refused", "message": "not now"}}')

        assert (error.status, error.kind, str(error)) == (409, "refused", "not now")

    @pytest.mark.parametrize("content", [b"", b"Bad Gateway", b'{"error": 1}', b"[]", b"\xff"])
    def test_of_somebody_else_is_quoted(self, content: bytes) -> None:
        """
        What another program answers on our socket is shown, not hidden.
        """
        error = answer_error(502, content)

        assert isinstance(error, AnswerError)
        assert error.kind == "unknown"


class TestNobodyThere:
    async def test_is_a_sentence_with_socket_and_remedy(self, tmp_path: Path) -> None:
        """
        The commonest mistake, no daemon, names what was tried and what to do.
        """
        path = tmp_path / "no.sock"

        async with Client(path) as client:
            with pytest.raises(UnreachableError) as caught:
                await client.get("/apps")

        assert str(caught.value) == (
            f"no daemon answers on {path} (No such file or directory): start it with `splitter run -c splitter.yaml`, "
            "or name its socket with --socket or SPLITTER_SOCKET"
        )

    async def test_is_said_by_a_stream_as_well(self, tmp_path: Path) -> None:
        """
        The live view fails as the other calls do.
        """
        async with Client(tmp_path / "no.sock") as client:
            with pytest.raises(UnreachableError):
                await anext(client.stream("shop"))

    def test_knows_a_door_that_is_locked(self) -> None:
        """
        Who may not open the socket is not told to start a daemon.
        """
        error = Client(Path("/run/s.sock"))._unreachable(PermissionError(13, "Permission denied"))

        assert str(error) == "you may not use /run/s.sock: only who started the daemon may, or root"
