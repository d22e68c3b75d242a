"""output - the values of many steps as a file: .npy, Parquet or Zarr, in bounded memory, whole or not at all."""

# pyarrow has no types.
# pyright: reportMissingTypeStubs=false

import math
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ._arguments import Number, missing, shown, threads_of, whole
from .batch import ScheduleBatch, column_name
from .schedule import Schedule, buffer_of, range_of

__all__ = ["KINDS", "write"]

Put = Callable[[npt.NDArray[Any]], None]
Path_ = str | os.PathLike[str]

KINDS = (".npy", ".parquet", ".zarr")

# What a run of any length keeps at a time, in values: large enough to hide what a call costs, small enough for any machine
# (32 MiB of float64). A row group of Parquet and a chunk of Zarr, which have copies of what they hold, are a quarter of it.
BLOCK = 1 << 22
CHUNK = 1 << 20


def write(
    path: Path_,
    schedule: Schedule | ScheduleBatch,
    start: Number,
    stop: Number | None = None,
    *,
    dtype: npt.DTypeLike | None = None,
    threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> None:
    """Write the values of the steps from `start` to before `stop`, ``write(path, schedule, stop)`` those from 0, in bounded memory.

    The name says the format:

    - ``.npy``: one array, of shape (n,) or batch.shape + (n,), as ``numpy.save`` writes it.
    - ``.parquet``: the columns ``step`` and ``value``; of a batch also one per parameter that ``lrk.sweep`` was given, or
      ``schedule``, the index of the schedule. Needs the extra ``parquet``.
    - ``.zarr``: one array as in .npy, in chunks; its dimensions are those of the batch, and ``step``. Needs the extra ``zarr``.

    What is written stands beside `path`, as ``.lrkernel-*.tmp``, until all of it is on the disk; then it takes its place in one
    move, with the mode of what it replaces. After an exception (of `progress` too, a KeyboardInterrupt, a full disk) nothing is
    left and an older file stays as it was. A process that is killed leaves what stands beside, which no other run minds.

    Parameters
    ----------
    path : str or path
        A file, or for Zarr a folder; an older one of the same kind is replaced. A link keeps pointing.
    schedule : Schedule or ScheduleBatch
    start, stop : int
        0 <= start <= stop <= 2^63.
    dtype : float64 or float32, optional
        float64 by default.
    threads : int, optional
        As for ``Schedule.values``.
    progress : callable, optional
        Called as ``progress(done, total)`` with numbers of steps, after each block.

    Raises
    ------
    ValueError, TypeError
        For other arguments, before anything is written.
    OSError
        Where the file cannot be written; the name is in it.
    ImportError
        Where the format needs what is not installed.

    Examples
    --------
    >>> import lrkernel as lrk, numpy as np, pathlib, tempfile
    >>> from lrkernel.output import write
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "lr.npy")
    ...     write(path, lrk.linear(1.0, 0.0, 4), 5)
    ...     np.load(path)
    array([1.  , 0.75, 0.5 , 0.25, 0.  ])
    """
    if not isinstance(schedule, Schedule | ScheduleBatch):
        raise TypeError(f"schedule must be a schedule or a batch, got {shown(schedule)}")
    first, _, count = range_of(start, stop, None)
    if stop is not None and whole("stop", stop) < whole("start", start):
        raise ValueError(f"stop must be >= start, got {shown(stop)} < {shown(start)}")
    kind = buffer_of((0,), dtype, None).dtype
    threads_of(threads, 0)
    rows = schedule.shape if isinstance(schedule, ScheduleBatch) else ()
    is_npy = os.fsdecode(path).lower().endswith(".npy")  # of the others nobody knows how small they get
    target = checked("path", path, KINDS, math.prod(rows) * count * kind.itemsize if is_npy else 0)
    size = min(steps_per(BLOCK, rows), max(count, 1))
    with writing(target, target.suffix.lower(), schedule, first, count, kind) as put:
        done = 0
        for block in schedule.blocks(first, first + count, size, out=np.empty((*rows, size), kind), threads=threads):
            put(block)
            done += block.shape[-1]
            if progress is not None:
                progress(done, count)


def steps_per(values: int, rows: tuple[int, ...]) -> int:
    """How many steps have so many values."""
    return max(values // math.prod(rows), 1)


# ---- where it goes ----


def checked(name: str, out: Path_, kinds: tuple[str, ...] = (), size: int = 0) -> Path:
    """The file (for .zarr the folder) that `out` means, once it is clear that it may and can be written."""
    text = os.fsdecode(out)
    if not text:
        raise ValueError(f"{name} must name a file, got an empty name")
    path = Path(os.path.realpath(text))  # where `out` is a link, what is behind it is replaced
    suffix = path.suffix.lower()
    if kinds and suffix not in kinds:
        raise ValueError(f"{name} must end in {', '.join(kinds[:-1])} or {kinds[-1]}, got {text}")
    if path.is_dir() and suffix == ".zarr":
        if not (path / "zarr.json").is_file() and any(path.iterdir()):
            raise IsADirectoryError(f"{name} must name a Zarr array or nothing yet, {text} is another folder")
    elif path.is_dir() or text.endswith(("/", os.sep)):
        raise IsADirectoryError(f"{name} must name a file, {text} is a folder")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{name}: there is no folder {path.parent}")
    if path.exists() and not (path.is_dir() if suffix == ".zarr" else path.is_file()):
        raise ValueError(f"{name} must name a regular {'folder' if suffix == '.zarr' else 'file'}, {text} is none")
    for place in (path, path.parent):
        if place.exists() and not os.access(place, os.W_OK):
            raise PermissionError(f"{name}: {place} cannot be written")
    disk = shutil.disk_usage(path.parent)
    if size > disk.free and disk.total:  # some file systems do not tell
        raise ValueError(f"{name}: {text} needs {size:,} bytes, {disk.free:,} are free")
    return path


@contextmanager
def replacing(path: Path, ready: Callable[[], object] = lambda: None) -> Generator[IO[bytes], None, None]:
    """A file beside `path` that takes its place at the end, or leaves nothing behind; `ready` may still refuse before it does."""
    with _beside(path) as made:
        handle, name = tempfile.mkstemp(".tmp", ".lrkernel-", path.parent)
        made.append(name)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(handle)
        os.chmod(name, _mode(path, 0o666))
        ready()
        os.replace(name, path)


@contextmanager
def _replacing_folder(path: Path, ready: Callable[[], object]) -> Generator[str, None, None]:
    """The same for a folder. Two moves where there is an older one: there is none in between, never a mixture."""
    with _beside(path) as made:
        made.append(tempfile.mkdtemp(".tmp", ".lrkernel-", path.parent))
        yield made[0]
        for folder, _, files in os.walk(made[0], topdown=False):
            for name in (*files, "."):
                _sync(os.path.join(folder, name))
        os.chmod(made[0], _mode(path, 0o777))
        ready()
        if path.exists():
            made.append(f"{made[0][:-4]}-old.tmp")
            os.rename(path, made[1])
        try:
            os.rename(made[0], path)
        except BaseException:
            if made[1:]:
                os.rename(made.pop(), path)
            raise
        for old in made[1:]:
            shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _beside(path: Path) -> Generator[list[str], None, None]:
    """The names of what is made beside `path` and goes if something is raised; a failing system call names `path` instead."""
    made: list[str] = []
    try:
        yield made
    except BaseException as error:
        for name in made:
            shutil.rmtree(name, ignore_errors=True)
            with suppress(OSError):
                os.unlink(name)
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from None
        raise


def _mode(path: Path, new: int) -> int:
    """The mode of what stands there, or of what is new."""
    mask = os.umask(0)
    os.umask(mask)
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else new & ~mask


def _sync(name: str) -> None:
    if os.path.isdir(name) and os.name == "nt":  # where no folder can be opened
        return
    handle = os.open(name, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# ---- formats ----


@contextmanager
def writing(
    path: Path,
    kind: str,
    schedule: Schedule | ScheduleBatch,
    start: int,
    count: int,
    dtype: np.dtype[Any],
    ready: Callable[[], object] = lambda: None,
) -> Generator[Put, None, None]:
    """Gives what takes the blocks of the values of `count` steps in order, each of shape batch.shape + (n,)."""
    rows = schedule.shape if isinstance(schedule, ScheduleBatch) else ()
    if kind == ".zarr":
        import_of("zarr")
        with _replacing_folder(path, ready) as name:
            yield _zarr(name, schedule, rows, count, dtype)
    elif kind == ".parquet":
        import_of("parquet")
        with replacing(path, ready) as file, _parquet(file, schedule, start, dtype) as put:
            yield put
    else:
        with replacing(path, ready) as file:
            yield _npy(file, (*rows, count), dtype)


def import_of(kind: str) -> None:
    """Before anything is made: what the format needs."""
    try:
        if kind == "zarr":
            import zarr  # noqa: F401  # pyright: ignore[reportUnusedImport]
        else:
            import pyarrow.parquet  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError as error:
        raise ImportError(missing(f"a .{kind} file", (error.name or kind).partition(".")[0], kind)) from None


def _npy(file: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any]) -> Put:
    np.lib.format.write_array_header_1_0(file, {"descr": dtype.str, "fortran_order": False, "shape": shape})
    head, row, done = file.tell(), shape[-1] * dtype.itemsize, 0

    def put(block: npt.NDArray[Any]) -> None:
        nonlocal done
        for index, values in enumerate(block.reshape(-1, block.shape[-1]) if block.size else ()):
            if len(shape) > 1:
                file.seek(head + index * row + done)
            file.write(np.ascontiguousarray(values).data)
        done += block.shape[-1] * dtype.itemsize

    return put


def _zarr(name: str, schedule: Schedule | ScheduleBatch, rows: tuple[int, ...], count: int, dtype: np.dtype[Any]) -> Put:
    import zarr

    array: Any = zarr.create_array(
        name,
        shape=(*rows, count),
        chunks=(*rows, max(1, min(count, steps_per(CHUNK, rows)))),
        dtype=dtype,
        dimension_names=[*(schedule.dims if isinstance(schedule, ScheduleBatch) else ()), "step"],
        fill_value=float("nan"),  # no value of a schedule: a chunk that gets lost does not read as one of zeros
    )
    done = 0

    def put(block: npt.NDArray[Any]) -> None:
        nonlocal done
        array[..., done : done + block.shape[-1]] = block
        done += block.shape[-1]

    return put


@contextmanager
def _parquet(file: IO[bytes], schedule: Schedule | ScheduleBatch, start: int, dtype: np.dtype[Any]) -> Generator[Put, None, None]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: _column(values) for name, values in _of_rows(schedule).items()}
    fields = [(name, column.type) for name, column in columns.items()]
    schema = pa.schema([*fields, ("step", pa.int64()), ("value", pa.from_numpy_dtype(dtype))])
    # Steps rise by one and are nearly nothing as differences; of floats the high bytes are alike.
    encoding = {"step": "DELTA_BINARY_PACKED", "value": "BYTE_STREAM_SPLIT"}
    done = start
    alike: Any = list(columns)
    with pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=alike, column_encoding=encoding) as writer:

        def put(block: npt.NDArray[Any]) -> None:
            nonlocal done
            values = block.reshape(-1, block.shape[-1])
            most = steps_per(CHUNK, values.shape[:1])
            for low in range(0, block.shape[-1], most):
                part = values[:, low : low + most]
                steps = np.arange(done, done + part.shape[1], dtype=np.int64)
                done += part.shape[1]
                index = np.repeat(np.arange(len(part)), part.shape[1]) if columns else None
                batch = [column.take(pa.array(index)) for column in columns.values()]
                batch += [pa.array(np.tile(steps, len(part))), pa.array(np.ascontiguousarray(part).reshape(-1))]
                writer.write_batch(pa.record_batch(batch, schema=schema))

        yield put


def _of_rows(schedule: Schedule | ScheduleBatch) -> Mapping[str, list[Any]]:
    """What says which schedule of a batch a value is of, by row."""
    if isinstance(schedule, Schedule):
        return {}
    if schedule.parameters:
        return {column_name(name): values.ravel().tolist() for name, values in schedule.parameters.items()}
    return {"schedule": list(range(len(schedule.schedules)))}


def _column(values: list[Any]) -> Any:
    """Of one type where they have one, else as text."""
    import pyarrow as pa

    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        return pa.array([None if value is None else str(value) for value in values])
