"""The command: what it writes, what it prints, and what it leaves behind when it fails."""

import errno
import json
import math
import os
import pty
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.font_manager  # noqa: F401  (tells standard error when it first makes its cache)
import numpy as np
import pyarrow.parquet
import pytest
import zarr

import lrkernel as lrk
from lrkernel import cli, studies
from lrkernel.simulation import MultiPower

Done = subprocess.CompletedProcess[str]
Refusal = Callable[..., str]

PYTHON = sys.executable
COMMAND = [PYTHON, "-m", "lrkernel"]
RUN = lrk.warmup_cosine(1e-3, 1000, 2_500_000, floor=1e-5)
SPEC = """
title = "A run"
shape = "warmup_cosine"
peak = 1e-3
warmup = 1000
total = 2_500_000
floor = 1e-5
"""
OPEN = 'title = "Without end"\nshape = "inverse_sqrt"\nstart = 1.0\ntimescale = 1000\n'
# Seconds of work, so that a signal meets it there.
SLOW = json.dumps(
    {
        "product": [{"shape": "cosine", "start": 1, "stop": 0.5, "steps": 1e9, "cycles": 3}] * 12,
        "steps": 20_000_000,
    }
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with specs, and nothing else."""
    (tmp_path / "run.toml").write_text(SPEC)
    (tmp_path / "open.toml").write_text(OPEN)
    (tmp_path / "slow.json").write_text(SLOW)
    return tmp_path


SPECS = ["open.toml", "run.toml", "slow.json"]


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def clean_environment(**more: str) -> dict[str, str]:
    told = ("PYTHONIOENCODING", "PYTHONUTF8", "COLUMNS", "FORCE_COLOR", "NO_COLOR", "LC_ALL")
    kept = {key: value for key, value in os.environ.items() if key not in told}
    return {**kept, "LC_ALL": "C.UTF-8", **more}


def after(code: str) -> list[str]:
    """The command in a process that has run `code`; a preexec_fn would fork this one, which may have threads by now."""
    return [PYTHON, "-c", f"import os, resource, signal, sys; {code}; os.execv(sys.argv[1], sys.argv[1:])", *COMMAND]


def run(folder: Path, *arguments: object, command: list[str] = COMMAND, **options: Any) -> Done:
    environment = clean_environment(**options.pop("env", {}))
    return subprocess.run(
        [*command, *map(str, arguments)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        **options,
    )


def line_of(status: int, output: str, error: str) -> str:
    """The one line with which the command refused."""
    assert status == 2
    assert output == ""
    assert error.startswith("lrkernel: ")
    assert error.endswith("\n")
    assert error[:-1].isprintable()
    return error[len("lrkernel: ") : -1]


@pytest.fixture
def refusal(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refusal:
    """Runs the command in the folder, in this process, and returns the line of its refusal."""
    monkeypatch.chdir(folder)

    def refuse(*arguments: object) -> str:
        status = cli.main([str(argument) for argument in arguments])
        return line_of(status, *capsys.readouterr())

    return refuse


# ---- evaluate ----


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("threads", [None, 1, 2])
def test_evaluate_writes_every_step(folder: Path, dtype: str, threads: int | None) -> None:
    more = [] if threads is None else ["--threads", threads]
    done = run(folder, "evaluate", "run.toml", "--out", "lr.npy", "--dtype", dtype, *more)
    assert (done.returncode, done.stderr) == (0, "")
    values = np.load(folder / "lr.npy")
    assert values.dtype == dtype
    assert values.tobytes() == RUN.values(2_500_000, dtype=dtype).tobytes()
    assert names(folder) == ["lr.npy", *SPECS]


@pytest.mark.parametrize("steps", ["1", "1000", "1048576", "1048577", "3e6", "3_000_000", "7,000"])
def test_steps_are_as_many_as_told(folder: Path, steps: str) -> None:
    done = run(folder, "evaluate", "run.toml", "--steps", steps, "--out", "lr.npy")
    assert (done.returncode, done.stderr) == (0, "")
    count = int(float(steps.replace(",", "")))
    values = np.load(folder / "lr.npy", mmap_mode="r")
    assert values.shape == (count,)
    assert np.array_equal(values, RUN.values(count))
    assert f"{count:,}" in done.stdout


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ('shape = "linear"\nstart = 1\nstop = 0\nsteps = 27125.6', 27126),
        ('steps = 70\nsequence = [{ shape = "linear", start = 1, stop = 0, steps = 50 }]', 70),
        (OPEN + "steps = 90", 90),
        ('shape = "linear"\nstart = 1\nstop = 0\nsteps = 0.25', 1),
    ],
)
def test_steps_are_the_specs_else_the_length(tmp_path: Path, text: str, count: int) -> None:
    (tmp_path / "a.toml").write_text(text)
    done = run(tmp_path, "evaluate", "a.toml", "--out", "lr.npy")
    assert (done.returncode, done.stderr) == (0, "")
    assert np.load(tmp_path / "lr.npy").shape == (count,)


def test_without_a_file_it_only_tells(folder: Path) -> None:
    done = run(folder, "evaluate", "run.toml")
    assert (done.returncode, done.stderr) == (0, "")
    assert names(folder) == SPECS
    assert "ns/step" in done.stdout
    assert "memory floor" in done.stdout


def table(text: str) -> list[list[str]]:
    """The phase table of what was printed, as rows of words."""
    lines = text.splitlines()
    first = next(k for k, line in enumerate(lines) if line.split()[:1] == ["phase"])
    stop = next(k for k in range(first, len(lines)) if not lines[k].strip())
    return [line.split() for line in lines[first:stop]]


def test_what_evaluate_prints(folder: Path) -> None:
    done = run(folder, "evaluate", "run.toml", "--out", "lr.npy")
    lines = done.stdout.splitlines()
    assert lines[0] == "A run"
    assert table(done.stdout) == [
        ["phase", "start", "stop", "steps", "first", "last"],
        ["warmup", "0", "1,000", "1,000", "0", f"{RUN(999):.6g}"],
        ["decay", "1,000", "2,500,000", "2,499,000", "0.001", f"{RUN(2_499_999):.6g}"],
    ]
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in done.stdout
    assert "evaluated    2,500,000 steps in " in done.stdout
    assert "lr.npy (20,000,128 bytes, float64)" in done.stdout


def test_evaluate_writes_parquet_and_zarr(folder: Path) -> None:
    done = run(folder, "evaluate", "run.toml", "--steps", 3000, "--out", "lr.parquet", "--dtype", "float32")
    assert (done.returncode, done.stderr) == (0, "")
    table = pyarrow.parquet.read_table(folder / "lr.parquet")
    assert table.column_names == ["step", "value"]
    assert table["step"].to_pylist() == list(range(3000))
    assert table["value"].to_numpy().tobytes() == RUN.values(3000, dtype="float32").tobytes()
    for count in (3000, 500):
        done = run(folder, "evaluate", "run.toml", "--steps", count, "--out", "lr.zarr")
        assert (done.returncode, done.stderr) == (0, "")
        found: Any = zarr.open_array(folder / "lr.zarr", mode="r")
        assert np.array_equal(found[...], RUN.values(count))
    size = sum(path.stat().st_size for path in (folder / "lr.zarr").rglob("*") if path.is_file())
    assert f"lr.zarr ({size:,} bytes, float64)" in done.stdout
    assert names(folder) == ["lr.parquet", "lr.zarr", *SPECS]


def test_the_table_of_a_run_is_cut_and_held_at_its_steps(folder: Path) -> None:
    cut = table(run(folder, "evaluate", "run.toml", "--steps", 500).stdout)
    assert cut[1:] == [["warmup", "0", "500", "500", "0", f"{RUN(499):.6g}"]]
    held = table(run(folder, "evaluate", "run.toml", "--steps", 3_000_000).stdout)
    assert [row[0] for row in held[1:]] == ["warmup", "decay", "hold"]
    assert held[-1] == ["hold", "2,500,000", "3,000,000", "500,000", "1e-05", "1e-05"]
    rows = table(run(folder, "evaluate", "open.toml", "--steps", 3000).stdout)
    assert rows[1:] == [["inverse_sqrt", "0", "3,000", "3,000", "1", f"{lrk.inverse_sqrt(1.0, 1000)(2999):.6g}"]]


def peak_memory(*arguments: object) -> int:
    """The most memory that a process held, in bytes.

    A child starts with its parent's peak, so a small interpreter stands between.
    """
    program = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, "
    program += "stdout=subprocess.DEVNULL); "
    program += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    done = subprocess.run([PYTHON, "-c", program, *map(str, arguments)], check=True, capture_output=True, text=True)
    return int(done.stdout) * (1 if sys.platform == "darwin" else 1024)


def test_memory_is_bounded(folder: Path) -> None:
    interpreter = peak_memory(PYTHON, "-c", "import numpy")
    spec = folder / "run.toml"
    for arguments in (["--steps", 2e7, "--out", folder / "lr.npy"], ["--steps", 1e8]):
        used = peak_memory(*COMMAND, "evaluate", spec, *arguments)
        assert used - interpreter < 75e6, arguments  # 2e7 steps are 160 MB of values
    assert os.path.getsize(folder / "lr.npy") == 128 + 8 * 20_000_000


def on_a_terminal(folder: Path, *arguments: object) -> str:
    """What the command writes to a terminal that is its standard error."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        cwd=folder,
        env=clean_environment(TERM="xterm"),
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            part = b""
        if not part:
            break
        seen += part
    os.close(ours)
    assert process.wait(60) == 0
    return seen.decode()


def test_a_progress_bar_on_a_terminal_only(folder: Path) -> None:
    assert "evaluating" in on_a_terminal(folder, "evaluate", "run.toml", "--steps", 2e7)
    assert run(folder, "evaluate", "run.toml", "--steps", 2e7).stderr == ""


def test_a_progress_bar_for_what_takes_long(folder: Path) -> None:
    (folder / "a.json").write_text(json.dumps(lrk.cosine_restarts(1e-3, 1000).to_dict()))
    (folder / "b.json").write_text(json.dumps(lrk.cosine_restarts(1e-3, 1001).to_dict()))
    assert "comparing" in on_a_terminal(folder, "compare", "a.json", "b.json", "--steps", 5e6)
    assert "sweeping" in on_a_terminal(folder, "sweep", "run.toml", "--grid", "peak=1e-3:1e-2:1000")


# ---- the file takes its place whole or not at all ----


def test_an_existing_file_is_replaced_with_its_mode(folder: Path) -> None:
    target = folder / "lr.npy"
    target.write_bytes(b"old")
    target.chmod(0o640)
    assert run(folder, "evaluate", "run.toml", "--out", "lr.npy").returncode == 0
    assert np.load(target).shape == (2_500_000,)
    assert target.stat().st_mode & 0o777 == 0o640


def test_a_new_file_has_the_mode_of_any_new_file(folder: Path) -> None:
    mask = os.umask(0o027)
    try:
        assert run(folder, "evaluate", "run.toml", "--out", "lr.npy").returncode == 0
    finally:
        os.umask(mask)
    assert (folder / "lr.npy").stat().st_mode & 0o777 == 0o640


def test_a_link_keeps_pointing(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "lr.npy").symlink_to("data/real.npy")
    assert run(folder, "evaluate", "run.toml", "--out", "lr.npy").returncode == 0
    assert (folder / "lr.npy").is_symlink()
    assert np.load(folder / "data" / "real.npy").shape == (2_500_000,)


def test_paths_are_those_of_the_working_directory(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    done = run(folder / "elsewhere", "evaluate", "../run.toml", "--out", "../lr.npy", "--steps", 9)
    assert (done.returncode, done.stderr) == (0, "")
    assert names(folder) == ["elsewhere", "lr.npy", *SPECS]
    assert names(folder / "elsewhere") == []


LIMIT_FILE_SIZE = "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000_000, 10_000_000))"


def test_a_file_that_cannot_grow_leaves_nothing(folder: Path) -> None:
    for before in ([], ["lr.npy"]):
        for name in before:
            (folder / name).write_bytes(b"old")
        done = run(folder, "evaluate", "run.toml", "--out", "lr.npy", command=after(LIMIT_FILE_SIZE))
        line = line_of(done.returncode, done.stdout, done.stderr)
        assert line == f"{folder / 'lr.npy'}: {os.strerror(errno.EFBIG)}"
        assert names(folder) == sorted([*before, *SPECS])
    assert (folder / "lr.npy").read_bytes() == b"old"


@pytest.mark.parametrize("function", ["fsync", "replace", "chmod"])
def test_a_full_disk_leaves_nothing(
    function: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (folder / "lr.npy").write_bytes(b"old")
    monkeypatch.setattr(os, function, full)
    target = str(folder / "lr.npy")
    assert cli.main(["evaluate", str(folder / "run.toml"), "--out", target]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == f"lrkernel: {target}: {os.strerror(errno.ENOSPC)}\n"
    assert (folder / "lr.npy").read_bytes() == b"old"
    assert names(folder) == ["lr.npy", *SPECS]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError, ValueError("no")])
def test_any_end_of_an_evaluation_leaves_nothing(error: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []

    def values(*_: object, **__: object) -> None:
        calls.append(names(folder))
        raise error

    monkeypatch.setattr(lrk.Schedule, "values", values)
    arguments = ["evaluate", str(folder / "run.toml"), "--out", str(folder / "lr.npy")]
    if error is SystemExit:
        with pytest.raises(SystemExit):
            cli.main(arguments)
    else:
        assert cli.main(arguments) in (2, 130)
    assert len(calls[0]) == len(SPECS) + 1  # there was a file to leave behind
    assert names(folder) == SPECS


def test_a_disk_that_is_too_small_is_told_before(folder: Path, refusal: Refusal) -> None:
    line = refusal("evaluate", "open.toml", "--steps", 2**63, "--out", "lr.npy")
    assert line.startswith(f"--out: lr.npy needs {2**63 * 8:,} bytes, ")
    assert names(folder) == SPECS


def until_it_writes(process: subprocess.Popen[Any], folder: Path) -> None:
    deadline = time.monotonic() + 60
    while not [name for name in names(folder) if name.endswith(".tmp")]:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("number", "out"),
    [(signal.SIGINT, "lr.npy"), (signal.SIGTERM, "lr.parquet"), (signal.SIGTERM, "lr.zarr"), (signal.SIGHUP, "lr.npy")],
)
def test_a_signal_leaves_nothing(folder: Path, number: signal.Signals, out: str) -> None:
    attend = f"signal.signal({int(number)}, signal.SIG_DFL)"  # whoever runs the tests may have had it ignored
    process = subprocess.Popen(
        [*after(attend), "evaluate", "slow.json", "--out", out],
        cwd=folder,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until_it_writes(process, folder)
    process.send_signal(number)
    output, error = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert (output, error) == ("", f"lrkernel: stopped by {number.name}\n")
    assert names(folder) == SPECS


def test_a_signal_that_was_ignored_stays_ignored(folder: Path) -> None:
    command = [*after("signal.signal(signal.SIGHUP, signal.SIG_IGN)"), "evaluate", "slow.json", "--out", "lr.npy"]
    process = subprocess.Popen([*command, "--steps", "5_000_000"], cwd=folder, env=clean_environment(), stdout=subprocess.PIPE)
    until_it_writes(process, folder)
    while process.poll() is None:
        process.send_signal(signal.SIGHUP)
        time.sleep(0.05)
    process.communicate()
    assert process.returncode == 0
    assert names(folder) == ["lr.npy", *SPECS]


# ---- show ----


def facts(text: str) -> dict[str, str]:
    """What `show` says after the curve, by name."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line[:1].strip() and len(line) > 13:
            found[line[:13].strip()] = [line[13:]]
        elif found and line.startswith(" " * 13):
            list(found.values())[-1].append(line[13:])
    return {name: "\n".join(lines) for name, lines in found.items()}


@pytest.mark.parametrize(
    "schedule",
    [
        RUN,
        lrk.wsd(1e-3, 100, 1000.5, 200).repeat(3) * 0.5,
        lrk.piecewise_linear(range(0, 2000, 10), [1.0 / k for k in range(1, 201)]),
        lrk.inverse_sqrt(1.0, 100).clip(0.25, None),
        lrk.cosine_restarts(1e-3, 10, 2.0, warmup=5),
        lrk.constant(0.0),
        lrk.exponential(1.0, 2.0),
    ],
)
def test_show_tells_who_a_schedule_is(schedule: lrk.Schedule, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(schedule.to_dict()))
    done = run(tmp_path, "show", "a.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert max(map(len, done.stdout.splitlines())) <= 80
    told = facts(done.stdout)
    if len(repr(schedule)) < 1000:
        assert eval(told["expression"], vars(lrk)) == schedule
    else:
        assert told["expression"].endswith(" more lines)")
    assert told["fingerprint"] == schedule.fingerprint
    if schedule.length is None:
        assert told["length"] == "open-ended"
    assert told["end"] == ("never" if schedule.end is None else f"{schedule.end:,}")
    assert len(table(done.stdout)) - 1 == min(len(schedule.phases()), 14 + 1 + 4)


def test_show_does_not_evaluate_the_curve(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[int] = []
    call = lrk.Schedule._gather
    monkeypatch.setattr(lrk.Schedule, "values", None)

    def gather(self: lrk.Schedule, steps: Any, out: Any, threads: int) -> bool:
        asked.append(len(steps))
        return call(self, steps, out, threads)

    monkeypatch.setattr(lrk.Schedule, "_gather", gather)
    assert cli.main(["show", str(folder / "run.toml")]) == 0
    assert capsys.readouterr().out.startswith("A run\n")
    assert 0 < sum(asked) < 100_000


def test_many_phases_are_told_by_the_first_and_the_last(tmp_path: Path) -> None:
    schedule = lrk.piecewise_constant([1.0 / k for k in range(1, 1002)], range(10, 10_010, 10))
    (tmp_path / "a.json").write_text(json.dumps(schedule.to_dict()))
    rows = table(run(tmp_path, "show", "a.json").stdout)
    assert len(rows) == 1 + 14 + 1 + 4
    assert rows[15] == ["(983", "more)"]
    assert rows[-1][1:4] == ["10,000", "open", "open"]


def test_a_reader_that_leaves_early_is_no_error(folder: Path) -> None:
    line = f"{shlex.quote(PYTHON)} -m lrkernel show run.toml | head -n 1"
    done = subprocess.run(line, shell=True, cwd=folder, env=clean_environment(), capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("A run\n", "")
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*COMMAND, "evaluate", "run.toml", "--out", "lr.npy"],
        cwd=folder,
        env=clean_environment(),
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")
    assert names(folder) == ["lr.npy", *SPECS]


def test_a_full_standard_output_is_one_line(folder: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*COMMAND, "show", "run.toml"], cwd=folder, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr.decode() == f"lrkernel: {os.strerror(errno.ENOSPC)}\n"


def test_a_closed_standard_output_is_no_error(folder: Path) -> None:
    line = f"{shlex.quote(PYTHON)} -m lrkernel show run.toml >&-"
    done = subprocess.run(line, shell=True, cwd=folder, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")


# ---- what the terminal can show ----


def test_a_c_locale_gets_ascii(folder: Path) -> None:
    (folder / "run.toml").write_text(SPEC.replace("A run", "Ein Lauf für Ω"), encoding="utf-8")
    for command in (["show", "run.toml"], ["evaluate", "run.toml", "--out", "lr.npy"]):
        plain = run(folder, *command, env={"LC_ALL": "C"})
        assert (plain.returncode, plain.stderr) == (0, "")
        assert plain.stdout.isascii()
        assert plain.stdout.startswith("Ein Lauf f\\xfcr \\u03a9\n")
        assert "|||" in plain.stdout
        fancy = run(folder, *command)
        assert "███" in fancy.stdout
        assert fancy.stdout.startswith("Ein Lauf für Ω\n")
        assert table(plain.stdout) == table(fancy.stdout)
    told = run(folder, "show", "run.toml", env={"LC_ALL": "C", "PYTHONIOENCODING": "utf-8"})
    assert "███" in told.stdout
    latin = run(folder, "show", "run.toml", env={"PYTHONIOENCODING": "latin-1"}, errors="replace")
    assert "|||" in latin.stdout


def test_no_colour_codes_outside_a_terminal(folder: Path) -> None:
    for command in (["show", "run.toml"], ["evaluate", "run.toml"], ["--help"], ["show", "--help"]):
        assert "\x1b" not in run(folder, *command, env={"TERM": "xterm-256color"}).stdout


def test_text_from_a_spec_cannot_drive_the_terminal(tmp_path: Path) -> None:
    spec = {"title": "\x1b[31m[bold]x[/] :smile:\n", "unit": "\x07", "shape": "constant"}
    (tmp_path / "a.json").write_text(json.dumps({**spec, "value": 1, "name": "[red]\x1b"}))
    done = run(tmp_path, "show", "a.json")
    assert done.stdout.startswith("\\x1b[31m[bold]x[/] :smile:\\n\n")
    assert "[red]\\x1b" in done.stdout
    assert "\x1b" not in done.stdout
    assert "\x07" not in done.stdout


@pytest.mark.parametrize("width", [80, 40, 200])
def test_the_width_bends_the_curve_and_cuts_no_number(folder: Path, width: int) -> None:
    done = run(folder, "evaluate", "run.toml", env={"COLUMNS": str(width)})
    lines = done.stdout.splitlines()
    curve = [line for line in lines if "█" in line]
    assert len(curve) == 5
    assert max(map(len, curve)) <= min(width, 80)
    assert table(done.stdout)[2][:4] == ["decay", "1,000", "2,500,000", "2,499,000"]
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("is_unicode", [True, False])
@pytest.mark.parametrize("steps", [1, 2, 30, 79, 80, 81, 5000, 10**7, 2**53, 2**63])
@pytest.mark.parametrize(
    "schedule",
    [
        RUN,
        lrk.constant(1.0),
        lrk.constant(0.0),
        lrk.exponential(1.0, 2.0),
        lrk.linear(-1.7e308, 1.7e308, 50),
        lrk.linear(5e-324, 1e-323, 50),
    ],
)
def test_a_sparkline_is_six_lines_of_its_width(schedule: lrk.Schedule, steps: int, is_unicode: bool) -> None:
    lines = cli.sparkline(schedule, steps, 80, is_unicode)
    assert len(lines) == 6
    assert max(map(len, lines)) == 80
    assert all(line.isascii() for line in lines) or is_unicode


def test_a_sparkline_is_the_curve() -> None:
    trapezium = lrk.linear(0.0, 1.0, 15).then(lrk.constant(1.0, 15))
    assert cli.sparkline(trapezium, 30, 32, is_unicode=False) == [
        "1              .:|||||||||||||||",
        "            .:||||||||||||||||||",
        "        .::|||||||||||||||||||||",
        "     .:|||||||||||||||||||||||||",
        "0 .:||||||||||||||||||||||||||||",
        "  0                           30",
    ]
    assert cli.sparkline(lrk.constant(0.25), 5, 14) == [
        "",
        "",
        "0.25 ▅▅▅▅▅▅▅▅▅",
        "     █████████",
        "     █████████",
        "     0       5",
    ]
    spike = lrk.sequence(lrk.constant(0.0, 400_000), lrk.constant(1.0, 10), lrk.constant(0.0, 10**6))
    top = cli.sparkline(spike, 1_400_010, 80)[0]
    assert top.count("█") == 1


# ---- plot ----


@pytest.mark.parametrize(
    ("name", "magic"),
    [("a.png", b"\x89PNG"), ("a.PNG", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.pdf", b"%PDF")],
)
def test_plot_draws_several_specs(folder: Path, name: str, magic: bytes) -> None:
    done = run(folder, "plot", "run.toml", "open.toml", "--out", name)
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / name).read_bytes().startswith(magic)
    assert names(folder) == sorted([name, *SPECS])
    size = (folder / name).stat().st_size
    assert done.stdout == f"wrote {name} ({size:,} bytes)\n"


@pytest.mark.parametrize("name", ["a", "a.npy", "a.", ".png", "png"])
def test_plot_needs_a_name_that_tells_the_format(folder: Path, refusal: Refusal, name: str) -> None:
    assert "png" in refusal("plot", "run.toml", "--out", name)
    assert names(folder) == SPECS


def test_plot_checks_every_spec_before_it_writes(folder: Path, refusal: Refusal) -> None:
    line = refusal("plot", "run.toml", "absent.toml", "--out", "a.png")
    assert line == f"absent.toml: {os.strerror(errno.ENOENT)}"
    assert names(folder) == SPECS


# ---- sum ----


def told(folder: Path, *arguments: object) -> Any:
    """What a command says as JSON, which is one line."""
    done = run(folder, *arguments, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1
    return json.loads(done.stdout, parse_constant=pytest.fail)


def test_sum_is_that_of_the_library(folder: Path) -> None:
    assert told(folder, "sum", "run.toml") == {
        "start": 0,
        "stop": 2_500_000,
        "power": 1.0,
        "sum": RUN.sum(0, 2_500_000),
        "mean": RUN.sum(0, 2_500_000) / 2_500_000,
    }
    more = ["--steps", "1e6", "--start", 500, "--power", 2, "--decay", 0.999, "--weight-decay", 0.1]
    assert told(folder, "sum", "run.toml", *more) == {
        "start": 500,
        "stop": 1_000_000,
        "power": 2.0,
        "sum": RUN.sum(500, 1_000_000, 2),
        "mean": RUN.sum(500, 1_000_000, 2) / 999_500,
        "decay": 0.999,
        "discounted": RUN.discounted(999_999, 0.999),
        "annealing_area": RUN.annealing_area(999_999, 0.999),
        "weight_decay": 0.1,
        "log_shrink": RUN.log_shrink(500, 1_000_000, 0.1),
    }
    done = run(folder, "sum", "run.toml", *more)
    assert done.stdout.splitlines()[0] == "A run"
    assert max(map(len, done.stdout.splitlines())) <= 80
    found = facts(done.stdout)
    assert found["steps"] == "500 .. 1,000,000, 999,500 of them"
    assert float(found["sum lr^2"]) == RUN.sum(500, 1_000_000, 2)
    assert float(found["log shrink"].split(",")[0]) == RUN.log_shrink(500, 1_000_000, 0.1)


def test_sum_takes_no_time_for_many_steps(folder: Path) -> None:
    assert told(folder, "sum", "open.toml", "--steps", 2**62)["sum"] == lrk.inverse_sqrt(1.0, 1000).sum(0, 2**62)


def test_what_is_not_finite_is_text_in_json(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('shape = "exponential"\nstart = 1\ngamma = 10')
    assert told(tmp_path, "sum", "a.toml", "--steps", 1000)["sum"] == "inf"


# ---- compare ----

WSD = 'title = "WSD"\nshape = "wsd"\npeak = 1e-3\nwarmup = 1000\nstable = 2_000_000\ndecay = 500_000\n'


def test_compare_finds_where_two_differ(folder: Path) -> None:
    (folder / "wsd.toml").write_text(WSD)
    other = lrk.wsd(1e-3, 1000, 2_000_000, 500_000)
    gap = np.abs(RUN.values(2_501_000) - other.values(2_501_000))
    at = int(gap.argmax())
    found = told(folder, "compare", "run.toml", "wsd.toml")
    assert found == {
        "steps": 2_501_000,
        "equal": False,
        "first": int(np.flatnonzero(gap)[0]),
        "largest": {"step": at, "a": RUN(at), "b": other(at), "difference": gap[at]},
        "sums": {"a": RUN.sum(0, 2_501_000), "b": other.sum(0, 2_501_000)},
        "fingerprints": {"a": RUN.fingerprint, "b": other.fingerprint},
    }
    done = run(folder, "compare", "run.toml", "wsd.toml", "--out", "both.png")
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "both.png").read_bytes().startswith(b"\x89PNG")
    assert max(map(len, done.stdout.splitlines())) <= 80
    said = facts(done.stdout)
    assert (said["A"], said["B"]) == ("A run", "WSD")
    assert said["first"] == f"step {found['first']:,}"
    assert said["largest"].startswith(f"{float(gap[at])!r} at step {at:,}")
    assert said["wrote"].startswith("both.png (")
    assert [line.split()[0] for line in done.stdout.splitlines()[2:7]] == ["A", "step", "step", "sum", "last"], done.stdout


def test_compare_of_equal_specs(folder: Path) -> None:
    (folder / "same.json").write_text(json.dumps(RUN.to_dict()))
    found = told(folder, "compare", "run.toml", "same.json", "--steps", 2**63)
    assert (found["equal"], found["first"], found["largest"]["step"]) == (True, None, None)
    assert facts(run(folder, "compare", "run.toml", "same.json").stdout)["difference"] == "none"
    (folder / "cut.toml").write_text(SPEC + "apply = [{ cut = 1_000_000 }]")
    text = run(folder, "compare", "run.toml", "cut.toml", "--steps", 900).stdout
    assert facts(text)["difference"] == "none in these steps"


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (1.0, 1.0, ""),
        (1.0, 1.0 + 2.0**-50, " (+8.9e-16 of A)"),
        (3e-4, 3e-4 * (1.0 - 4.588e-9), " (-4.6e-09 of A)"),
        (1.0, 1.0001, " (+0.01 %)"),
        (2.0, 1.0, " (-50 %)"),
        (1.0, 13.5, " (+1,250 %)"),
        (1.0, 1e5, ""),
        (0.0, 1.0, ""),
    ],
)
def test_relative_differences(a: float, b: float, said: str) -> None:
    assert studies._percent(a, b) == said


def test_compare_takes_the_longer_run(folder: Path) -> None:
    assert told(folder, "compare", "open.toml", "run.toml")["steps"] == 2_500_000
    (folder / "short.toml").write_text(WSD)
    assert told(folder, "compare", "short.toml", "run.toml", "--steps", 70)["steps"] == 70


# ---- simulate ----

LAW = MultiPower(L0=2.65, A=0.6, alpha=0.45, B=438.0, C=2.13, beta=0.6, gamma=0.66)


@pytest.fixture
def law(folder: Path) -> str:
    """The name of a law in the folder."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in LAW.to_dict().items()]
    (folder / "law.toml").write_text("\n".join(lines))
    return "law.toml"


def test_simulate_predicts_the_loss(folder: Path, law: str) -> None:
    assert told(folder, "simulate", "run.toml", "--law", law, "--points", 4) == {
        "steps": [625_000, 1_250_000, 1_875_000, 2_500_000],
        "loss": LAW.predict(RUN, [624_999, 1_249_999, 1_874_999, 2_499_999]).tolist(),
        "final": LAW.predict(RUN, 2_499_999),
        "law": LAW.to_dict(),
        "warmup": 0,
    }
    found = told(folder, "simulate", "run.toml", "--law", law, "--steps", 5000, "--warmup", 1000, "--points", 2)
    assert found["steps"] == [3000, 5000]
    assert found["final"] == LAW.predict(RUN.skip(1000), 3999, area_before=RUN.sum(0, 1000))
    assert told(folder, "simulate", "run.toml", "--law", law, "--steps", 3, "--points", 9)["steps"] == [1, 2, 3]
    done = run(folder, "simulate", "run.toml", "--law", law)
    assert (done.returncode, done.stderr) == (0, "")
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert eval(facts(done.stdout)["law"], {"MultiPower": MultiPower}) == LAW
    assert facts(done.stdout)["final loss"] == f"{LAW.predict(RUN, 2_499_999)!r} after 2,500,000 steps"


def test_a_loss_without_bounds_is_text_in_json(folder: Path, law: str) -> None:
    assert told(folder, "simulate", "run.toml", "--law", law, "--steps", 1)["loss"] == ["inf"]


def test_sweep_by_a_law(folder: Path, law: str) -> None:
    found = told(folder, "sweep", "run.toml", "--grid", "peak=1e-4:1e-2:3:log", "--law", law, "--steps", 5000)
    runs = [lrk.warmup_cosine(peak, 1000, 2_500_000, floor=1e-5) for peak in (1e-4, 1e-3, 1e-2)]
    assert found["loss"] == [LAW.predict(one, 4999) for one in runs]
    best = int(np.argmin(found["loss"]))
    assert found["best"] == {"peak": [1e-4, 1e-3, 1e-2][best], "loss": found["loss"][best]}
    later = told(folder, "sweep", "run.toml", "--grid", "peak=1e-4,1e-3", "--law", law, "--steps", 5000, "--warmup", 1000)
    assert later["loss"] == [LAW.predict(one.skip(1000), 3999, area_before=one.sum(0, 1000)) for one in runs[:2]]
    text = run(folder, "sweep", "run.toml", "--grid", "peak=1e-4,1e-3", "--law", law, "--steps", 5000).stdout
    assert facts(text)["best"].startswith("peak = 0.001: loss ")


# ---- sweep ----


def test_sweep_measures_every_point(folder: Path) -> None:
    (folder / "wsd.toml").write_text(WSD)
    found = told(folder, "sweep", "wsd.toml", "--grid", "peak=1e-4:1e-2:3:log", "--grid", "decay=100000,500000")
    assert found["grid"] == {"peak": [1e-4, 1e-3, 1e-2], "decay": [100_000, 500_000]}
    assert found["points"] == [[p, d] for p in (1e-4, 1e-3, 1e-2) for d in (100_000, 500_000)]
    for k, (peak, decay) in enumerate(found["points"]):
        schedule = lrk.wsd(peak, 1000, 2_000_000, decay)
        assert found["sum"][k] == schedule.sum(0, 2_001_000 + decay)
        assert found["last"][k] == schedule(2_001_000 + decay - 1)
    done = run(folder, "sweep", "wsd.toml", "--grid", "peak=0.1:0.2:3", "--steps", 9)
    assert [line.split() for line in done.stdout.splitlines()[2:6]] == [
        ["peak", "sum", "last"],
        *([f"{p:g}", f"{lrk.wsd(p, 1000, 2e6, 5e5).sum(0, 9):.6g}", f"{p * 8 / 1000:g}"] for p in (0.1, 0.15, 0.2)),
    ]


def test_sweep_of_parts_by_their_paths(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        "sequence = [{ shape = 'linear', start = 0, stop = 1, steps = 4 }, { shape = 'constant', value = 1 }]\n"
        "apply = [{ scale = 1 }]\nsteps = 10"
    )
    found = told(tmp_path, "sweep", "a.toml", "--grid", "sequence[0].steps=2,4", "--grid", "apply[0].scale=1,2")
    assert found["sum"] == [8.5, 17.0, 7.5, 15.0]


def test_a_long_sweep_is_told_by_the_first_and_the_last(folder: Path) -> None:
    rows = run(folder, "sweep", "run.toml", "--grid", "peak=0.001:1:1000").stdout.splitlines()[2:]
    assert rows[15].strip() == "(982 more)"
    assert rows[19].split()[0] == "1"


# ---- bad input ----


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "the file is empty"),
        ("shape = ", "not TOML: "),
        ('shape = "cosin"', 'shape: unknown shape "cosin", did you mean "cosine"?'),
        (SPEC + "warmpu = 3", 'warmpu: unknown key, did you mean "warmup"?'),
        ('shape = "linear"', "start: missing, linear needs start, stop and steps"),
        (SPEC.replace("1000", "-5"), "warmup must be >= 0, got -5"),
        (SPEC.replace("1e-3", "nan"), "peak must be "),
        (SPEC.replace("1e-3", "true"), "peak must be "),
        (SPEC.replace("1e-3", "'x'"), "peak must be "),
        (SPEC.replace("1e-3", "1979-05-27"), "peak must be "),
        (SPEC.replace("2_500_000", "10"), "warmup"),
        ("a = " + "[" * 10_000, "nested too deeply"),
    ],
)
@pytest.mark.parametrize(
    "command",
    [
        "evaluate bad.toml --out out.png",
        "show bad.toml",
        "plot bad.toml --out out.png",
        "sum bad.toml",
        "compare run.toml bad.toml",
    ],
)
def test_a_bad_spec_is_one_line(folder: Path, refusal: Refusal, command: str, text: str, rule: str) -> None:
    (folder / "bad.toml").write_text(text)
    line = refusal(*command.split())
    assert line.startswith("bad.toml: ")
    assert rule in line
    assert names(folder) == ["bad.toml", *SPECS]


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (["evaluate"], "Missing argument 'SPEC'"),
        (["plot", "--out", "a.png"], "Missing argument 'SPEC"),
        (["plot", "run.toml"], "Missing option '--out'"),
        (["evaluate", "run.toml", "open.toml"], "unexpected extra argument"),
        (["evaluate", "run.toml", "--fast"], "No such option"),
        (["--fast"], "No such option"),
        (["evalute", "run.toml"], "No such command 'evalute'"),
        (["show", "run.toml", "--steps", "3"], "No such option"),
        (["evaluate", "run.toml", "--dtype", "float16"], "float16"),
        (["evaluate", "run.toml", "--threads", "0"], "--threads"),
        (["evaluate", "run.toml", "--threads", "x"], "--threads"),
        (["evaluate", "run.toml", "--threads", "1000000"], "threads must be <= "),
        (["evaluate", "run.toml", "--steps"], "--steps"),
        (["evaluate", "absent.toml"], "absent.toml: No such file or directory"),
        (["show", "."], ".: Is a directory"),
        (["show", "x" * 300], "File name too long"),
        (["evaluate", "open.toml"], "open.toml: the schedule is open-ended, so it needs --steps N"),
        (["sum", "open.toml"], "open.toml: the schedule is open-ended, so it needs --steps N"),
        (["sum", "run.toml", "--start", "9", "--steps", "9"], "--start must be < the number of steps (9), got 9"),
        (["sum", "run.toml", "--start", "-1"], "--start must be a whole number from 0 to 2**63, got -1"),
        (["sum", "run.toml", "--power", "0"], "power must be > 0, got 0"),
        (["sum", "run.toml", "--decay", "1"], "decay must be > 0 and < 1, got 1.0"),
        (["sum", "run.toml", "--weight-decay", "1e9"], "weight_decay must keep 1 - weight_decay lr > 0"),
        (["compare", "run.toml"], "Missing argument 'B'"),
        (["compare", "open.toml", "open.toml"], "open.toml: the schedule is open-ended, so it needs --steps N"),
        (["compare", "run.toml", "open.toml", "--out", "a.xyz"], "a picture must be one of "),
        (["sweep", "run.toml"], "Missing option '--grid'"),
        (["sweep", "run.toml", "--grid", "peek=1:2:3"], 'run.toml with peek = 1: peek: unknown key, did you mean "peak"?'),
        (["sweep", "run.toml", "--grid", "peak[0]=1:2:3"], "--grid peak[0]: the spec has no such key"),
        (["sweep", "run.toml", "--grid", "a[0].b=1:2:3"], "--grid a[0].b: the spec has no such key"),
        (["sweep", "run.toml", "--grid", "[=1:2:3"], "--grid [ must be a key of the spec, such as peak or sequence[1].stop"),
        (["sweep", "run.toml", "--grid", "peak=1:2"], "--grid must be key=a:b:n with numbers a, b and n >= 2"),
        (["sweep", "run.toml", "--grid", "peak=1:2:1"], "--grid must be key=a:b:n with numbers a, b and n >= 2"),
        (["sweep", "run.toml", "--grid", "peak=0:2:3:log"], "positive ones for :log, got peak=0:2:3:log"),
        (["sweep", "run.toml", "--grid", "peak=1:2:3:lin"], "positive ones for :log, got peak=1:2:3:lin"),
        (["sweep", "run.toml", "--grid", "peak"], "--grid must be key=a:b:n, key=a:b:n:log or key=v,v,..., got peak"),
        (["sweep", "run.toml", "--grid", "peak=1,2", "--grid", "peak=3"], "--grid peak is given twice"),
        (
            ["sweep", "run.toml", "--grid", "peak=1:2:9999999", "--grid", "floor=0,1"],
            "--grid must ask for 1,000,000 schedules or fewer, got 19,999,998",
        ),
        (["sweep", "run.toml", "--grid", "warmup=1000,-5"], "run.toml with warmup = -5: warmup must be >= 0, got -5"),
        (["sweep", "open.toml", "--grid", "start=1,2"], "open.toml: the schedule is open-ended, so it needs --steps N"),
        (["simulate", "run.toml"], "Missing option '--law'"),
        (["simulate", "run.toml", "--law", "absent.toml"], "absent.toml: No such file or directory"),
        (["simulate", "run.toml", "--law", "run.toml"], "run.toml: law must be one of multi-power, annealing, got none"),
        (["sweep", "run.toml", "--law", "run.toml", "--grid", "peak=1,2"], "run.toml: law must be one of "),
    ],
)
def test_a_bad_command_line_is_one_line(folder: Path, refusal: Refusal, arguments: list[str], rule: str) -> None:
    assert rule in refusal(*arguments)
    assert names(folder) == SPECS


