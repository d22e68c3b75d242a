"""README's tables are written whole; here of few steps, for their form."""

import re

import pairs
import pytest
import report
from baselines import BASELINES, STEPPERS
from works import CURVES

from lrkernel._core import level, runnable_levels


@pytest.mark.parametrize(
    ("name", "rows"),
    [("speed", list(CURVES)), ("peers", list(BASELINES)), ("steps", [f"`{name}`" for name in STEPPERS])],
)
def test_a_table_has_its_rows(name: str, rows: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "STEPS", 20_000)
    monkeypatch.setattr(pairs, "PAIRS", 1)
    monkeypatch.setattr(pairs, "CALLS", 10)
    lines = list(report.TABLES[name]())
    assert max(map(len, lines)) <= 132
    tables = [[line.strip("| ").split(" | ") for line in part.splitlines()] for part in "\n".join(lines).split("\n\n")[1:]]
    assert [row[0] for row in tables[0][2:]] == rows
    for table in tables:
        assert len({len(row) for row in table}) == 1
        assert all(re.search(r"\d", cell) for row in table[2:] for cell in row[2:] if "`" not in cell)
    assert level() == runnable_levels()[-1]


def test_a_table_is_written_between_its_marks() -> None:
    page = "a\n<!-- speed -->\nold\n<!-- /speed -->\nb\n"
    assert report.written(page, "speed", "new") == page.replace("old", "new")
    with pytest.raises(SystemExit, match="no lines <!-- peers --> and <!-- /peers --> to write between"):
        report.written(page, "peers", "new")


def test_readme_has_the_marks() -> None:
    page = report.README.read_text("utf-8")
    for name in report.TABLES:
        assert "new" in report.written(page, name, "new")
