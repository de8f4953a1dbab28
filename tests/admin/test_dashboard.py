"""The dashboard: it is there, loads nothing from elsewhere, and asks for what the API has."""

import re
from dataclasses import fields

import pytest

from splitter.admin import dashboard
from splitter.judge.verdict import KpiVerdict
from splitter.model import Resources
from splitter.rollout.events import Event
from splitter.rollout.status import StackStatus, Status
from tests.admin.controllers import FakeController
from tests.admin.test_api import TOKEN, answer, door, serving


class TestPage:
    @pytest.mark.parametrize(
        ("path", "kind"), [("/", "html"), ("/dashboard.css", "css"), ("/dashboard.js", "javascript")]
    )
    async def test_may_be_seen_by_whoever_may_look(self, path: str, kind: str) -> None:
        """
        It needs no token, and its policy lets it load from here and be framed by nobody.
        """
        async with serving(FakeController(), at=door(token=TOKEN)) as client, client.get(path) as response:
            body = await response.text()

        assert (response.status, response.content_type) == (200, f"text/{kind}")
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
        assert body

    async def test_names_nothing_that_is_not_served(self) -> None:
        """
        Every file that the page names and every path that it asks for is answered.
        """
        page, script = dashboard.text("dashboard.html"), dashboard.text("dashboard.js")
        named = [name for name in re.findall(r'(?:href|src)="([^"]*)"', page) if not name.startswith("data:")]
        asked = [
            path.replace("${encodeURIComponent(status.app)}", "shop")
            for path in re.findall(r"[`\"](api/[^`\"?]*)", script)
        ]

        assert (len(named), len(asked)) == (2, 2)
        async with serving(FakeController()) as client:
            for path in asked:
                assert (await answer(client, "GET", f"/{path}"))[0] == 200
            for name in named:
                async with client.get(f"/{name}") as response:
                    assert response.status == 200

    @pytest.mark.parametrize(
        ("word", "values"),
        [("status", Status), ("stack", StackStatus), ("one", KpiVerdict), ("event", Event), ("uses", Resources)],
    )
    def test_reads_what_there_is(self, word: str, values: type) -> None:
        """
        Each field that the script reads is one that the API writes.
        """
        read = set(re.findall(rf"\b{word}\.([a-z0-9_]+)", dashboard.text("dashboard.js")))

        assert read
        assert read - {field.name for field in fields(values)} == set()

    def test_takes_text_for_text(self) -> None:
        """
        Nothing of what is told becomes markup, or code.
        """
        script = dashboard.text("dashboard.js")

        assert (
            re.findall(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|\bFunction\(|srcdoc", script) == []
        )
        assert "<script>" not in dashboard.text("dashboard.html")
