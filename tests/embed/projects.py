"""projects - the projects of examples/embed, built by their README's commands and run beside Python."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "embed"

MADE = """
import lrkernel as lrk
four = lrk.linear(0.0, 1e-3, 1000).then(lrk.cosine(1e-3, 1e-4, 3000.5)).then(lrk.constant(1e-4, 1000))
four = four.then(lrk.polynomial(1e-4, 1e-5, 4000, 2.5))
table = (lrk.from_values([0.3, 0.1, 0.2]).stretch(700).repeat() * lrk.step(1.0, 250, 0.9)).clip(hi=0.25)
"""

CYTHON = f"""{MADE}
import numpy as np, simulate
for schedule in (four, table):
    rates = schedule.values(10_000)
    x = 1.0
    for rate in rates.tolist():
        x -= rate * 0.5 * x
    assert simulate.descend(schedule, 1.0, 0.5, 10_000) == x
    assert simulate.total(schedule, 10_000) == rates.cumsum()[-1]  # which adds one after the other
    ends = np.empty(3)
    simulate.descend_all(schedule, np.array([0.5, 0.0, 0.25]), 10_000, ends)
    assert ends[0] == x and ends[1] == 1.0 and x < ends[2] < 1.0
    steps = np.random.default_rng(0).integers(0, 10_000, 5000)
    found = np.empty(5000)
    simulate.look_up(schedule, steps, found)
    assert (found == rates[steps]).all()
    simulate.look_up(schedule, np.full(3, -1), found[:3])
    assert np.isnan(found[:3]).all()
print("same bits")
"""

CPP = f"""{MADE}
import descent
for schedule in (four, table):
    x, total = 1.0, 0.0
    for rate in schedule.values(10_000).tolist():
        x -= rate * 0.5 * x
        total += rate
    assert descent.descend(schedule, 1.0, 0.5, 10_000) == x
    assert descent.mean(schedule, 0, 10_000) == total / 10_000
for wrong in (None, 5, four.to_dict()):
    try:
        descent.descend(wrong, 1.0, 0.5, 10)
    except TypeError as error:
        assert str(error) == f"schedule must be a Schedule, got {{type(wrong).__name__}}", error
    else:
        raise AssertionError(wrong)
print("same bits")
"""


def run(command: list[str | Path], folder: Path, first: Path | None = None) -> str:
    """What a command prints, run in a folder; `first` is where Python looks before all else."""
    environment = {**os.environ, **({} if first is None else {"PYTHONPATH": str(first)})}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def python(code: str, folder: Path, first: Path | None = None) -> str:
    return run([sys.executable, "-W", "error", "-c", code], folder, first)


def build(folder: Path, compiler: str, place: Path, first: Path | None = None) -> Path:
    """A copy of the projects where the README's commands were run, for the lrkernel that lies in `place`."""
    projects = shutil.copytree(EXAMPLES, folder / "embed")
    assert python("import lrkernel; print(lrkernel.__file__)", projects, first).startswith(str(place))
    [commands] = re.findall(r"```sh\n(.*?)```", (projects / "README.md").read_text("utf-8"), re.DOTALL)
    commands = commands.replace("python ", f"'{sys.executable}' ").replace("cc ", f"'{compiler}' -Wall -Wextra -Werror ")
    printed = run(["bash", "-euo", "pipefail", "-c", commands], projects, first)
    assert len(re.findall(r"^-?0x\S+$", printed, re.MULTILINE)) == 200
    return projects


def check(projects: Path, first: Path | None = None) -> None:
    """Each project gives the bits that Python gives."""
    assert python(CYTHON, projects / "cython", first) == "same bits\n"
    assert python(CPP, projects / "cpp", first) == "same bits\n"
    for schedule in ("four", "table"):
        save = f"open('saved', 'wb').write({schedule}.to_bytes()); print(*map(float.hex, {schedule}.values(10_000).tolist()))"
        wanted = python(MADE + save, projects, first).split()
        found = run([projects / "evaluate", "saved", "10000"], projects).split()
        assert len(found) == 10_000
        assert list(map(float.fromhex, found)) == list(map(float.fromhex, wanted))
