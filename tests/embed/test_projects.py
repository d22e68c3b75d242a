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


REGISTERING = """
#include "lrkernel_capi.h"

static double cubic(double u)
{
    return (1.0 - u) * (1.0 - u) * (1.0 - u);
}

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "cubic", .m_size = -1};

PyMODINIT_FUNC PyInit_cubic(void)
{
    const lrk_capi *capi = lrk_import();
    const lrk_function function = {.plain = cubic};
    if (capi == NULL) return NULL;
    const char *broken = capi->register_shape("of a module", &function);
    if (broken == NULL) broken = capi->register_shape("of a module", &function);
    if (strcmp(broken, "name must not be registered already") == 0) return PyModule_Create(&definition);
    PyErr_SetString(PyExc_ImportError, broken);
    return NULL;
}
"""


def module(folder: Path, source: str, include: Path | None = None) -> None:
    """The extension module of a C source, built for the headers in `include`."""
    (folder / "cubic.c").write_text(source)
    target = f"cubic{sysconfig.get_config_var('EXT_SUFFIX')}"
    headers = [f"-I{include or lrk.get_include()}", f"-I{sysconfig.get_path('include')}"]
    projects.run([compiler(), "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", *headers, "cubic.c", "-o", target], folder)


def test_a_module_registers_a_shape(tmp_path: Path) -> None:
    module(tmp_path, REGISTERING)
    code = """
import cubic, pickle, lrkernel as lrk
shape = lrk.shape(name="of a module")
curve = shape(1.0, 0.0, 4)
assert curve.values(5).tolist() == [1.0, 0.421875, 0.125, 0.015625, 0.0]
assert pickle.loads(pickle.dumps(curve)) == curve == eval(repr(curve), vars(lrk))
try:
    lrk.shape(lambda u: 1.0 - u, name="of a module", samples=4)
except ValueError as error:
    print(error)
"""
    assert projects.python(code, tmp_path) == "name must not be registered for another function, got 'of a module'\n"


def test_a_module_built_for_fewer_functions_goes_on(tmp_path: Path) -> None:
    """The struct grows at its end; a module that asks for more than there is, is refused."""
    text = Path(lrk.get_include(), "lrkernel_capi.h").read_text("utf-8")
    last = re.search(r"    const char \*\(\*register_shape\).*\n", text)
    assert last is not None
    shutil.copy(Path(lrk.get_include(), "lrkernel.h"), tmp_path)
    plain = (
        REGISTERING.partition("    const lrk_function")[0] + "    return capi == NULL ? NULL : PyModule_Create(&definition);\n}\n"
    )
    plain = plain.replace("static double cubic(double u)", "double cubic(double u);\ndouble cubic(double u)")
    (tmp_path / "lrkernel_capi.h").write_text(text.replace(last[0], ""))
    module(tmp_path, plain, tmp_path)
    assert projects.python("import cubic; print(cubic.__name__)", tmp_path) == "cubic\n"
    (tmp_path / "lrkernel_capi.h").write_text(text.replace(last[0], last[0] + last[0].replace("(*register_shape)", "(*later)")))
    module(tmp_path, plain, tmp_path)
    done = subprocess.run([sys.executable, "-c", "import cubic"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert re.search(r"ImportError: lrkernel must have ABI \d+ and a C_API of \d+ bytes or more", done.stderr)


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
