"""Builds the C core for many machines, runs it there, in an emulator if need be, and holds its values against the golden hashes.

python tests/cross/bits.py          one build per machine and compiler
python tests/cross/bits.py --all    all levels of optimisation, further machines and compilers; ten minutes

Needs the compilers that it names and QEMU's user mode. Exit status 1 where a bit differs.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from golden import regen

import lrkernel as lrk

ROOT = Path(__file__).resolve().parents[2]
KERNELS = ROOT / "kernels"
STRICT = ["-Wall", "-Wextra", "-Werror", f"-I{KERNELS}", f"-I{lrk.get_include()}"]
GOLDEN = [ROOT / "tests" / "cross" / "golden.c", Path(lrk.get_include(), "lrkernel.c")]
THREADS = [
    ROOT / "tests" / "embed" / "threads.c",
    *(KERNELS / name for name in ("lrk.c", "batch.c", "pool.c", "ahead.c", "patience.c", "sums.c")),
]
SHIPPED = "-std=c11 -O3 -ffp-contract=off -fno-math-errno -fno-trapping-math"  # of setup.py
ROUTES = ("fill", "float", "cursor", "at", "gather")


class Build(NamedTuple):
    """A machine, what compiles for it, and what runs it elsewhere."""

    machine: str
    compiler: str
    flags: str = SHIPPED
    emulator: str = ""
    routes: tuple[str, ...] = ROUTES


def foreign(machine: str, routes: tuple[str, ...] = ROUTES, flags: str = SHIPPED, compiler: str = "") -> Build:
    name = {"ppc64": "powerpc64", "i386": "i686"}.get(machine, machine)
    return Build(machine, compiler or f"{name}-linux-gnu-gcc", f"{flags} -static", f"qemu-{machine}", routes)


# Outside a strict standard compilers contract products and sums where the machine can; the kernels forbid it themselves.
CARELESS = "-std=gnu11 -O3"
MACHINES = ("aarch64", "riscv64", "s390x")  # the last one is big-endian
USUAL = [
    Build("x86_64", "gcc"),
    Build("x86_64", "clang"),
    Build("x86_64", "musl-gcc", f"{SHIPPED} -static"),
    Build("x86_64", "gcc", "-std=c11 -O0", routes=("fill", "float")),
    *(foreign(machine) for machine in MACHINES),
    foreign("aarch64", ("fill",), CARELESS),
]
OPTIMISED = (*(f"-std=c11 -O{level}" for level in range(4)), CARELESS)
FURTHER = [
    *(Build("x86_64", compiler, flags) for compiler in ("gcc", "clang") for flags in (*OPTIMISED, f"{CARELESS} -march=haswell")),
    *(foreign(machine, flags=flags) for machine in MACHINES for flags in OPTIMISED),
    *(foreign(machine, flags=f"--target={machine}-linux-gnu {SHIPPED}", compiler="clang") for machine in MACHINES),
    *(foreign("ppc64", flags=flags) for flags in (SHIPPED, CARELESS)),
    foreign("i386", flags=f"{SHIPPED} -msse2 -mfpmath=sse"),
]
EVERY = [*USUAL, *(build._replace(routes=("fill",)) for build in FURTHER)]


class Expected(NamedTuple):
    """The hashes of the values of one golden schedule."""

    expression: str
    double: str
    single: str


def sha256(data: bytes | memoryview) -> str:
    return hashlib.sha256(data).hexdigest()


def expected(expression: str, golden: str) -> Expected:
    """float32 is float64 rounded once; that the float64 values are the golden ones is checked first."""
    schedule = regen.build(expression)
    values = np.concatenate([schedule.values(steps.start, steps.stop) for steps in regen.windows()])
    assert sha256(values.astype("<f8").tobytes()) == golden, expression
    return Expected(expression, golden, sha256(values.astype("<f4").tobytes()))


def stream_of_tables(expressions: list[str]) -> bytes:
    tables = [regen.build(expression).to_bytes() for expression in expressions]
    return b"".join(len(table).to_bytes(8, "little") + table for table in tables)


def run(command: list[str], data: bytes = b"") -> bytes:
    if shutil.which(command[0]) is None:
        raise FileNotFoundError(f"{command[0]} must be installed")
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit status {done.returncode}\n{done.stderr.decode()}")
    return done.stdout


def compiled(build: Build, sources: list[Path], folder: str) -> list[str]:
    """The command that runs the program of these sources."""
    program = f"{folder}/{sources[0].stem}"
    run([build.compiler, *build.flags.split(), *STRICT, *map(str, sources), "-lm", "-pthread", "-o", program])
    return [*build.emulator.split(), program]


def version(compiler: str) -> str:
    return run([compiler, "--version"]).decode().splitlines()[0]


def differing(values: bytes, route: str, wanted: list[Expected]) -> tuple[int, list[str]]:
    """How many levels wrote values, and the schedules with a bit that is not the golden one."""
    steps = sum(map(len, regen.windows()))
    size = steps * (4 if route == "float" else 8)
    levels, rest = divmod(len(values), size * len(wanted))
    if levels == 0 or rest:
        raise RuntimeError(f"{route}: {len(values)} bytes are not those of {len(wanted)} schedules")
    view = memoryview(values)
    wrong = []
    for k, line in enumerate(wanted):
        for level in range(levels):
            begin = (k * levels + level) * size
            if sha256(view[begin : begin + size]) != (line.single if route == "float" else line.double):
                wrong.append(f"{route}, level {level}: {line.expression}")
    return levels, wrong


def check(build: Build, wanted: list[Expected], tables: bytes) -> tuple[str, list[str]]:
    """The build's line of the report, and the differences."""
    begun = time.monotonic()
    windows = [f"{steps.start}:{len(steps)}" for steps in regen.windows()]
    wrong, levels = [], 0
    with tempfile.TemporaryDirectory() as folder:
        program = compiled(build, GOLDEN, folder)
        for route in build.routes:
            levels, bad = differing(run([*program, route, *windows], tables), route, wanted)
            wrong += bad
        run([*compiled(build, THREADS, folder), "4", "no forks"])
    verdict = f"{len(wrong)} DIFFER" if wrong else "same bits"
    told = f"{build.machine}, {build.compiler} ({version(build.compiler)}) {build.flags}"
    shown = f"{len(wanted)} schedules, {levels} level(s), {' '.join(build.routes)} threads"
    return f"{told}\n    {shown}: {verdict}, {time.monotonic() - begun:.0f} s", [f"{told}: {line}" for line in wrong]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--all", action="store_true", help="every level of optimisation, machine and compiler")
    builds = EVERY if parser.parse_args().all else USUAL
    hashes: dict[str, str] = json.loads(regen.FILE.read_text())
    wanted = [expected(*line) for line in hashes.items()]
    tables = stream_of_tables(list(hashes))
    wrong = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # each waits for a process
        for line, bad in pool.map(lambda build: check(build, wanted, tables), builds):
            print(line, flush=True)
            wrong += bad
    print(*wrong, sep="\n", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
