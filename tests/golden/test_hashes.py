"""The bits of every shape and builder are those of hashes.json, on every level and machine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from golden import regen

import lrkernel as lrk
from lrkernel import builders, shapes

HASHES: dict[str, str] = json.loads(regen.FILE.read_text())


@pytest.mark.parametrize("expression", HASHES)
def test_bits(expression: str, level: str) -> None:
    assert regen.digest(expression) == HASHES[expression]


def test_every_row_has_a_line() -> None:
    covered = {int(s) for line in HASHES for s in regen.build(line).segments["shape"]}
    assert covered == {row.id for row in lrk.SHAPES if row.kind != "called"}  # whose bits are its function's


def test_every_constructor_has_a_line() -> None:
    names = [*shapes.__all__, *builders.__all__]
    assert len(names) >= 19
    for name in names:
        assert any(line.startswith(f"{name}(") or f"({name}(" in line for line in HASHES), name


def test_the_file_is_what_regen_writes() -> None:
    assert list(HASHES) == regen.SCHEDULES


def test_regen_refuses_to_change_a_line(tmp_path: Path) -> None:
    line = next(iter(HASHES))
    for name in ("regen.py", "hashes.json"):
        (tmp_path / name).write_text(Path(regen.FILE).with_name(name).read_text())
    broken = {**HASHES, line: "0" * 64}
    (tmp_path / "hashes.json").write_text(json.dumps(broken))
    run = [sys.executable, str(tmp_path / "regen.py")]
    refused = subprocess.run(run, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert line in refused.stderr
    assert json.loads((tmp_path / "hashes.json").read_text()) == broken
    meant = subprocess.run([*run, "--i-mean-it"], capture_output=True, text=True, check=False)
    assert meant.returncode == 0
    assert json.loads((tmp_path / "hashes.json").read_text()) == HASHES
