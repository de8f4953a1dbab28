import stat
from dataclasses import replace
from pathlib import Path

import pytest

from provisioners.process.placement import Place
from provisioners.process.processes import ProcessId
from provisioners.process.programs import Program
from provisioners.process.records import Phase, Records, Run, StackRecord, missing
from splitter.model import ServicePort, StackId
from splitter.template import Healthcheck

ID = StackId("shop-r1")
CHECK = Healthcheck(("CMD", "true"), 1.0)
WEB = Program("web", 2, 0, "/bin/web", ("web", "-v"), {"A": "b"}, "/", (80,), True, False, False, CHECK, "no", 15, 9.5)
PLACES = (Place("web", 1, ((80, 40001),)), Place("web", 2, ((80, 40002),)))
RECORD = StackRecord(ID, "shop", 1, "shop-1", "abc", (ServicePort("web", 80),), (WEB,), PLACES)
PROCESS = ProcessId(42, "boot/1000")


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(tmp_path / "shop")


class TestRecords:
    @pytest.mark.parametrize("record", [RECORD, replace(RECORD, programs=(replace(WEB, healthcheck=None),))])
    def test_what_is_read_is_what_was_written(self, records: Records, record: StackRecord) -> None:
        """
        A stack and its runs come back as equal values.
        """
        run = Run("web", 1, Phase.READY, PROCESS)

        records.open(record)
        records.save(ID, run)

        assert records.stacks() == [ID]
        assert records.stack(ID) == record
        assert records.runs(ID) == [run]

    def test_only_the_owner_can_read(self, records: Records, tmp_path: Path) -> None:
        """
        Environments may hold secrets, so others see neither the directory nor the files.
        """
        records.open(RECORD)

        modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "shop" / ID).rglob("*")}
        assert modes == {0o600}
        assert stat.S_IMODE((tmp_path / "shop" / ID).stat().st_mode) == 0o700

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 99}', '{"version": 1}'])
    def test_unreadable_record_is_none(self, records: Records, tmp_path: Path, text: str) -> None:
        """
        A file that is broken, or of another version, does not keep the stack from being found and retired.
        """
        records.open(RECORD)
        (tmp_path / "shop" / ID / "stack.json").write_text(text)
        (tmp_path / "shop" / ID / "web-1.json").write_text(text)

        assert records.stack(ID) is None
        assert records.runs(ID) == []
        assert records.stacks() == [ID]

    def test_removing_twice_is_fine(self, records: Records) -> None:
        """
        What is gone is gone.
        """
        records.open(RECORD)

        records.remove(ID)
        records.remove(ID)

        assert records.stacks() == []


class TestMissing:
    @pytest.mark.parametrize(
        ("phase", "alive", "expected"),
        [
            (Phase.READY, True, ()),
            (Phase.READY, False, ("web",)),
            (Phase.STARTING, True, ("web",)),
            (Phase.DONE, False, ()),
            (Phase.LOST, False, ()),
        ],
    )
    def test_replica_is_there_if_it_does_what_it_should(
        self, phase: Phase, alive: bool, expected: tuple[str, ...]
    ) -> None:
        """
        A ready one must be alive; one that is done, or that the stack goes on without, need not.
        """
        runs = [Run("web", 1, phase, PROCESS), Run("web", 2, Phase.DONE)]

        assert missing(RECORD, runs, {PROCESS} if alive else set()) == expected

    def test_replica_without_a_record_is_missing(self) -> None:
        """
        A replica that was never begun is missing.
        """
        assert missing(RECORD, [Run("web", 1, Phase.DONE)], set()) == ("web",)
