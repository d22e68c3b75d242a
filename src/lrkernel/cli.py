"""cli - the command `lrkernel`: evaluate a spec to a file, show it, draw it.

The library itself needs NumPy alone; the command line and its tables come with the extra `cli`
(click and rich), which nothing but `main` imports.
"""

import locale
import math
import os
import shutil
import signal
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import plot as pictures
from ._arguments import missing
from .spec import Spec, load, one_line

if TYPE_CHECKING:
    import click

    from .schedule import Phase, Schedule

__all__ = ["main"]

# Steps per block, all that a run of any length keeps: large enough to hide what a call costs, small
# enough for any machine (8 MiB of float64).
_BLOCK = 1 << 22

_LAST_STOP = 2**63


class _Stopped(BaseException):
    """A signal asked the command to stop; args[0] is its number."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    0 is success; 2 is bad input or a file that cannot be written, told in one line on standard
    error; 128 + n is a stop by signal n.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; without it, those of the process.

    Examples
    --------
    >>> main(["show", "--steps"])
    2
    """
    try:
        import click

        import_module("rich.console")
    except ImportError as error:
        name = (error.name or "an extra").partition(".")[0]
        return _fail(missing("the command", name, "cli"))
    _prepare_streams()
    try:
        arguments = None if argv is None else list(argv)
        # What a command prints is what it returns: click has its own ideas of a broken pipe.
        text = _command().main(arguments, "lrkernel", standalone_mode=False)
        if isinstance(text, str):
            sys.stdout.write(text)
        sys.stdout.flush()
    except click.ClickException as error:
        return _fail(error.format_message())
    except BrokenPipeError:  # as in `lrkernel show run.toml | head -1`
        _discard_output()
        return 0
    except (click.Abort, KeyboardInterrupt):
        return _fail("stopped by SIGINT", 128 + signal.SIGINT)
    except _Stopped as stop:
        number = signal.Signals(stop.args[0])
        return _fail(f"stopped by {number.name}", 128 + number)
    except OSError as error:
        name = f"{os.fsdecode(error.filename)}: " if error.filename is not None else ""
        return _fail(f"{name}{error.strerror or error}")
    except (ValueError, TypeError, ImportError) as error:
        return _fail(str(error))
    except MemoryError:
        return _fail("not enough memory")
    return 0


def _fail(text: str, status: int = 2) -> int:
    try:
        sys.stdout.flush()
    except OSError:
        _discard_output()
    print(f"lrkernel: {one_line(text)}", file=sys.stderr)
    return status


def _discard_output() -> None:
    # What is still buffered would be tried, and complained about, once more when Python exits.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _prepare_streams() -> None:
    """Print what the terminal can show: Python takes LC_ALL=C for UTF-8, a C terminal does not."""
    if sys.stdout is None:  # closed by whoever started the process
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    told = "PYTHONIOENCODING" in os.environ or "PYTHONUTF8" in os.environ
    plain = os.name == "posix" and not told and "utf" not in locale.getencoding().lower()
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(encoding="ascii" if plain else None, errors="backslashreplace")


# ---- the command line ----


