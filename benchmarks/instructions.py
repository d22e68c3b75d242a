"""instructions - how many instructions each curve takes per step, counted by callgrind, and the budget that they must keep.

python benchmarks/instructions.py [--record]

Counts repeat exactly where times do not, so that a slow-down of 2 percent fails on a noisy machine. A gain of 2 percent fails too:
unrecorded, it would hide the next slow-down. Counts depend on the compiler: the budget is of one, gcc-12 unless CC names another,
and a compiler without a budget is an error, not a pass. So is a shape without a curve, and a gate that lets a slower build pass:
one without vectors is counted beside. --record writes the counts of this compiler into instructions.json; commit that with the
reason. AVX-512 is not counted: valgrind does not run it.
"""

import argparse
import ast
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from works import CURVES, clustered, shuffled, without_a_curve

import lrkernel as lrk

HERE = Path(__file__).parent
ROOT = HERE.parent
BUDGET = HERE / "instructions.json"
COMPILER = "gcc-12"
LEVELS = [level for level in lrk.LEVELS if level != "x86-64-v4"]
WITHIN = 0.02
STEPS = 200_000
CALLS = 10_000
WAYS = {
    "float64": STEPS,
    "float32": STEPS,
    "strided output": STEPS,
    "batch": 4 * STEPS,
    **dict.fromkeys(("strided steps", "backwards", "shuffled", "runs", "in order"), CALLS),
    **dict.fromkeys(("memo", "cursor", "cursor jumping", "ahead", "one by one"), CALLS),
}  # the values that each asks for
SLOWER = "-fno-tree-vectorize"

Counts = dict[str, dict[str, float]]  # "cosine x86-64-v3": instructions per step, by the way of asking


def compiler() -> tuple[str, str]:
    """The compiler's path, and the name of its budget: kind, major version, processor."""
    told = os.environ.get("CC", COMPILER)
    path = shutil.which(told)
    if path is None:
        raise SystemExit(f"no compiler {told}: the budget is of {COMPILER}; CC names another")
    listed = subprocess.run([path, "-dM", "-E", "-x", "c", os.devnull], capture_output=True, text=True, check=True).stdout
    macros = dict(re.findall(r"#define (__clang_major__|__GNUC__) (\d+)", listed))
    kind, major = ("clang", macros["__clang_major__"]) if "__clang_major__" in macros else ("gcc", macros["__GNUC__"])
    return path, f"{kind}-{major} {platform.machine()}"


