"""Files of many steps: what is in them, and what an interrupted run leaves."""

import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import zarr

import lrkernel as lrk
from lrkernel import output
from lrkernel.output import KINDS, write

RUN = lrk.warmup_cosine(1e-3, 1000, 2_000_000, floor=1e-5)
BATCH = lrk.sweep(lrk.linear, start=[1.0, 2.0], stop=0.0, steps=[[4], [8], [16]])


def read(path: Path) -> Any:
    """The values in a file."""
    if path.suffix == ".npy":
        return np.load(path)
    if path.suffix == ".zarr":
        return zarr.open_array(path, mode="r")[...]
    return pq.read_table(path)["value"].to_numpy()


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a few values, so that short files have many."""
    monkeypatch.setattr(output, "BLOCK", 64)
    monkeypatch.setattr(output, "CHUNK", 16)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("steps", [(0,), (1,), (64,), (65,), (1000,), (2**40, 2**40 + 333)])
def test_a_file_has_the_values(kind: str, dtype: str, steps: tuple[int, ...], tmp_path: Path) -> None:
    write(tmp_path / f"lr{kind}", RUN, *steps, dtype=dtype)
    values = read(tmp_path / f"lr{kind}")
    assert values.dtype == dtype
    assert values.tobytes() == RUN.values(*steps, dtype=dtype).tobytes()
    assert names(tmp_path) == [f"lr{kind}"]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("kind", [".npy", ".zarr"])
@pytest.mark.parametrize("steps", [(0, 0), (3, 4), (0, 10), (5, 100)])
def test_a_batch_is_an_array_of_its_shape(kind: str, steps: tuple[int, int], tmp_path: Path) -> None:
    write(tmp_path / f"lr{kind}", BATCH, *steps)
    values = read(tmp_path / f"lr{kind}")
    assert values.shape == (3, 2, steps[1] - steps[0])
    assert np.array_equal(values, BATCH.values(*steps))


def test_the_dimensions_of_zarr_have_names(tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", BATCH, 5)
    write(tmp_path / "b.zarr", RUN, 5)
    found: list[Any] = [zarr.open_array(tmp_path / name, mode="r") for name in ("a.zarr", "b.zarr")]
    assert [array.metadata.dimension_names for array in found] == [("steps", "start", "step"), ("step",)]


def test_columns_of_parquet(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", lrk.linear(1.0, 0.0, 4), 2, 5)
    assert pq.read_table(tmp_path / "a.parquet").to_pydict() == {"step": [2, 3, 4], "value": [0.5, 0.25, 0.0]}
    write(tmp_path / "a.parquet", BATCH[:2], 1, 3)
    assert pq.read_table(tmp_path / "a.parquet").to_pydict() == {
        "start": [1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0],
        "steps": [4, 4, 4, 4, 8, 8, 8, 8],
        "step": [1, 2, 1, 2, 1, 2, 1, 2],
        "value": [0.75, 0.5, 1.5, 1.0, 0.875, 0.75, 1.75, 1.5],
    }
    write(tmp_path / "a.parquet", lrk.ScheduleBatch([RUN, lrk.constant(0.5)]), 1)
    assert pq.read_table(tmp_path / "a.parquet").to_pydict() == {"schedule": [0, 1], "step": [0, 0], "value": [0.0, 0.5]}
    mixed = lrk.sweep(lrk.wsd, peak=0.5, warmup=0, stable=[None, 3, "5%"][:2], decay=4, decay_shape=["linear", "1-sqrt"])
    write(tmp_path / "a.parquet", mixed, 1)
    assert pq.read_table(tmp_path / "a.parquet").to_pydict() == {
        "stable": [None, 3],
        "decay_shape": ["linear", "1-sqrt"],
        "step": [0, 0],
        "value": [0.5, 0.5],
    }
    write(tmp_path / "a.parquet", lrk.sweep(lrk.multistep, start=1.0, milestones=[(3, 6), (2,)], gamma=0.5), 1)
    assert pq.read_table(tmp_path / "a.parquet")["milestones"].to_pylist() == [[3, 6], [2]]
    write(tmp_path / "a.parquet", lrk.sweep(lrk.constant, value=[0.5, 0.25]), 1)
    assert pq.read_table(tmp_path / "a.parquet").column_names == ["schedule_value", "step", "value"]


@pytest.mark.usefixtures("small")
def test_progress_counts_steps(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    write(tmp_path / "a.npy", RUN, 10, 150, progress=lambda *steps: told.append(steps))
    assert told == [(64, 140), (128, 140), (140, 140)]
    told.clear()
    write(tmp_path / "a.npy", BATCH, 25, progress=lambda *steps: told.append(steps))
    assert told == [(10, 25), (20, 25), (25, 25)]


# ---- what is left ----


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError, ValueError])
@pytest.mark.parametrize("before", [False, True])
def test_an_exception_leaves_what_was_there(kind: str, error: type[BaseException], before: bool, tmp_path: Path) -> None:
    target = tmp_path / f"lr{kind}"
    if before:
        write(target, RUN, 7)

    def stop(done: int, total: int) -> None:
        assert len(names(tmp_path)) == 1 + before  # there is a file to leave behind
        if done > 128:
            raise error

    with pytest.raises(error):
        write(target, RUN, 1000, progress=stop)
    assert names(tmp_path) == [target.name] * before
    assert not before or len(read(target)) == 7
    write(target, RUN, 1000)
    assert np.array_equal(read(target), RUN.values(1000))
    assert names(tmp_path) == [target.name]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("function", ["fsync", "replace", "rename", "chmod"])
def test_a_full_disk_leaves_what_was_there(kind: str, function: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if (kind == ".zarr", function) in ((True, "replace"), (False, "rename")):
        function = "chmod"  # the one that this kind does not call
    target = tmp_path / f"lr{kind}"
    write(target, RUN, 7)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as context:
        context.setattr(os, function, full)
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)) as caught:
            write(target, RUN, 1000)
    assert caught.value.filename == str(target)
    assert names(tmp_path) == [target.name]
    assert len(read(target)) == 7


def test_the_second_move_of_a_folder_that_fails_brings_the_first_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "lr.zarr"
    write(target, RUN, 7)
    rename, calls = os.rename, [0]

    def second(*paths: Any) -> None:
        calls[0] += 1
        if calls[0] == 2:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        rename(*paths)

    monkeypatch.setattr(os, "rename", second)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        write(target, RUN, 1000)
    assert calls == [3]
    assert names(tmp_path) == ["lr.zarr"]
    assert len(read(target)) == 7


LIMITED = """
import resource, sys
import lrkernel as lrk
from lrkernel.output import write
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write(sys.argv[1], lrk.cosine(1.0, 0.1, 10**9), 1_000_000)
except OSError as error:
    print(error.errno, error.filename)