def _command() -> "click.Group":
    """The commands; made when they are run, so that importing this module needs no click."""
    import click

    @click.group(context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
    @click.version_option(package_name="lrkernel", message="%(prog)s %(version)s")
    @click.pass_context
    def command(context: click.Context) -> None:
        """Exact learning-rate curves from TOML or JSON specs."""
        if context.invoked_subcommand is None:
            click.echo(context.get_help())

    @command.command()
    @click.argument("spec")
    @click.option("--steps", metavar="N", help="How many steps; else the spec says.")
    @click.option("--out", metavar="FILE.npy", help="Where the values go; else they are only timed.")
    @click.option("--dtype", type=click.Choice(["float64", "float32"]), default="float64")
    @click.option("--threads", metavar="N", type=click.IntRange(1), help="Else picked by size.")
    def evaluate(spec: str, steps: str | None, out: str | None, dtype: str, threads: int | None) -> str:
        """Evaluate every step of SPEC, in bounded memory, and write them to an .npy file."""
        return _evaluate(spec, steps, out, np.dtype(dtype), threads)

    @command.command()
    @click.argument("spec")
    def show(spec: str) -> str:
        """Show the phases of SPEC, its curve and its identity, without evaluating it all."""
        return _show(spec)

    @command.command()
    @click.argument("specs", metavar="SPEC...", nargs=-1, required=True)
    @click.option("--out", metavar="FILE.png", required=True, help="Or .svg, .pdf, ...")
    @click.option("--steps", metavar="N", help="How many steps; else each spec says.")
    def plot(specs: tuple[str, ...], out: str, steps: str | None) -> str:
        """Draw the curves of one or more SPECs into one picture."""
        return _plot(specs, out, steps)

    return command


# ---- evaluate ----


class _Run(NamedTuple):
    """What an evaluation took: all of it in seconds, one step and a plain fill of one in ns."""

    seconds: float
    per_step: float
    floor: float


def _evaluate(path: str, steps: str | None, out: str | None, dtype: np.dtype[Any], threads: int | None) -> str:
    spec = load(path)
    count = _steps(spec, path, steps)
    if out is None:
        with _progress(count) as advance:
            run = _fill(spec.schedule, count, dtype, threads, advance)
        wrote = "nothing (no --out)"
    else:
        target = _target(out, [path], count * dtype.itemsize)
        with _replacing(target) as (file, check), _progress(count) as advance:
            _write_header(file, count, dtype)

            def write(block: NDArray[Any]) -> None:
                file.write(block.data)
                check()
                advance(block)

            run = _fill(spec.schedule, count, dtype, threads, write)
        wrote = f"{one_line(out)} ({target.stat().st_size:,} bytes, {dtype})"
    facts = {
        "evaluated": f"{pictures.grouped(count)} steps in {run.seconds:.3g} s",
        "speed": f"{run.per_step:.3g} ns/step; memory floor {run.floor:.3g} ns/step (a plain fill)",
        "wrote": wrote,
    }
    return _report(spec, path, count, _phases_of_run(spec.schedule, count), facts)


def _fill(
    schedule: "Schedule",
    steps: int,
    dtype: np.dtype[Any],
    threads: int | None,
    use: Callable[[NDArray[Any]], object],
) -> _Run:
    """Evaluate block by block through one buffer, and time it beside a plain fill of the buffer."""
    buffer = np.empty(min(steps, _BLOCK), dtype)
    floor = math.inf
    for _ in range(5):
        clock = time.perf_counter()
        buffer.fill(1.0)
        floor = min(floor, time.perf_counter() - clock)
    busy = 0.0
    for start in range(0, steps, _BLOCK):
        block = buffer[: min(_BLOCK, steps - start)]
        clock = time.perf_counter()
        schedule.values(start, start + len(block), out=block, threads=threads)
        busy += time.perf_counter() - clock
        use(block)
    return _Run(busy, busy / steps * 1e9, floor / len(buffer) * 1e9)


def _write_header(file: IO[bytes], count: int, dtype: np.dtype[Any]) -> None:
    header = {"descr": dtype.str, "fortran_order": False, "shape": (count,)}
    np.lib.format.write_array_header_1_0(file, header)


@contextmanager
def _progress(steps: int) -> Generator[Callable[[NDArray[Any]], object], None, None]:
    """A progress bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield len
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("evaluating", total=steps)
        yield lambda block: progress.advance(task, len(block))


# ---- show and plot ----


def _show(path: str) -> str:
    spec = load(path)
    schedule = spec.schedule
    facts = {
        "length": "open-ended" if schedule.length is None else pictures.grouped(schedule.length),
        "end": "never" if schedule.end is None else pictures.grouped(schedule.end),
        "fingerprint": schedule.fingerprint,
        "expression": _wrapped(repr(schedule), _WIDTH - _INDENT),
    }
    return _report(spec, path, spec.steps or pictures.horizon(schedule), schedule.phases(), facts)


def _plot(paths: Sequence[str], out: str, steps: str | None) -> str:
    specs = [load(path) for path in paths]
    stops = [
        pictures.shown_stop(spec.schedule) if steps is None and spec.steps is None else _steps(spec, path, steps)
        for spec, path in zip(specs, paths, strict=True)
    ]
    target = _target(out, paths)
    names = [spec.title or Path(path).stem for spec, path in zip(specs, paths, strict=True)]
    schedules = [spec.schedule for spec in specs]
    curves = list(zip(names, schedules, stops, strict=True))
    title = names[0] if len(names) == 1 else None
    image = pictures.picture(curves, target.suffix[1:].lower(), title)
    with _replacing(target) as (file, _):
        file.write(image)
    return f"wrote {one_line(out)} ({len(image):,} bytes)\n"


def _steps(spec: Spec, path: str, told: str | None) -> int:
    """How many steps the run has: told, in the spec, or the schedule's length."""
    if told is not None:
        return _whole(told)
    if spec.steps is not None:
        return spec.steps
    if spec.schedule.length is None:
        raise ValueError(f"{path}: the schedule is open-ended, so it needs --steps N")
    return max(1, math.ceil(spec.schedule.length))


def _whole(text: str) -> int:
    value: float = math.nan
    for read in (int, float):
        with suppress(ValueError):
            value = read(text.replace(",", ""))
            break
    if not 1 <= value <= _LAST_STOP or value != int(value):
        raise ValueError(f"--steps must be a whole number from 1 to 2**63, got {text}")
    return int(value)


# ---- the file ----


def _target(out: str, specs: Sequence[str], size: int = 0) -> Path:
    """The file that --out means, once it is clear that it may and can be written."""
    if not out:
        raise ValueError("--out must name a file, got an empty name")
    path = Path(os.path.realpath(out))  # where `out` is a link, the file behind it is replaced
    if path.is_dir() or out.endswith(("/", os.sep)):
        raise IsADirectoryError(f"--out must name a file, {out} is a folder")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"--out: there is no folder {path.parent}")
    if path.exists():
        if not path.is_file():
            raise ValueError(f"--out must name a regular file, {out} is none")
        if any(path.samefile(spec) for spec in specs):
            raise ValueError(f"--out must not be the spec itself, got {out}")
    for place in (path, path.parent):
        if place.exists() and not os.access(place, os.W_OK):
            raise PermissionError(f"--out: {place} cannot be written")
    disk = shutil.disk_usage(path.parent)
    if size > disk.free and disk.total:  # some file systems do not tell
        raise ValueError(f"--out: {out} needs {size:,} bytes, {disk.free:,} are free")
    return path


