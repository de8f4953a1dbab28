"""What every test shares: whether a Docker engine and the programs of other peers are there, and what it means if not.

SPLITTER_TEST_REQUIRE=docker says that the run is to prove something: then a skipped test is a failed one.
"""

import functools
import os
import shutil
from collections.abc import Generator
from typing import TypeVar

import pytest
from hypothesis import settings

from provisioners.docker import Engine
from splitter.errors import EngineError

REQUIRED = frozenset(os.environ.get("SPLITTER_TEST_REQUIRE", "").replace(",", " ").split())

# No test is timed: a busy machine may take as long as it likes over an example.
settings.register_profile("untimed", deadline=None)
settings.register_profile("long", deadline=None, max_examples=100_000)  # `make fuzz`
settings.load_profile("untimed")


Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


@functools.cache
def engine_missing() -> str:
    """Return why there is no usable Docker engine, in one line, or an empty text."""
    try:
        Engine().connect().close()
    except EngineError as error:
        return str(error).splitlines()[0]
    return ""


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("docker") and engine_missing():
        pytest.skip(engine_missing())
    for program in [name for marker in item.iter_markers("program") for name in marker.args]:
        if shutil.which(program) is None:
            pytest.skip(f"there is no program {program} on this machine")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    return _strict(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    return _strict(report)


def _strict(report: Report) -> Report:
    """Turn a skip into a failure if the run requires something; an expected failure stays what it is."""
    if REQUIRED and report.outcome == "skipped" and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"SPLITTER_TEST_REQUIRE={' '.join(sorted(REQUIRED))} allows no skip: {reason}"
    return report
