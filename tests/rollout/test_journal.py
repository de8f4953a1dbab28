"""The journal on a real disk, and what becomes of it when the disk, or somebody else, gets in the way."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from splitter.errors import NotFoundError, StateError
from splitter.limits import JOURNAL_EVENT_BYTES_MAX
from splitter.rollout.events import Event, Kind, make
from splitter.rollout.journal import FIGURES_KEPT_ROLLOUTS, SCHEMA_VERSION, Journal
from tests.fakes import START


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    journal = Journal.open(tmp_path / "state")
    yield journal
    await journal.close()


def event(kind: Kind = Kind.PAUSED, app: str = "shop", **data: object) -> Event:
    return make(START, app, kind, rollout=f"{app}-2", state="HELD", by="ann", data=data)


class TestAppend:
    async def test_keeps_events_in_order_under_numbers(self, journal: Journal) -> None:
        """
        What was appended is read back as it was, numbered upwards, each app by itself.
        """
        first = await journal.append(event(why="lunch"), event(Kind.RESUMED))
        await journal.append(event(app="blog"))
        second = await journal.append(event(Kind.WORSE, reason="slow"))

        assert await journal.read("shop") == [*first, *second]
        assert [each.seq for each in (*first, *second)] == [1, 2, 4]
        assert await journal.read("shop", 2) == [*second]

    async def test_survives_the_process(self, tmp_path: Path) -> None:
        """
        A journal that was closed says the same when it is opened again.
        """
        journal = Journal.open(tmp_path)
        kept = await journal.append(event(why="lunch"))
        await journal.close()

        journal = Journal.open(tmp_path)

        assert tuple(await journal.read("shop")) == kept
        await journal.close()

    async def test_waits_for_the_device_where_something_is_decided(self, journal: Journal) -> None:
        """
        Decisions are synced; a note that can be lost is not waited for.
        """
        await journal.append(event(Kind.PUBLISHED))
        (noted,) = journal._connection.execute("PRAGMA synchronous").fetchone()
        await journal.append(event(Kind.PAUSED))
        (decided,) = journal._connection.execute("PRAGMA synchronous").fetchone()

        assert (noted, decided) == (1, 2)
        assert journal._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)

    async def test_takes_all_or_nothing(self, journal: Journal) -> None:
        """
        Where one event of several cannot be written, none is.
        """
        huge = event(why="x" * (JOURNAL_EVENT_BYTES_MAX + 1))

        with pytest.raises(StateError, match="are kept"):
            await journal.append(event(), huge)

        assert await journal.read("shop") == []

    async def test_says_what_to_do_on_a_full_disk(self, journal: Journal) -> None:
        """
        A full disk is an error that names the remedy, and nothing was written.
        """
        (pages,) = journal._connection.execute("PRAGMA page_count").fetchone()
        journal._connection.execute(f"PRAGMA max_page_count = {pages}")

        with pytest.raises(StateError, match="free some space"):
            await journal.append(event(why="x" * 500_000))

        assert await journal.read("shop") == []

    async def test_says_what_to_do_on_a_read_only_disk(self, journal: Journal) -> None:
        """
        A file that cannot be written is an error that names the remedy; so is a probe of it.
        """
        journal._connection.execute("PRAGMA query_only = ON")

        with pytest.raises(StateError, match="writable"):
            await journal.append(event())
        with pytest.raises(StateError, match="writable"):
            await journal.probe()

        journal._connection.execute("PRAGMA query_only = OFF")
        await journal.probe()
        assert len(await journal.append(event())) == 1


class TestTemplates:
    async def test_are_kept_once_by_digest(self, journal: Journal) -> None:
        """
        A template is found by its digest; one that is not there is an error that says so.
        """
        await journal.append(event(), templates={"abc": "{}"})
        await journal.append(event(), templates={"abc": "other"})

        assert await journal.template("abc") == "{}"
        with pytest.raises(NotFoundError, match="no template def"):
            await journal.template("def")


class TestAnalysis:
    async def test_is_the_latest_of_the_rollout(self, journal: Journal) -> None:
        """
        One judge's state is kept for an app: the last, and only for the rollout that it belongs to.
        """
        journal.keep_analysis("shop", "shop-2", "1")
        journal.keep_analysis("shop", "shop-2", "2")
        journal.keep_analysis("blog", "blog-2", "3")

        assert await journal.analysis("shop", "shop-2") == "2"
        assert await journal.analysis("shop", "shop-3") is None

    async def test_figures_of_long_ago_are_let_go(self, journal: Journal) -> None:
        """
        What the judge was fed is kept for the last few rollouts.
        """
        for number in range(2, 4 + FIGURES_KEPT_ROLLOUTS):
            rollout = f"shop-{number}"
            await journal.append(make(START, "shop", Kind.REQUESTED, rollout=rollout))
            journal.begin_figures("shop", rollout, list)
            journal.keep_figures("shop", rollout, 0, lambda: "first")
            journal.keep_figures("shop", rollout, 1, lambda: "second")

        assert await journal.figures("shop", "shop-2") == []
        assert await journal.figures("shop", "shop-4") == ["first", "second"]

    async def test_figures_of_the_past_are_below_zero(self, journal: Journal) -> None:
        """
        What live did before the judge began is apart from what it was fed, and in order.
        """
        await journal.append(make(START, "shop", Kind.REQUESTED, rollout="shop-2"))
        journal.begin_figures("shop", "shop-2", lambda: ["long ago", "lately"])
        journal.keep_figures("shop", "shop-2", 0, lambda: "first")

        assert await journal.figures("shop", "shop-2", first=-9, end=0) == ["long ago", "lately"]
        assert await journal.figures("shop", "shop-2") == ["first"]

    async def test_figures_of_an_earlier_judge_are_let_go(self, journal: Journal) -> None:
        """
        A rollout that is judged anew keeps nothing of before: its ticks are counted from 0 again.
        """
        await journal.append(make(START, "shop", Kind.REQUESTED, rollout="shop-2"))
        journal.begin_figures("shop", "shop-2", lambda: ["past"])
        for tick in range(3):
            journal.keep_figures("shop", "shop-2", tick, lambda: "old")

        journal.begin_figures("shop", "shop-2", list)
        journal.keep_figures("shop", "shop-2", 0, lambda: "new")

        assert await journal.figures("shop", "shop-2", first=-9) == ["new"]


class TestLock:
    async def test_lets_one_daemon_in(self, journal: Journal) -> None:
        """
        A second daemon is told who is there and where.
        """
        with pytest.raises(
            StateError, match=rf"{journal.directory} is used by another daemon \(process {os.getpid()}\)"
        ):
            Journal.open(journal.directory)

    async def test_falls_with_the_journal(self, tmp_path: Path) -> None:
        """
        A closed journal can be opened again; so can one whose opening failed.
        """
        await Journal.open(tmp_path).close()
        (tmp_path / "journal.db").write_bytes(b"no database at all" * 100)
        for _ in range(2):
            with pytest.raises(StateError, match="put back a copy"):
                Journal.open(tmp_path)

        (tmp_path / "journal.db").unlink()
        await Journal.open(tmp_path).close()


class TestFiles:
    async def test_are_the_owners_alone(self, journal: Journal) -> None:
        """
        Templates hold secrets: nobody else can read the state directory.
        """
        await journal.append(event())

        modes = {path.name: path.stat().st_mode & 0o777 for path in journal.directory.iterdir()}
        assert journal.directory.stat().st_mode & 0o777 == 0o700
        assert set(modes) == {"journal.db", "journal.db-wal", "journal.db-shm", "lock"}
        assert set(modes.values()) == {0o600}

    def test_that_cannot_be_made_are_named(self, tmp_path: Path) -> None:
        """
        A state directory that cannot be is an error with its name.
        """
        (tmp_path / "file").write_text("")

        with pytest.raises(StateError, match=r"state directory .*/file/state"):
            Journal.open(tmp_path / "file" / "state")


class TestVersion:
    async def test_of_a_newer_schema_is_refused(self, tmp_path: Path) -> None:
        """
        A journal of a newer splitter is not touched; the error says which version it needs.
        """
        await Journal.open(tmp_path).close()
        with closing(sqlite3.connect(tmp_path / "journal.db")) as connection:
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")

        with pytest.raises(StateError, match=f"knows version {SCHEMA_VERSION + 1}"):
            Journal.open(tmp_path)

    async def test_of_a_newer_event_is_refused(self, journal: Journal) -> None:
        """
        An event of a newer splitter is not guessed at.
        """
        await journal.append(replace(event(), version=9))

        with pytest.raises(StateError, match=r"journal event 1 \(paused, version 9\)"):
            await journal.read("shop")

    async def test_of_an_unknown_event_is_refused(self, journal: Journal) -> None:
        """
        A kind of event that is not known is not skipped.
        """
        await journal.append(event())
        journal._connection.execute("UPDATE events SET kind = 'teleported'")

        with pytest.raises(StateError, match="teleported"):
            await journal.read("shop")

    def test_of_somebody_elses_file_is_refused(self, tmp_path: Path) -> None:
        """
        A database of another program is not written to.
        """
        with closing(sqlite3.connect(tmp_path / "journal.db")) as connection:
            connection.execute("CREATE TABLE cats (name TEXT)")

        with pytest.raises(StateError, match="is not a journal of splitter"):
            Journal.open(tmp_path)


class TestThread:
    async def test_does_what_was_asked_for_before_it_ends(self, tmp_path: Path) -> None:
        """
        A close waits for what was asked for.
        """
        journal = Journal.open(tmp_path)
        asked = [asyncio.ensure_future(journal.append(event())) for _ in range(20)]
        await asyncio.sleep(0)
        await journal.close()

        assert [each[0].seq for each in await asyncio.gather(*asked)] == list(range(1, 21))
        assert journal.pending == 0
