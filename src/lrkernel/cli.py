"""cli - the command `lrkernel`: evaluate a spec to a file, show it, draw it.

The library itself needs NumPy alone; the command line and its tables come with the extra `cli`
(click and rich), which nothing but `main` imports.
"""

import json
import locale
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import output, studies
from . import plot as pictures
from ._arguments import missing
from .spec import Spec, load, one_line, read

if TYPE_CHECKING:
    import click

    from .schedule import Phase, Schedule

__all__ = ["main"]

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
    @click.option("--out", metavar="FILE", help="Where the values go: .npy, .parquet or .zarr; else they are only timed.")
    @click.option("--dtype", type=click.Choice(["float64", "float32"]), default="float64")
    @click.option("--threads", metavar="N", type=click.IntRange(1), help="Else picked by size.")
    def evaluate(spec: str, steps: str | None, out: str | None, dtype: str, threads: int | None) -> str:
        """Evaluate every step of SPEC and write them to a file.

        Any number of steps goes through bounded memory.
        """
        return _evaluate(spec, steps, out, np.dtype(dtype), threads)

    @command.command()
    @click.argument("spec")
    def show(spec: str) -> str:
        """Show the phases, the curve and the identity of SPEC.

        It is not evaluated at every step.
        """
        return _show(spec)

    @command.command()
    @click.argument("specs", metavar="SPEC...", nargs=-1, required=True)
    @click.option("--out", metavar="FILE.png", required=True, help="Or .svg, .pdf, ...")
    @click.option("--steps", metavar="N", help="How many steps; else each spec says.")
    def plot(specs: tuple[str, ...], out: str, steps: str | None) -> str:
        """Draw the curves of one or more SPECs into one picture."""
        return _plot(specs, out, steps)

    as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    warmup_option = click.option(
        "--warmup", metavar="N", help="How many steps count for the law by their area alone; 0 unless told."
    )
    steps_option = click.option("--steps", metavar="N", help="How many steps; else the spec says.")

    @command.command("sum")
    @click.argument("spec")
    @steps_option
    @click.option("--start", metavar="A", help="The first step; 0 unless told.")
    @click.option("--power", type=float, default=1.0, metavar="P", help="Of the values; 1 unless told.")
    @click.option("--decay", type=float, metavar="D", help="Also the discounted sum, and the annealing area.")
    @click.option("--weight-decay", type=float, metavar="W", help="Also the log of the product of 1 - W lr.")
    @as_json
    def sum_(
        spec: str,
        steps: str | None,
        start: str | None,
        power: float,
        decay: float | None,
        weight_decay: float | None,
        as_json: bool,
    ) -> str:
        """Sum the values of SPEC, exactly.

        The time does not grow with the number of steps.
        """
        return _sum(spec, steps, start, (power, decay, weight_decay), as_json)

    @command.command()
    @click.argument("a")
    @click.argument("b")
    @steps_option
    @click.option("--out", metavar="FILE.png", help="Draw both; or .svg, .pdf, ...")
    @as_json
    def compare(a: str, b: str, steps: str | None, out: str | None, as_json: bool) -> str:
        """Show where A and B differ first and most, and their sums."""
        return _compare((a, b), steps, out, as_json)

    @command.command()
    @click.argument("spec")
    @click.option("--law", metavar="LAW.toml", required=True, help="A fitted loss law.")
    @steps_option
    @warmup_option
    @click.option("--points", type=click.IntRange(1, 100_000), default=10, help="Of the curve; 10 unless told.")
    @as_json
    def simulate(spec: str, law: str, steps: str | None, warmup: str | None, points: int, as_json: bool) -> str:
        """Predict the loss of a run of SPEC by a law."""
        return _simulate(spec, law, steps, warmup, points, as_json)

    @command.command()
    @click.argument("spec")
    @click.option(
        "--grid",
        "options",
        metavar="KEY=A:B:N",
        multiple=True,
        required=True,
        help="N values from A to B of a key of the spec; A:B:N:log, or V,V,...; once per key.",
    )
    @click.option("--law", metavar="LAW.toml", help="Also the final loss by a fitted law.")
    @steps_option
    @warmup_option
    @as_json
    def sweep(spec: str, options: tuple[str, ...], law: str | None, steps: str | None, warmup: str | None, as_json: bool) -> str:
        """Vary keys of SPEC: each one's sum, last value, final loss."""
        return _sweep(spec, options, law, steps, warmup, as_json)

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
        with _progress("evaluating") as told:
            run = _fill(spec.schedule, count, dtype, threads, lambda _, done: told(done, count))
        wrote = "nothing (no --out)"
    else:
        kind = Path(out).suffix.lower()
        if kind not in output.KINDS:
            kind = ".npy"
        target = _target(out, [path], size=count * dtype.itemsize if kind == ".npy" else 0)
        with (
            _signals_noted() as check,
            _progress("evaluating") as told,
            output.writing(target, kind, spec.schedule, 0, count, dtype, check) as put,
        ):

            def write(block: NDArray[Any], done: int) -> None:
                put(block)
                check()
                told(done, count)

            run = _fill(spec.schedule, count, dtype, threads, write)
        wrote = f"{one_line(out)} ({_size(target):,} bytes, {dtype})"
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
    use: Callable[[NDArray[Any], int], object],
) -> _Run:
    """Evaluate block by block through one buffer, and time it beside a plain fill of the buffer."""
    buffer = np.empty(min(steps, output.BLOCK), dtype)
    floor = math.inf
    for _ in range(5):
        clock = time.perf_counter()
        buffer.fill(1.0)
        floor = min(floor, time.perf_counter() - clock)
    busy = 0.0
    for start in range(0, steps, len(buffer)):
        block = buffer[: min(len(buffer), steps - start)]
        clock = time.perf_counter()
        schedule.values(start, start + len(block), out=block, threads=threads)
        busy += time.perf_counter() - clock
        use(block, start + len(block))
    return _Run(busy, busy / steps * 1e9, floor / len(buffer) * 1e9)


