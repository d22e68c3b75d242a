"""What all tests share: helper modules, SIMD levels, hypothesis' profile, measured errors."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))

import lrkernel

settings.register_profile(
    "same-everywhere",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("same-everywhere")

MEASURED = pytest.StashKey[dict[tuple[str, str], tuple[float, float]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[MEASURED] = {}


@pytest.fixture(params=lrkernel._core.runnable_levels())
def level(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each SIMD level that this CPU runs, forced for the duration of a test."""
    lrkernel.use_level(request.param)
    yield request.param
    lrkernel.use_level(None)


class Errors:
    """Collects the largest error per row and level for the closing table."""

    def __init__(self, table: dict[tuple[str, str], tuple[float, float]]):
        self.table = table

    def saw(self, row: str, level: str, error: float, bound: float) -> None:
        worst, _ = self.table.get((row, level), (0.0, bound))
        self.table[row, level] = max(worst, error), bound


@pytest.fixture
def errors(request: pytest.FixtureRequest) -> Errors:
    return Errors(request.config.stash[MEASURED])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    table = config.stash[MEASURED]
    if table:
        terminalreporter.section("measured error in ulp (bound)")
    for (row, level), (worst, bound) in sorted(table.items()):
        terminalreporter.write_line(f"{row:<20}{level:<12}{worst:8.3f}  ({bound})")