@pytest.mark.parametrize("command", ["evaluate run.toml --out lr.npy", "sum run.toml", "compare run.toml open.toml"])
@pytest.mark.parametrize("steps", ["0", "-5", "3.5", "nan", "inf", "x", "", str(2**63 + 1), "1e30", "9" * 5000, "True"])
def test_a_bad_number_of_steps_is_one_line(folder: Path, refusal: Refusal, steps: str, command: str) -> None:
    line = refusal(*command.split(), "--steps", steps)
    assert line.startswith("--steps must be a whole number from 1 to 2**63, got ")
    assert names(folder) == SPECS


@pytest.mark.parametrize(
    ("out", "rule"),
    [
        (".", "--out must name a file, . is a folder"),
        ("", "--out must name a file, got an empty name"),
        ("new/", "--out must name a file, new/ is a folder"),
        ("absent/lr.npy", "--out: there is no folder "),
        ("run.toml/lr.npy", "--out: there is no folder "),
        ("run.toml", "--out must not be the spec itself, got run.toml"),
        ("link.toml", "--out must not be the spec itself, got link.toml"),
        ("/dev/null", "--out must name a regular file, /dev/null is none"),
        ("/dev/full", "--out must name a regular file, /dev/full is none"),
        ("/proc/lr.npy", "/proc/lr.npy"),
        ("x" * 300, "File name too long"),
    ],
)
def test_a_bad_target_is_told_before_anything_is_evaluated(folder: Path, refusal: Refusal, out: str, rule: str) -> None:
    (folder / "link.toml").symlink_to("run.toml")
    line = refusal("evaluate", "run.toml", "--out", out)
    assert rule in line
    assert names(folder) == ["link.toml", *SPECS]
    assert (folder / "run.toml").read_text() == SPEC