def _size(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    return sum(entry.stat().st_size for entry in (path, *path.rglob("*")) if entry.is_file())


@contextmanager
def _progress(what: str) -> Generator[Callable[[int, int], object], None, None]:
    """Told (done, total), shows a progress bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


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
    names = [_name(spec, path) for spec, path in zip(specs, paths, strict=True)]
    schedules = [spec.schedule for spec in specs]
    curves = list(zip(names, schedules, stops, strict=True))
    title = names[0] if len(names) == 1 else None
    image = pictures.picture(curves, target.suffix[1:].lower(), title)
    _write(target, image)
    return f"wrote {one_line(out)} ({len(image):,} bytes)\n"


def _write(target: Path, image: bytes) -> None:
    with _signals_noted() as check, output.replacing(target, check) as file:
        file.write(image)


def _steps(spec: Spec, path: str, told: str | None) -> int:
    """How many steps the run has: told, in the spec, or the schedule's length."""
    return studies.run_steps(spec, path, None if told is None else _whole("--steps", told, 1))


def _name(spec: Spec, path: str) -> str:
    return spec.title or Path(path).stem


def _whole(option: str, text: str, low: int) -> int:
    value: float = math.nan
    for number in (int, float):
        with suppress(ValueError):
            value = number(text.replace(",", ""))
            break
    if not low <= value <= _LAST_STOP or value != int(value):
        raise ValueError(f"{option} must be a whole number from {low} to 2**63, got {text}")
    return int(value)


# ---- sum, compare, simulate, sweep ----


def _sum(path: str, steps: str | None, start: str | None, of: tuple[float, float | None, float | None], as_json: bool) -> str:
    spec = load(path)
    stop = _steps(spec, path, steps)
    first = 0 if start is None else _whole("--start", start, 0)
    if not first < stop:
        raise ValueError(f"--start must be < the number of steps ({stop:,}), got {start}")
    return _told(studies.summed(_name(spec, path), spec.schedule, first, stop, *of), as_json)


def _compare(paths: tuple[str, str], steps: str | None, out: str | None, as_json: bool) -> str:
    specs = [load(path) for path in paths]
    ends = [_steps(spec, path, steps) for spec, path in zip(specs, paths, strict=True) if steps is not None or _ends(spec)]
    count = max(ends) if ends else _steps(specs[0], paths[0], steps)
    target = None if out is None else _target(out, paths)
    names = [_name(spec, path) for spec, path in zip(specs, paths, strict=True)]
    one, other = (spec.schedule for spec in specs)
    with _signals_noted() as check, _progress("comparing") as told:
        study = studies.compared(names, (one, other), count, lambda done, total: (check(), told(done, total)))
    if target is not None and out is not None:
        curves = [(f"{letter}: {name}", spec.schedule, count) for letter, name, spec in zip("AB", names, specs, strict=True)]
        image = pictures.picture(curves, target.suffix[1:].lower())
        _write(target, image)
        study.facts["wrote"] = f"{one_line(out)} ({len(image):,} bytes)"
    return _told(study, as_json)


def _ends(spec: Spec) -> bool:
    return spec.steps is not None or spec.schedule.length is not None


def _simulate(path: str, law: str, steps: str | None, warmup: str | None, points: int, as_json: bool) -> str:
    from .simulation import load_law

    spec, found = load(path), load_law(law)
    count, before = _steps(spec, path, steps), _warmup(warmup)
    studies.check_warmup(before, count)
    return _told(studies.simulated(_name(spec, path), spec.schedule, count, found, before, points), as_json)


def _sweep(path: str, options: Sequence[str], law: str | None, steps: str | None, warmup: str | None, as_json: bool) -> str:
    axes, mapping, before = studies.grid(options), read(path), _warmup(warmup)
    count = None if steps is None else _whole("--steps", steps, 1)
    found = None
    if law is not None:
        from .simulation import load_law

        found = load_law(law)
    with _signals_noted() as check, _progress("sweeping") as told:
        study = studies.swept(path, mapping, axes, count, found, before, lambda done, total: (check(), told(done, total)))
    return _told(study._replace(title=str(mapping.get("title") or Path(path).stem)), as_json)


def _warmup(told: str | None) -> int:
    return 0 if told is None else _whole("--warmup", told, 0)


# ---- the file ----


def _target(out: str, specs: Sequence[str], kinds: tuple[str, ...] = (), size: int = 0) -> Path:
    """The file that --out means, once it is clear that it may and can be written."""
    path = output.checked("--out", out, kinds, size)
    if path.exists() and any(path.samefile(spec) for spec in specs):
        raise ValueError(f"--out must not be the spec itself, got {out}")
    return path


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


def _told(study: studies.Study, as_json: bool) -> str:
    """A study as text, or as JSON: one line, whatever is not finite as text."""
    if as_json:
        return json.dumps(_finite(study.json)) + "\n"
    return _page(study.title, study.table, study.facts)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value


def _report(spec: Spec, path: str, steps: int, phases: "Sequence[_Phase | Phase]", facts: dict[str, str]) -> str:
    """Title, phase table, sparkline and facts."""
    if spec.unit != "step":
        facts = {"unit": one_line(spec.unit), **facts}
    table = [("phase", "start", "stop", "steps", "first", "last"), *map(_cells, phases)]
    return _page(
        spec.title or Path(path).name, table, facts, lambda width, is_unicode: sparkline(spec.schedule, steps, width, is_unicode)
    )


def _page(
    title: str,
    table: Sequence[Sequence[str]],
    facts: dict[str, str],
    curve: Callable[[int, bool], list[str]] | None = None,
) -> str:
    """Title, table behind its header, curve for a width and an alphabet, and facts."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    width = min(console.width, _WIDTH)
    console.width = 2 * _WIDTH  # a number that is cut says something else: sooner a broken line
    grid = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for index, name in enumerate(table[0] if table else ()):
        if index:
            grid.add_column(one_line(name), justify="right", no_wrap=True)
        else:
            grid.add_column(one_line(name), overflow="ellipsis", no_wrap=True, max_width=30)
    rows = table[1:]
    hidden = len(rows) - _HEAD - _TAIL
    for index, row in enumerate(rows):
        if hidden > 1 and index == _HEAD:
            grid.add_row(f"({hidden:,} more)")
        if hidden <= 1 or not _HEAD <= index < _HEAD + hidden:
            grid.add_row(*map(one_line, row))
    with console.capture() as printed:
        console.print(one_line(title), style="bold", soft_wrap=True)
        console.print()
        if table:
            console.print(grid)
            console.print()
        if curve is not None:
            for line in curve(width, console.encoding.lower().startswith("utf")):
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
    return (phase.name, start, stop, steps, f"{phase.first:.6g}", f"{phase.last:.6g}")


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
