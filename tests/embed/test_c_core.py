"""The C core by itself: clean under the sanitisers, free of Python and of the C library's mathematics, its header plain C11."""

import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

import lrkernel as lrk

ROOT = Path(__file__).resolve().parents[2]
KERNELS = ROOT / "kernels"
HERE = Path(__file__).parent
CORE = ["-std=c11", "-ffp-contract=off", f"-I{KERNELS}", f"-I{lrk.get_include()}"]
STRICT = ["-Wall", "-Wextra", "-Werror"]
ALWAYS = ["-DLRK_WORTH_WAKING=0"]  # threads share every job that has pieces


def compiler() -> str:
    """The C compiler that builds the extension."""
    told = os.environ.get("CC") or str(sysconfig.get_config_var("CC") or "cc")
    for name in (told.split()[0], "cc", "gcc", "clang"):
        if found := shutil.which(name):
            return found
    raise FileNotFoundError("no C compiler: building lrkernel needs one, and so do its tests")


THREADS: list[str | Path] = [
    HERE / "threads.c",
    *(KERNELS / name for name in ("lrk.c", "batch.c", "pool.c", "ahead.c", "patience.c", "sums.c")),
    "-lm",
    "-pthread",
]


def compiled(folder: Path, *arguments: str | Path) -> Path:
    """The program or object that the compiler makes of the arguments."""
    target = folder / "made"
    run = subprocess.run([compiler(), *map(str, arguments), "-o", str(target)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return target


def output(program: Path, *arguments: str, **environment: str) -> str:
    run = subprocess.run(
        [str(program), *arguments], capture_output=True, text=True, check=False, timeout=300, env={**os.environ, **environment}
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_every_shape_level_length_stride_and_gap_under_the_sanitisers(tmp_path: Path) -> None:
    sanitisers = ["-O1", "-g", "-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all"]
    program = compiled(tmp_path, *CORE, *STRICT, *sanitisers, HERE / "sanitize.c", KERNELS / "lrk.c", "-lm")
    # The core allocates nothing; a leak check would need ptrace, which containers often refuse.
    said = output(program, "800", ASAN_OPTIONS="detect_leaks=0", UBSAN_OPTIONS="print_stacktrace=1")
    found = re.fullmatch(r"(\d+) shapes, (\d+) levels, (\d+) random tables: all bits equal\n", said)
    assert found is not None, said
    shapes, levels, tables = map(int, found.groups())
    assert shapes == len(lrk.SHAPES)
    assert levels == len(lrk._core.runnable_levels())
    assert tables > 600


def test_threads_race_for_nothing(tmp_path: Path) -> None:
    checked = compiled(tmp_path, *CORE, *STRICT, *ALWAYS, "-O1", "-g", "-fsanitize=thread", *THREADS)
    assert output(checked, "20", "no forks", TSAN_OPTIONS="halt_on_error=1") == "4 callers, 20 rounds: all bits equal\n"


@pytest.mark.parametrize("shared", [[], ALWAYS])
def test_threads_survive_forks(tmp_path: Path, shared: list[str]) -> None:
    program = compiled(tmp_path, *CORE, *STRICT, *shared, "-O2", *THREADS)
    assert output(program, "20") == "4 callers, 20 rounds: all bits equal\n"


def test_the_core_calls_nothing_but_sqrt_and_memory(tmp_path: Path) -> None:
    made = compiled(tmp_path, "-std=c11", *STRICT, "-O0", "-fmath-errno", "-c", Path(lrk.get_include(), "lrkernel.c"))
    listed = subprocess.run(["nm", "-u", str(made)], capture_output=True, text=True, check=True).stdout
    called = {line.split()[-1].lstrip("_") for line in listed.splitlines() if line.strip()}
    assert "sqrt" in called
    assert called <= {"sqrt", "memcmp", "memcpy", "memset", "memmove", "GLOBAL_OFFSET_TABLE_", "stack_chk_fail"}


def test_arithmetic_that_would_change_the_bits_is_refused() -> None:
    compile_it = [compiler(), *CORE, "-fsyntax-only", str(KERNELS / "lrk.c")]
    assert subprocess.run(compile_it, capture_output=True, check=False).returncode == 0
    fast = subprocess.run([*compile_it, "-ffast-math"], capture_output=True, text=True, check=False)
    assert fast.returncode != 0
    assert "-ffast-math changes the bits; compile without it" in fast.stderr


@pytest.mark.parametrize("standard", ["c11", "c17"])
def test_the_header_is_pedantic_c(tmp_path: Path, standard: str) -> None:
    source = tmp_path / "header.c"
    source.write_text('#include "lrkernel.h"\n#include "lrkernel.h"\nint main(void) { return LRK_ABI < 1; }\n')
    made = compiled(tmp_path, f"-std={standard}", *STRICT, "-Wpedantic", f"-I{lrk.get_include()}", "-c", source)
    assert made.stat().st_size > 0


def test_the_structure_is_the_numpy_dtype(tmp_path: Path) -> None:
    from lrkernel.schedule import SEGMENT

    names = SEGMENT.names or ()
    place = '    printf("{0} %zu %zu\\n", offsetof(lrk_segment, {0}), sizeof(((lrk_segment *)0)->{0}));'
    source = tmp_path / "layout.c"
    source.write_text(
        "#include <lrkernel.h>\n#include <stddef.h>\n#include <stdio.h>\nint main(void)\n{\n"
        + "\n".join(place.format(name) for name in names)
        + '\n    printf("%zu\\n", sizeof(lrk_segment));\n    return 0;\n}\n'
    )
    *fields, size = output(compiled(tmp_path, "-std=c11", *STRICT, f"-I{lrk.get_include()}", source)).splitlines()
    assert SEGMENT.fields is not None
    assert fields == [f"{name} {SEGMENT.fields[name][1]} {SEGMENT[name].itemsize}" for name in names]
    assert int(size) == SEGMENT.itemsize
    header = re.sub(r"/\*.*?\*/", "", Path(lrk.get_include(), "lrkernel.h").read_text("utf-8"), flags=re.DOTALL)
    body = header.partition("typedef struct lrk_segment {")[2].partition("}")[0]
    assert re.findall(r"(\w+)(?:\[\d+\])?\s*[,;]", body) == list(names)
