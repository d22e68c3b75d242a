"""The stub says what the compiled module has, and the types reach those who install the package."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FACES = runpy.run_path(str(HERE / "faces.py"))


def checked(folder: Path, *command: str) -> str:
    """What a checker says, run where no configuration and no source tree is in sight."""
    run = subprocess.run([sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_the_stub_is_the_module(tmp_path: Path) -> None:
    allowed = str(HERE / "stubtest_allowlist.txt")
    assert "no issues found" in checked(tmp_path, "mypy.stubtest", "lrkernel._core", "--allowlist", allowed)


def test_users_see_the_types(tmp_path: Path) -> None:
    (tmp_path / "faces.py").write_text((HERE / "faces.py").read_text("utf-8"))
    assert "no issues found" in checked(tmp_path, "mypy", "--strict", "faces.py")


def test_a_wrong_type_is_seen(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text("import lrkernel as lrk\n\nlrk.linear('a', 0, 10)(None)\n")
    run = subprocess.run([sys.executable, "-m", "mypy", "wrong.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "[arg-type]" in run.stdout
    assert "[call-overload]" in run.stdout


@pytest.mark.parametrize("name", [name for name, value in FACES.items() if callable(value) and value.__module__ == "<run_path>"])
def test_what_is_typed_also_runs(name: str) -> None:
    assert FACES[name]() is None