def test_a_target_that_may_not_be_written_is_told_before(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "lr.npy").write_bytes(b"old")
    monkeypatch.setattr(os, "access", lambda path, _: os.fspath(path) != str(folder / "lr.npy"))
    arguments = ["evaluate", str(folder / "run.toml"), "--out", str(folder / "lr.npy")]
    assert cli.main(arguments) == 2
    assert capsys.readouterr().err == f"lrkernel: --out: {folder / 'lr.npy'} cannot be written\n"
    assert (folder / "lr.npy").read_bytes() == b"old"


# ---- the command itself ----


def test_help_and_version(folder: Path) -> None:
    for arguments in (
        [],
        ["--help"],
        ["-h"],
        ["evaluate", "--help"],
        ["show", "-h"],
        ["plot", "-h"],
        ["sum", "-h"],
        ["compare", "-h"],
        ["simulate", "-h"],
        ["sweep", "-h"],
    ):
        done = run(folder, *arguments)
        assert (done.returncode, done.stderr) == (0, "")
        assert "Usage: lrkernel" in done.stdout
        assert max(map(len, done.stdout.splitlines())) <= 80
    assert "..." not in run(folder, "--help").stdout.partition("Commands:")[2]  # no summary is cut
    done = run(folder, "--version")
    assert done.stdout.split()[0] == "lrkernel"
    assert done.stdout.split()[1][0].isdigit()


