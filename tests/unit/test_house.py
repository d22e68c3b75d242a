"""The rules of the house: what may import what, where formulas live, which lists are derived, what an import costs."""

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import own
import pytest

import lrkernel as lrk
from lrkernel import builders, custom, shapes

ROOT = Path(__file__).resolve().parents[2]
KERNELS = ROOT / "kernels"
PACKAGE = Path(lrk.__file__).parent
# By dotted name below lrkernel; the integrations package itself is "integrations.__init__".
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): ast.parse(path.read_text("utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
}
CAPI = Path(lrk.get_include(), "lrkernel_capi.h")  # the one C file that knows Python
C_FILES = [*sorted(KERNELS.glob("*.[ch]")), *sorted({*Path(lrk.get_include()).glob("*.h")} - {CAPI})]

# Lowest first; a module imports from the layers below its own. A new module finds its place here.
LAYERS = [
    {"_core", "_arguments"},
    {"buffers", "sums"},
    {"schedule"},
    {"custom"},
    {"canonical"},
    {"shapes"},
    {"builders"},
    {"batch", "compare"},
    {"output"},
    {"replay"},
    {"plan"},
    {"optimizer"},
    {"scheduler"},
    {"named", "plateau"},
    {"__init__"},
    {"simulation.functionals"},
    {"simulation.laws", "simulation.bounds"},
    {"simulation.fitting", "simulation.search"},
    {"simulation.__init__"},
    {"plot", "spec", "jit", *(name for name in MODULES if name.startswith("integrations."))},
    {"studies"},
    {"cli"},
    {"__main__"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
# Inside a function, when it is called: a schedule draws itself.
LATE = {
    ("schedule", "canonical"),
    ("schedule", "custom"),
    ("custom", "jit"),
    ("schedule", "plot"),
    ("schedule", "integrations.jax"),
    ("simulation.laws", "simulation.fitting"),
}
# All of the package that an integration may import: the public names, and how an argument is checked.
PUBLIC = {"__init__", "_arguments"}
# What an extra brings, and the one module whose functions may import it.
EXTRAS = {
    "matplotlib": {"plot"},
    "click": {"cli"},
    "dask": {"integrations.dask"},
    "rich": {"cli", "simulation.fitting"},
    "scipy": {"simulation.fitting", "simulation.search"},
    "numba": {"jit"},
    "llvmlite": {"jit"},
    "jax": {"integrations.jax"},
    "keras": {"integrations.keras"},
    "pyarrow": {"output"},
    "torch": {"integrations.torch"},
    "xarray": {"batch"},
    "zarr": {"output"},
}
# What derives a class from its framework's imports that with itself.
EARLY = {"integrations.torch", "jit"}


def own_imports(node: ast.AST) -> Iterator[str]:
    """The modules of the package that an import statement names."""
    if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").partition(".")[0] == "lrkernel"):
        path = (node.module or "").removeprefix("lrkernel").strip(".")
        if path:
            yield next((name for name in (path, f"{path}.__init__") if name in LEVEL), path.partition(".")[0])
        else:
            yield from (alias.name if alias.name in LEVEL else "__init__" for alias in node.names)
    if isinstance(node, ast.Import):
        for alias in node.names:
            package, _, inner = alias.name.partition(".")
            if package == "lrkernel":
                yield inner.partition(".")[0] or "__init__"


def foreign_imports(node: ast.AST) -> Iterator[str]:
    """The packages that an import statement names."""
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        yield (node.module or "").partition(".")[0]
    if isinstance(node, ast.Import):
        yield from (alias.name.partition(".")[0] for alias in node.names)


def statements(tree: ast.AST, late: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    """Every node that runs, and whether only when a function is called; what is there for type checkers does not run."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        inner = late or isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield child, inner
        yield from statements(child, inner)


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_one_way(name: str) -> None:
    assert name in LEVEL, f"{name}.py has no layer yet"
    for node, late in statements(MODULES[name]):
        for other in own_imports(node):
            assert LEVEL[other] < LEVEL[name] or (late and (name, other) in LATE), f"{name} imports {other}"
            assert other in PUBLIC or not name.startswith("integrations."), f"{name} imports {other}"


@pytest.mark.parametrize("name", MODULES)
def test_extras_are_imported_late_and_in_one_place(name: str) -> None:
    for node, late in statements(MODULES[name]):
        for other in foreign_imports(node):
            assert other not in EXTRAS or ((late or name in EARLY) and name in EXTRAS[other]), f"{name} imports {other}"
            assert other in {"numpy", "lrkernel", *EXTRAS, *sys.stdlib_module_names}, f"{name} imports {other}"


def test_the_layers_see_the_imports_that_exist() -> None:
    found = {(name, other) for name, tree in MODULES.items() for node, _ in statements(tree) for other in own_imports(node)}
    assert {("schedule", "_core"), ("shapes", "schedule"), ("builders", "shapes"), ("__init__", "builders")} <= found
    assert {("schedule", "plot"), ("cli", "spec")} <= found
    assert {("schedule", "integrations.jax"), ("integrations.jax", "__init__"), ("integrations.jax", "_arguments")} <= found


def test_an_import_brings_numpy_and_nothing_else_to_be_installed() -> None:
    code = "import sys, lrkernel; print(*{name.partition('.')[0] for name in sys.modules})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert {"lrkernel", "numpy"} <= loaded
    assert not loaded & {
        "numba",
        "matplotlib",
        "torch",
        "jax",
        "keras",
        "dask",
        "distributed",
        "pyarrow",
        "xarray",
        "zarr",
        "click",
        "rich",
        "tomllib",
        "llvmlite",
        "pandas",
        "scipy",
    }


# ---- kernels ----


def code_of(path: Path) -> str:
    """A C file without its comments and strings."""
    return re.sub(r'/\*.*?\*/|//[^\n]*|"[^"\n]*"', " ", path.read_text("utf-8"), flags=re.DOTALL)


MATHEMATICS = """
acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh cospi erf erfc exp exp10 exp2 expm1 fabs
fdim floor fma fmax fmin fmod frexp hypot ilogb ldexp lgamma llrint llround log log10 log1p log2 logb lrint
lround modf nearbyint nextafter nexttoward pow powi remainder remquo rint round scalbln scalbn sin sincos sinh
sinpi sqrt tan tanh tgamma trunc
""".split()


@pytest.mark.parametrize("path", C_FILES, ids=lambda path: path.name)
def test_the_kernels_call_no_mathematics_but_sqrt(path: Path) -> None:
    called = set(re.findall(r"\b([A-Za-z_]\w*)\s*\(", code_of(path)))
    assert not called & ({name + end for name in MATHEMATICS for end in ("", "f", "l")} - {"sqrt"})
    builtins = {name for name in called if name.startswith("__builtin")}
    instructions = {"__builtin_fabs", "__builtin_fma", "__builtin_fmaf", "__builtin_popcount", "__builtin_prefetch"}
    assert builtins <= instructions  # no symbols: test_c_core


@pytest.mark.parametrize("path", C_FILES, ids=lambda path: path.name)
def test_the_kernels_know_nothing_of_python(path: Path) -> None:
    code = code_of(path)
    assert not re.search(r"\bPy[A-Z_]\w*|#\s*include\s*<Python", code)
    assert not re.search(r"\b(malloc|calloc|realloc|free|alloca)\s*\(", code)


@pytest.mark.parametrize("path", [*C_FILES, CAPI, *sorted(KERNELS.glob("*.def"))], ids=lambda path: path.name)
def test_a_c_file_begins_with_its_role(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    assert re.match(rf"/\* {re.escape(path.name)} - \S", lines[0])
    limit = 132 if path.suffix == ".def" else 120
    assert max(map(len, lines)) <= limit, [number for number, line in enumerate(lines, 1) if len(line) > limit]


@pytest.mark.parametrize("name", MODULES)
def test_a_module_begins_with_its_role(name: str) -> None:
    said = ast.get_docstring(MODULES[name]) or ""
    role = "lrkernel" if name == "__init__" else name.removesuffix(".__init__")
    assert re.match(rf"{re.escape(role)} - \S", said)


def test_the_face_has_no_numbers_to_compute() -> None:
    code = re.sub(r"#[^\n]*", "", (KERNELS / "_core.pyx").read_text("utf-8"))
    assert set(re.findall(r"from libc\.math cimport (.*)", code)) <= {"INFINITY, NAN"}
    assert not set(re.findall(r"\b([a-z]\w*)\s*\(", code)) & set(MATHEMATICS)


# ---- the table of shapes ----

# Ids are ABI: this list only grows, at its end.
IDS = """
constant hold linear cosine cosine_cycles polynomial power_ramp geometric exponential inverse_sqrt step values
scale divide offset clip product repeat epoch skip custom
""".split()


def test_ids_are_kept() -> None:
    assert [(shape.id, shape.name) for shape in lrk.SHAPES] == list(enumerate(IDS))


def test_a_row_is_complete() -> None:
    for shape in lrk.SHAPES:
        assert shape.kind in {"lane", "table", "series", "called", "stair", "node"}
        assert 0.0 <= shape.ulp <= 8.0
        assert shape.formula
        assert shape.call


def test_every_row_has_its_constructor_and_every_constructor_its_row() -> None:
    made = [shape for shape in lrk.SHAPES if shape.kind != "node" and shape.name != "hold"]
    composed = {"multistep", "piecewise_constant", "piecewise_linear"}  # of rows of other names
    assert {shape.call.partition("(")[0] for shape in made} == {*shapes.__all__, *custom.__all__} - composed
    for shape in made:
        name, _, names = shape.call.rstrip(")").rpartition("(")
        make = own.own if shape.kind == "called" else getattr(lrk, name)
        parameters = list(inspect.signature(make).parameters)
        assert names.split(", ") == parameters[: names.count(",") + 1]


def test_rows_of_the_table_are_read_from_shapes_def() -> None:
    rows = re.findall(r"^LRK_(\w+)\((\d+), (\w+), ([\d.]+),", (KERNELS / "shapes.def").read_text("utf-8"), re.MULTILINE)
    assert [(int(id), name, kind.lower(), float(ulp)) for kind, id, name, ulp in rows] == [
        (shape.id, shape.name, shape.kind, shape.ulp) for shape in lrk.SHAPES
    ]


def test_levels_are_named_after_the_architecture() -> None:
    assert lrk.LEVELS[0] == "baseline"
    assert set(lrk._core.runnable_levels()) <= set(lrk.LEVELS)
    assert len(set(lrk.LEVELS)) == len(lrk.LEVELS)


# ---- no Python per step ----

CONSTRUCTORS: list[Callable[..., lrk.Schedule]] = [getattr(lrk, name) for name in (*shapes.__all__, *builders.__all__)]


def arguments(make: Callable[..., lrk.Schedule], steps: int) -> dict[str, Any]:
    """What a constructor is called with for a run of `steps` steps, by the names of its parameters."""
    known: dict[str, Any] = {
        "array": [0.3, 0.2, 0.1],
        "boundaries": [steps // 4, steps],
        "decay": steps // 2,
        "every": 3,
        "floor": 1e-5,
        "gamma": 0.9,
        "milestones": [steps // 4, steps],
        "peak": 1e-3,
        "period": steps,
        "plateaus": [(50, 10)],
        "power": 2.5,
        "stable": steps // 4,
        "start": 1e-3,
        "step_size": steps // 8,
        "steps": steps,
        "stop": 1e-5,
        "timescale": steps,
        "total": steps,
        "value": 1e-3,
        "values": [1e-3, 1e-4, 1e-5],
        "warmup": steps // 8,
    }
    if make is lrk.piecewise_linear:
        known["steps"] = [0, steps // 2, steps]
    names = inspect.signature(make).parameters
    return {name: known[name] for name in names if name in known}


def lines_run(call: Callable[[], object]) -> int:
    """How many lines of the package's Python a call runs."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Callable[..., Any] | None:
        nonlocal count
        count += event == "line"
        return trace if frame.f_code.co_filename.startswith(str(PACKAGE)) else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("make", CONSTRUCTORS, ids=lambda make: make.__name__)
def test_building_costs_the_same_for_any_number_of_steps(make: Callable[..., lrk.Schedule]) -> None:
    short, long = arguments(make, 4096), arguments(make, 2**50)
    cost = lines_run(lambda: make(**short))
    assert cost > 0
    assert lines_run(lambda: make(**long)) == cost
    assert len(make(**long).segments) == len(make(**short).segments) <= 8


@pytest.mark.parametrize("make", CONSTRUCTORS, ids=lambda make: make.__name__)
def test_evaluating_runs_no_python_per_step(make: Callable[..., lrk.Schedule]) -> None:
    plain = make(**arguments(make, 4096))
    for schedule in (plain, (plain * plain * 0.5).clip(1e-9, 1.0), plain.cut(2000).repeat().by_epoch(3)):
        few = lines_run(partial(schedule.values, 10, threads=1))
        assert few > 0
        assert lines_run(partial(schedule.values, 50_000, threads=1)) == few
        assert lines_run(partial(schedule, range(30_000))) == lines_run(partial(schedule, range(10)))


@pytest.mark.parametrize("name", ["_arguments", "schedule", "shapes", "builders", "spec", "__init__"])
def test_formulas_are_not_written_in_python(name: str) -> None:
    functions = set(MATHEMATICS) - {"ceil", "floor", "frexp", "ldexp", "copysign", "trunc", "round"} | {"power"}
    arrays = set("arange linspace geomspace logspace vectorize frompyfunc fromfunction fromiter cumsum cumprod".split())
    names = (node for node in ast.walk(MODULES[name]) if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name))
    used = {node.attr for node in names if ast.unparse(node.value) in {"math", "cmath", "np"}}
    assert not used & (functions | arrays)