"""


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_cannot_grow_leaves_nothing(kind: str, tmp_path: Path) -> None:
    target = tmp_path / f"lr{kind}"
    done = subprocess.run([sys.executable, "-c", LIMITED, str(target)], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == (f"{errno.EFBIG} {target}\n", "", 0)
    assert names(tmp_path) == []


SLOW = """
import os, sys, time
import lrkernel as lrk
from lrkernel import output
output.BLOCK = output.CHUNK = 1000
def slow(done, total):
    print(done, flush=True)
    time.sleep(0.01)
output.write(sys.argv[1], lrk.cosine(1.0, 0.1, 10**9), 1_000_000, progress=slow)
"""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_signal_leaves_nothing_that_looks_complete(kind: str, number: signal.Signals, tmp_path: Path) -> None:
    target = tmp_path / f"lr{kind}"
    process = subprocess.Popen([sys.executable, "-c", SLOW, str(target)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    while process.stdout.readline() != b"5000\n":
        assert process.poll() is None
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode != 0
    left = names(tmp_path)
    if number == signal.SIGINT:
        assert left == []
    else:
        assert [name for name in left if not name.startswith(".lrkernel-")] == []
        assert [name for name in left if not name.endswith(".tmp")] == []
        assert len(left) == 1
    write(target, RUN, 1000)
    assert names(tmp_path) == sorted([*left, target.name])
    assert np.array_equal(read(target), RUN.values(1000))


def test_modes_and_links(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        for kind, wanted in ((".npy", 0o640), (".parquet", 0o640), (".zarr", 0o750)):
            target = tmp_path / f"lr{kind}"
            write(target, RUN, 5)
            assert stat.S_IMODE(target.stat().st_mode) == wanted
            target.chmod(0o700)
            write(target, RUN, 6)
            assert stat.S_IMODE(target.stat().st_mode) == 0o700
    finally:
        os.umask(mask)
    (tmp_path / "a.zarr").symlink_to("lr.zarr")
    write(tmp_path / "a.zarr", RUN, 9)
    assert (tmp_path / "a.zarr").is_symlink()
    assert len(read(tmp_path / "lr.zarr")) == 9


MEMORY = """
import resource, sys
import numpy, pyarrow.parquet, zarr
import lrkernel as lrk
from lrkernel.output import write
write(sys.argv[1], lrk.cosine(1.0, 0.1, 10**9), 10)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
write(sys.argv[1], lrk.cosine(1.0, 0.1, 10**9), 16_000_000)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