def flags() -> list[str]:
    """Those of setup.py."""
    for node in ast.parse((ROOT / "setup.py").read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "FLAGS":
            return list(ast.literal_eval(node.value)["unix"])
    raise SystemExit("setup.py has no FLAGS")


def built(path: str, folder: Path, *more: str) -> Path:
    sources = [source for source in sorted((ROOT / "kernels").glob("*.c")) if not source.name.endswith(".inc.c")]
    folder.mkdir()
    program = folder / "instructions"
    # Bound at the start, or the first call of a function would count the dynamic linker.
    options = [*flags(), *more, "-fPIC", "-Wl,-z,now", f"-I{ROOT / 'kernels'}", f"-I{ROOT / 'src/lrkernel/include'}"]
    subprocess.run([path, *options, *sources, HERE / "instructions.c", "-o", program, "-lm"], check=True)
    return program


def arrays(table: Any) -> Iterator[Any]:
    """The arrays that the rows refer to, in the order of the compiled table's values."""
    for row in table.rows:
        for child in row[7]:
            if isinstance(child, lrk.Schedule):
                yield from arrays(child)
            else:
                yield child


def write(path: Path, schedule: lrk.Schedule) -> None:
    values = np.concatenate([np.zeros(0), *arrays(schedule)])
    head = [STEPS, CALLS, len(schedule.rows), len(schedule.segments), len(values)]
    steps = shuffled(STEPS)[:CALLS]
    asked = np.concatenate([steps, clustered(STEPS)[:CALLS], np.sort(steps)])
    path.write_bytes(np.array(head, np.int64).tobytes() + schedule.segments.tobytes() + values.tobytes() + asked.tobytes())


def counts(program: Path, curves: Iterable[str] = CURVES) -> Counts:
    folder = program.parent
    for name in curves:
        write(folder / name, CURVES[name](STEPS))
    # Nothing from outside: no options of valgrind's, no path, no variable that moves the stack.
    options = ["--command-line-only=yes", "--tool=callgrind", "--collect-atstart=no", "--dump-line=no"]
    found: Counts = {}
    for level in LEVELS:
        command = ["valgrind", *options, f"--callgrind-out-file={level}.out", f"./{program.name}", level, *curves]
        run = subprocess.run(command, cwd=folder, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False)
        if run.returncode == 3:
            raise SystemExit(f"{level} does not run on this processor: nothing to compare with the budget")
        if run.returncode:
            raise SystemExit(run.stderr)
        for dump in folder.glob(f"{level}.out.*"):
            text = dump.read_text("utf-8")
            name, way = re.findall(r"^desc: Trigger: Client Request: (.*), (.*)$", text, re.MULTILINE)[0]
            total = int(re.findall(r"^(?:totals|summary): (\d+)", text, re.MULTILINE)[0])
            found.setdefault(f"{name} {level}", {})[way] = round(total / WAYS[way], 3)
    return {row: {way: found[row][way] for way in WAYS} for row in (f"{name} {level}" for name in curves for level in LEVELS)}


def flat(counts: Counts) -> dict[str, float]:
    return {f"{row}, {way}": count for row, ways in counts.items() for way, count in ways.items()}


def differences(budget: Counts, found: Counts) -> list[str]:
    """One line for each count that is not within 2 percent of its budget, above or below."""
    allowed, got = flat(budget), flat(found)
    lines = [f"{name}: not in the budget" for name in got.keys() - allowed.keys()]
    lines += [f"{name}: in the budget, but not counted" for name in allowed.keys() - got.keys()]
    for name in allowed.keys() & got.keys():
        if abs(got[name] - allowed[name]) > WITHIN * allowed[name]:
            more = f"{got[name] / allowed[name] - 1.0:+.1%}"
            lines.append(f"{name}: {got[name]:.3f} instructions per step, budget {allowed[name]:.3f} ({more})")
    return sorted(lines)


def written(budgets: dict[str, Counts]) -> str:
    """JSON with one line per curve and level."""
    blocks = []
    for name, budget in sorted(budgets.items()):
        lines = ",\n".join(f"    {json.dumps(row)}: {json.dumps(budget[row])}" for row in budget)
        blocks.append(f"  {json.dumps(name)}: {{\n{lines}\n  }}")
    return "{\n" + ",\n".join(blocks) + "\n}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="write the counts into the budget")
    record = parser.parse_args().record
    if shutil.which("valgrind") is None:
        raise SystemExit("no valgrind: it counts the instructions")
    path, name = compiler()
    budgets: dict[str, Counts] = json.loads(BUDGET.read_text("utf-8")) if BUDGET.exists() else {}
    if name not in budgets and not record:
        raise SystemExit(f"no budget for {name}, only for {', '.join(budgets) or 'none'}: CC names the compiler, --record adds one")
    missing = without_a_curve()
    if missing:
        raise SystemExit(f"no curve in works.CURVES, so no budget, for {', '.join(missing)}")
    with TemporaryDirectory() as folder:
        found = counts(built(path, Path(folder, "as shipped")))
        slower = counts(built(path, Path(folder, "slower"), SLOWER), ["cosine"])
    if not all(differences({row: found[row]}, {row: slower[row]}) for row in slower):
        raise SystemExit(f"a build with {SLOWER} passes too: this gate sees nothing")
    changed = differences(budgets.get(name, {}), found)
    print(f"{name}: {len(found)} curves and levels in {len(WAYS)} ways, {len(changed)} differences", *changed, sep="\n")
    if record:
        BUDGET.write_text(written({**budgets, name: found}), "utf-8")
    elif changed:
        sys.exit("over or under the budget by more than 2 percent: find out why, or --record and say why in the commit")


if __name__ == "__main__":
    main()
