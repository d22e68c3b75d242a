"""The projects of examples/embed, built and run for the lrkernel that is being tested, editable or from a wheel."""

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from embed import projects
from embed.test_c_core import compiler

import lrkernel as lrk


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return projects.build(tmp_path_factory.mktemp("a folder"), compiler(), Path(lrk.__file__).parent)


def test_the_projects_give_the_bits_of_python(built: Path) -> None:
    projects.check(built)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (b"", "magic must be LRKTABLE"),
        (b"LRKTABLE" + bytes(60), "version must be 1"),
        (lrk.constant(0.5).to_bytes()[:-1] + b"x", "checksum must be that of the content: it was changed or damaged"),
        (None, "No such file or directory"),
    ],
)
def test_the_program_says_what_is_wrong(built: Path, tmp_path: Path, given: bytes | None, error: str) -> None:
    if given is not None:
        (tmp_path / "saved").write_bytes(given)
    done = subprocess.run([built / "evaluate", "saved", "3"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"saved: {error}\n")


def test_a_module_built_for_another_abi_is_refused(tmp_path: Path) -> None:
    for header in Path(lrk.get_include()).glob("*.h"):
        text = header.read_text("utf-8")
        (tmp_path / header.name).write_text(re.sub(r"#define LRK_ABI \d+", "#define LRK_ABI 999", text))
    cpp = shutil.which("c++")
    assert cpp is not None
    flags = ["-std=c++17", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", f"-I{tmp_path}", f"-I{sysconfig.get_path('include')}"]
    target = f"descent{sysconfig.get_config_var('EXT_SUFFIX')}"
    projects.run([cpp, *flags, projects.EXAMPLES / "cpp" / "descent.cpp", "-o", target], tmp_path)
    done = subprocess.run([sys.executable, "-c", "import descent"], cwd=tmp_path, capture_output=True, text=True, check=False)
    said = (
        r"ImportError: lrkernel must have ABI 999 and a C_API of (\d+) bytes or more, got ABI \d+ and \1 bytes: rebuild this module"
    )
    assert re.fullmatch(said, done.stderr.splitlines()[-1])