@pytest.mark.parametrize("kind", KINDS)
def test_memory_is_bounded(kind: str, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", MEMORY, str(tmp_path / f"lr{kind}")], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert int(done.stdout) < 110e6  # the values are 128 MB


# ---- bad input ----


@pytest.mark.parametrize(
    ("name", "error", "rule"),
    [
        ("", ValueError, "path must name a file, got an empty name"),
        (".", ValueError, r"path must end in .npy, .parquet or .zarr, got "),
        ("lr.csv", ValueError, r"path must end in .npy, .parquet or .zarr, got .*lr.csv"),
        ("folder.npy", IsADirectoryError, "path must name a file, .* is a folder"),
        ("folder.zarr", IsADirectoryError, "path must name a Zarr array or nothing yet, .* is another folder"),
        ("file.zarr", ValueError, "path must name a regular folder, .* is none"),
        ("absent/lr.npy", FileNotFoundError, "path: there is no folder "),
    ],
)
def test_a_path_that_cannot_be_written(name: str, error: type[Exception], rule: str, tmp_path: Path) -> None:
    for folder in ("folder.npy", "folder.zarr"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.txt").write_text("mine")
    (tmp_path / "file.zarr").write_text("mine")
    with pytest.raises(error, match=rule):
        write(tmp_path / name if name else "", RUN, 5)
    assert names(tmp_path) == ["file.zarr", "folder.npy", "folder.zarr"]
    assert names(tmp_path / "folder.zarr") == ["mine.txt"]


@pytest.mark.parametrize(
    ("call", "error", "rule"),
    [
        (lambda path: write(path, 0.1, 5), TypeError, "schedule must be a schedule or a batch, got 0.1"),  # type: ignore[arg-type]
        (lambda path: write(path, RUN, -1, 5), ValueError, "start must keep every step >= 0, got -1"),
        (lambda path: write(path, RUN, 2**63 + 1), ValueError, r"stop must keep every step < 2\^63"),
        (lambda path: write(path, RUN, 5, dtype="float16"), ValueError, "dtype must be float64 or float32, got float16"),
        (lambda path: write(path, RUN, 5, threads=0), ValueError, "threads must be >= 1, got 0"),
        (lambda path: write(path, RUN, 5, 3), ValueError, "stop must be >= start, got 3 < 5"),
        (lambda path: write(path, RUN, 2.5), ValueError, "stop must be a whole number, got 2.5"),
    ],
)
def test_what_cannot_be_written(call: Callable[[Path], None], error: type[Exception], rule: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=rule):
        call(tmp_path / "lr.npy")
    assert names(tmp_path) == []


def test_a_disk_that_is_too_small_is_told_before(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"path: .*lr.npy needs {6 * 2**56 * 8:,} bytes, .* are free"):
        write(tmp_path / "lr.npy", BATCH, 2**56)
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["lr.NPY", "lr.Parquet", "lr.ZARR"])
def test_the_kind_is_read_in_any_case(name: str, tmp_path: Path) -> None:
    write(tmp_path / name, RUN, 9)
    os.rename(tmp_path / name, tmp_path / name.lower())
    assert np.array_equal(read(tmp_path / name.lower()), RUN.values(9))


@pytest.mark.parametrize(("kind", "package"), [("zarr", "zarr"), ("parquet", "pyarrow")])
def test_a_missing_extra_is_named(kind: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "pyarrow.parquet", raising=False)
    with pytest.raises(ImportError, match=rf'a .{kind} file needs {package}: pip install "lrkernel\[{kind}\]"'):
        write(tmp_path / f"lr.{kind}", RUN, 5)
    assert names(tmp_path) == []