@contextmanager
def _replacing(path: Path) -> Generator[tuple[IO[bytes], Callable[[], None]], None, None]:
    """A file beside `path` that takes its place at the end, or leaves nothing behind.

    Meanwhile a signal that would end the process only leaves word; the second thing given, called
    where stopping is safe, acts on it.
    """
    mask = os.umask(0)
    os.umask(mask)
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o666 & ~mask
    with _signals_noted() as check:
        name = ""
        try:
            handle, name = tempfile.mkstemp(".tmp", ".lrkernel-", path.parent)
            with os.fdopen(handle, "wb") as file:
                yield file, check
                file.flush()
                os.fsync(handle)
            os.chmod(name, mode)
            check()
            os.replace(name, path)
        except BaseException as error:
            if name:
                with suppress(OSError):
                    os.unlink(name)
            if isinstance(error, OSError) and error.errno is not None:
                raise OSError(error.errno, os.strerror(error.errno), str(path)) from None
            raise


@contextmanager
def _signals_noted() -> Generator[Callable[[], None], None, None]:
    """Only note SIGINT, SIGTERM and SIGHUP; the function given raises `_Stopped` after one."""
    noted: list[int] = []

    def check() -> None:
        if noted:
            raise _Stopped(noted[0])

    handlers: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            # Ignored by whoever started the process (nohup): stays ignored.
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                handlers[number] = signal.signal(number, lambda number, _: noted.append(number))
    try:
        yield check
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    check()


# ---- print ----

_WIDTH = 80
_INDENT = 13
_BARS = {True: " \u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588", False: " .:|"}
_ROWS = 5
_HEAD, _TAIL = 14, 4  # what is shown of a long phase table
_REPR_LINES = 16  # and of a long repr


class _Phase(NamedTuple):
    """One row of the table; `stop` is None where the phase never ends."""

    name: str
    start: float
    stop: float | None
    first: float
    last: float


def _phases_of_run(schedule: "Schedule", steps: int) -> list[_Phase]:
    """The phases as far as the run goes, and what it holds after the last of them."""
    rows: list[_Phase] = []
    for phase in schedule.phases():
        if math.ceil(phase.start) >= steps:
            break
        if phase.stop is None or math.ceil(phase.stop) > steps:
            rows.append(_Phase(phase.name, phase.start, steps, phase.first, schedule(steps - 1)))
        else:
            rows.append(_Phase(*phase))
    end = rows[-1].stop if rows else 0
    if end is not None and math.ceil(end) < steps:
        hold = schedule(math.ceil(end))
        rows.append(_Phase("hold", end, steps, hold, schedule(steps - 1)))
    return rows