def python(program: str) -> Done:
    return subprocess.run([PYTHON, "-c", program], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_a_missing_extra_is_named(missing: str) -> None:
    done = python(f"import sys; sys.modules['{missing}'] = None\nfrom lrkernel.cli import main; sys.exit(main(['show', 'x.toml']))")
    assert done.returncode == 2
    assert done.stderr == f'lrkernel: the command needs {missing}: pip install "lrkernel[cli]"\n'


def test_a_missing_matplotlib_is_named(folder: Path) -> None:
    done = python(
        "import sys; sys.modules['matplotlib'] = None\n"
        "from lrkernel.cli import main\n"
        f"sys.exit(main(['plot', {str(folder / 'run.toml')!r}, '--out', {str(folder / 'a.png')!r}]))"
    )
    assert done.returncode == 2
    assert done.stderr == 'lrkernel: a plot needs matplotlib: pip install "lrkernel[plot]"\n'
    assert names(folder) == SPECS


def test_the_library_does_not_import_the_command() -> None:
    done = python(
        "import sys, lrkernel\n"
        "print(sorted({'click', 'rich', 'matplotlib', 'lrkernel.cli', 'lrkernel.spec', 'lrkernel.plot'}"
        " & set(sys.modules)))"
    )
    assert done.stdout == "[]\n"
    done = python("import sys, lrkernel.cli\nprint(sorted({'click', 'rich', 'matplotlib'} & set(sys.modules)))")
    assert done.stdout == "[]\n"


def test_main_takes_arguments_and_returns_the_status(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["show", str(folder / "run.toml")]) == 0
    assert cli.main(["show", str(folder / "absent.toml")]) == 2
    assert math.isclose(RUN(0), 0.0)
    assert capsys.readouterr().out.startswith("A run\n")