def _report(spec: Spec, path: str, steps: int, phases: "Sequence[_Phase | Phase]", facts: dict[str, str]) -> str:
    """Title, phase table, sparkline and facts."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    width = min(console.width, _WIDTH)
    console.width = 2 * _WIDTH  # a number that is cut says something else: sooner a broken line
    is_unicode = console.encoding.lower().startswith("utf")
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("phase", overflow="ellipsis", no_wrap=True, max_width=30)
    for name in ("start", "stop", "steps", "first", "last"):
        table.add_column(name, justify="right", no_wrap=True)
    hidden = len(phases) - _HEAD - _TAIL
    for index, phase in enumerate(phases):
        if hidden > 1 and index == _HEAD:
            table.add_row(f"({hidden:,} more)")
        if hidden <= 1 or not _HEAD <= index < _HEAD + hidden:
            table.add_row(*_cells(phase))
    if spec.unit != "step":
        facts = {"unit": one_line(spec.unit), **facts}
    with console.capture() as printed:
        console.print(one_line(spec.title or Path(path).name), style="bold", soft_wrap=True)
        console.print()
        console.print(table)
        console.print()
        for line in sparkline(spec.schedule, steps, width, is_unicode):
            console.print(line, soft_wrap=True)
        console.print()
        for name, value in facts.items():
            for number, line in enumerate(value.splitlines()):
                label = (f"{'' if number else name:<{_INDENT}}", "dim")
                console.print(Text.assemble(label, line), soft_wrap=True)
    return printed.get()


def _cells(phase: "_Phase | Phase") -> tuple[str, ...]:
    """What the table says of a phase."""
    stop, steps = "open", "open"
    if phase.stop is not None:
        stop = pictures.grouped(phase.stop)
        steps = pictures.grouped(math.ceil(phase.stop) - math.ceil(phase.start))
    start = pictures.grouped(phase.start)
    return (one_line(phase.name), start, stop, steps, f"{phase.first:.6g}", f"{phase.last:.6g}")


def sparkline(schedule: "Schedule", steps: int, width: int = 80, is_unicode: bool = True) -> list[str]:
    """The curve of the first steps as lines of text: bars over the range of the values.

    Parameters
    ----------
    schedule : Schedule
    steps : int
        How many steps the lines show.
    width : int
        The length of the lines.
    is_unicode : bool
        Draw with block elements, or with ASCII alone.

    Examples
    --------
    >>> from lrkernel import linear
    >>> print("\\n".join(sparkline(linear(1.0, 0.0, 1000), 1000, 24, is_unicode=False)))
        1 |:..
          |||||:.
          |||||||||:.
          |||||||||||||:.
    0.001 ||||||||||||||||::
          0            1,000
    """
    glyphs = _BARS[is_unicode]
    full = len(glyphs) - 1
    at, values = pictures.sample(schedule, 0, steps, width)
    heights, low, high = pictures.scaled(values)
    labels = {_ROWS // 2: f"{low:.6g}"} if low == high else {0: f"{high:.6g}", _ROWS - 1: f"{low:.6g}"}
    margin = max(map(len, labels.values())) + 1
    cells = max(width - margin, 1)
    column = np.minimum((at / steps * cells).astype(np.int64), cells - 1)
    bars = np.full(cells, -1.0)
    np.maximum.at(bars, column, np.where(np.isnan(heights), values == np.inf, heights))
    for index in range(1, cells):  # fewer steps than columns: a step is several columns wide
        if bars[index] < 0:
            bars[index] = bars[index - 1]
    tops = 1 + np.rint(bars * (_ROWS * full - 1)).astype(int)
    lines: list[str] = []
    for row in range(_ROWS):
        bar = "".join(glyphs[min(max(top - (_ROWS - 1 - row) * full, 0), full)] for top in tops)
        lines.append(f"{labels.get(row, ''):>{margin - 1}} {bar}".rstrip())
    stop = pictures.grouped(steps)
    return [*lines, f"{'0':>{margin + 1}}{stop:>{cells - 1}}"]


def _wrapped(text: str, width: int) -> str:
    """A repr broken after commas, where Python lets it be: what is not cut can be pasted."""
    lines = [""]
    for piece in text.split(", "):
        if lines[-1] and len(lines[-1]) + len(piece) + 1 > width:
            lines.append("")
        lines[-1] += f"{piece}, "
    lines = [line[:-1] for line in lines]
    lines[-1] = lines[-1][:-1]
    hidden = len(lines) - _REPR_LINES
    return "\n".join(lines if hidden < 1 else [*lines[:_REPR_LINES], f"({hidden:,} more lines)"])
