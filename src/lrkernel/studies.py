"""studies - what the commands sum, compare, simulate and sweep find out: a title, a table, facts, and the same as JSON."""

import copy
import math
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import islice, product
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from . import plot as pictures
from .batch import ScheduleBatch
from .compare import compare
from .spec import Spec, parse

if TYPE_CHECKING:
    from .schedule import Schedule

__all__ = ["Study", "compared", "grid", "simulated", "summed", "swept"]

Told = Callable[[int, int], object]

MOST = 1_000_000  # schedules of a sweep
ROWS = 512  # of them at a time


class Study(NamedTuple):
    """What was found: facts by name, rows of a table behind its header, and all of it as JSON."""

    title: str
    facts: dict[str, str]
    json: dict[str, Any]
    table: Sequence[Sequence[str]] = ()


# ---- sum ----


def summed(
    name: str, schedule: "Schedule", start: int, stop: int, power: float, decay: float | None, weight_decay: float | None
) -> Study:
    """The sums of a range of steps."""
    total = schedule.sum(start, stop, power)
    found: dict[str, Any] = {"start": start, "stop": stop, "power": power, "sum": total, "mean": total / (stop - start)}
    facts = {"steps": _range(start, stop), _powered("sum", power): _number(total), _powered("mean", power): _number(found["mean"])}
    if decay is not None:
        last = stop - 1
        found |= {"decay": decay, "discounted": schedule.discounted(last, decay)}
        found["annealing_area"] = schedule.annealing_area(last, decay)
        facts["discounted"] = f"{_number(found['discounted'])} at step {last:,}, decay {decay!r}"
        facts["annealing"] = f"{_number(found['annealing_area'])}, the area S2 there"
    if weight_decay is not None:
        found |= {"weight_decay": weight_decay, "log_shrink": schedule.log_shrink(start, stop, weight_decay)}
        facts["log shrink"] = f"{_number(found['log_shrink'])}, weight decay {weight_decay!r}"
    return Study(name, facts, found)


def _powered(what: str, power: float) -> str:
    return what if power == 1 else f"{what} lr^{power:g}"


# ---- compare ----


def compared(names: Sequence[str], pair: "tuple[Schedule, Schedule]", steps: int, told: Told) -> Study:
    """Where two schedules differ, and their sums."""
    one, other = pair
    found = compare(one, other, steps, progress=told)
    sums = one.sum(0, steps), other.sum(0, steps)
    json = {
        "steps": steps,
        "equal": found.first is None,
        "first": found.first,
        "largest": {"step": found.at, "a": found.values[0], "b": found.values[1], "difference": found.largest},
        "sums": {"a": sums[0], "b": sums[1]},
        "fingerprints": {"a": one.fingerprint, "b": other.fingerprint},
    }
    facts = {"A": names[0], "B": names[1]}
    if found.first is None:
        facts["difference"] = "none" if one.end == other.end and one == other else "none in these steps"
    else:
        at = cast("int", found.at)
        facts["first"] = f"step {found.first:,}"
        facts["largest"] = f"{_number(found.largest)} at step {at:,}{_percent(*found.values)}"
    rows: list[tuple[str, ...]] = [("", "A", "B", "B - A")]
    if found.first is not None:
        rows.append(_row(f"step {found.first:,}", one(found.first), other(found.first)))
        rows.append(_row(f"step {found.at:,}", *found.values))
    rows.append(_row("sum", *sums))
    rows.append(_row("last", one(steps - 1), other(steps - 1)))
    return Study(f"A and B over {pictures.grouped(steps)} steps", facts, json, rows)


def _row(name: str, a: float, b: float) -> tuple[str, ...]:
    return (name, f"{a:.10g}", f"{b:.10g}", f"{b - a:.6g}{_percent(a, b)}")


def _percent(a: float, b: float) -> str:
    """The difference relative to `a`: in percent, or as a power of ten where percents would have many zeros."""
    if not a or a == b or not abs(b - a) < 1e3 * abs(a):
        return ""
    share = (b - a) / a
    if abs(share) < 1e-5:
        return f" ({share:+.1e} of A)"
    return f" ({100 * share:{'+,.0f' if abs(share) >= 10 else '+.4g'}} %)"


# ---- simulate ----


def simulated(name: str, schedule: "Schedule", steps: int, law: Any, warmup: int, points: int) -> Study:
    """The loss that a law predicts after evenly spaced numbers of steps, all of them last."""
    counts = sorted({warmup + (steps - warmup) * k // points for k in range(1, points + 1)} - {warmup})
    at = np.array(counts, np.int64) - 1
    loss = _loss(law, schedule, at, warmup)
    rows = [("steps", "lr", "loss")]
    rows += [(f"{n:,}", f"{lr:.6g}", f"{x:.6f}") for n, lr, x in zip(counts, schedule(at), loss, strict=True)]
    facts = {"law": _law(law), "final loss": f"{_number(loss[-1])} after {steps:,} steps"}
    found = {"steps": counts, "loss": loss.tolist(), "final": float(loss[-1]), "law": law.to_dict(), "warmup": warmup}
    return Study(name, facts, found, rows)


def _loss(law: Any, schedule: "Schedule", at: Any, warmup: int) -> Any:
    """After the steps `at`; those before `warmup` count by their area alone."""
    if not warmup:
        return law.predict(schedule, at)
    return law.predict(schedule.skip(warmup), at - warmup, area_before=schedule.sum(0, warmup))


# ---- sweep ----


def grid(options: Sequence[str]) -> dict[str, list[Any]]:
    """What ``--grid key=a:b:n``, ``key=a:b:n:log`` and ``key=v,v,...`` say: the values of each key.

    Examples
    --------
    >>> grid(["peak=1e-4:1e-2:3:log", "decay=100:200:3", "warmup=5%,10", "floor=0:1e-5:2"])
    {'peak': [0.0001, 0.001, 0.01], 'decay': [100, 150, 200], 'warmup': ['5%', 10], 'floor': [0, 1e-05]}
    """
    found: dict[str, tuple[int, Callable[[], list[Any]]]] = {}
    for option in options:
        key, equals, text = option.partition("=")
        if not key or not equals or not text:
            raise ValueError(f"--grid must be key=a:b:n, key=a:b:n:log or key=v,v,..., got {option}")
        if key in found:
            raise ValueError(f"--grid {key} is given twice")
        found[key] = _spaced(option, text.split(":")) if ":" in text else _listed(text.split(","))
    count = math.prod(count for count, _ in found.values())
    if count > MOST:
        raise ValueError(f"--grid must ask for {MOST:,} schedules or fewer, got {count:,}")
    return {key: make() for key, (_, make) in found.items()}


def _listed(words: list[str]) -> tuple[int, Callable[[], list[Any]]]:
    return len(words), lambda: [_value(word) for word in words]


def _spaced(option: str, words: list[str]) -> tuple[int, Callable[[], list[Any]]]:
    """How many values, and what makes them."""
    try:
        low, high, count = _fraction(words[0]), _fraction(words[1]), int(words[2])
        is_log = words[3:] == ["log"]
        if count < 2 or (words[3:] and not is_log) or (is_log and not (low > 0 and high > 0)):
            raise ValueError
    except (ValueError, IndexError):
        raise ValueError(f"--grid must be key=a:b:n with numbers a, b and n >= 2, positive ones for :log, got {option}") from None

    def make() -> list[Any]:
        if not is_log:  # in rational arithmetic: 0.1:0.2:3 has 0.15 in the middle
            return [_plain(low + (high - low) * k / (count - 1)) for k in range(count)]
        inside = (float(low) * float(high / low) ** (k / (count - 1)) for k in range(1, count - 1))
        return [_plain(low), *(float(f"{value:.15g}") for value in inside), _plain(high)]

    return count, make


def _plain(number: Fraction) -> int | float:
    return int(number) if number.denominator == 1 else float(number)


def _value(word: str) -> Any:
    with suppress(ValueError):
        number = float(word)
        return _plain(_fraction(word)) if math.isfinite(number) else number
    return word


def _fraction(word: str) -> Fraction:
    """Exactly what the digits say."""
    if not math.isfinite(float(word)):  # 1e999999999 would take a while
        raise ValueError(f"{word} must be finite")
    return Fraction(word)


def swept(
    path: str, mapping: Mapping[str, Any], axes: dict[str, list[Any]], steps: int | None, law: Any, warmup: int, told: Told
) -> Study:
    """The sum, the last value and, by a law, the final loss of a spec at every point of a grid."""
    names, count = list(axes), math.prod(map(len, axes.values()))
    measures = ["sum", "last", *(["loss"] if law is not None else [])]
    points = product(*axes.values())
    columns: dict[str, list[float]] = {name: [] for name in measures}
    rows: list[tuple[Any, ...]] = []
    while chunk := list(islice(points, ROWS)):
        specs = [_at_point(path, mapping, dict(zip(names, point, strict=True))) for point in chunk]
        for name, values in _measured(path, specs, steps, law, warmup).items():
            columns[name] += values
        rows += chunk
        told(len(rows), count)
    table = [(*names, *measures)]
    table += [(*map(_cell, point), *(f"{columns[name][k]:.6g}" for name in measures)) for k, point in enumerate(rows)]
    facts = {"schedules": f"{count:,}"}
    found: dict[str, Any] = {"grid": axes, "points": [list(point) for point in rows], **columns}
    if law is not None:
        k = min(range(count), key=lambda k: columns["loss"][k])
        best = ", ".join(f"{name} = {value}" for name, value in zip(names, rows[k], strict=True))
        facts |= {"law": _law(law), "best": f"{best}: loss {_number(columns['loss'][k])}"}
        found["law"] = law.to_dict()
        found["best"] = {**dict(zip(names, rows[k], strict=True)), "loss": columns["loss"][k]}
    return Study("", facts, found, table)


def _measured(path: str, specs: list[Spec], steps: int | None, law: Any, warmup: int) -> dict[str, list[float]]:
    """By runs of one length, which are evaluated together."""
    lengths = [steps or run_steps(spec, path) for spec in specs]
    found = {name: [0.0] * len(specs) for name in ("sum", "last", *(["loss"] if law is not None else []))}
    for length in sorted(set(lengths)):
        rows = [k for k, one in enumerate(lengths) if one == length]
        batch = ScheduleBatch([specs[k].schedule for k in rows])
        values = {"sum": batch.sum(0, length), "last": batch(length - 1)}
        if law is not None:
            check_warmup(warmup, length)
            last = length - 1
            each = [_loss(law, schedule, last, warmup) for schedule in batch.schedules] if warmup else law.predict(batch, last)
            values["loss"] = np.asarray(each)
        for name, column in values.items():
            for k, value in zip(rows, column.tolist(), strict=True):
                found[name][k] = value
    return found


def _at_point(path: str, mapping: Mapping[str, Any], point: Mapping[str, Any]) -> Spec:
    """The spec with the values of a point of the grid."""
    changed = copy.deepcopy(dict(mapping))
    where = ", ".join(f"{key} = {value}" for key, value in point.items())
    for key, value in point.items():
        _put(changed, key, value)
    try:
        return parse(changed)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} with {where}: {error}") from None


def _put(table: Any, key: str, value: Any) -> None:
    """Set what a path such as ``sequence[1].peak`` names."""
    parts: list[Any] = [int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", key)]
    if not parts or re.sub(r"\[(\d+)\]", "", key).count("[") or re.search(r"\.\.|^\.|\.$", key):
        raise ValueError(f"--grid {key} must be a key of the spec, such as peak or sequence[1].stop")
    *way, last = parts
    try:
        for part in way:
            table = table[part]
        kind = type(table)
        if kind is list:
            table[last]  # must be there
        elif kind is not dict or type(last) is not str:
            raise KeyError(key)
        table[last] = value
    except (KeyError, IndexError, TypeError):
        raise ValueError(f"--grid {key}: the spec has no such key") from None


def run_steps(spec: Spec, path: str, told: int | None = None) -> int:
    """How many steps the run has: told, in the spec, or the schedule's length."""
    if told is not None:
        return told
    if spec.steps is not None:
        return spec.steps
    if spec.schedule.length is None:
        raise ValueError(f"{path}: the schedule is open-ended, so it needs --steps N")
    return max(1, math.ceil(spec.schedule.length))


def check_warmup(warmup: int, steps: int) -> None:
    if warmup >= steps:
        raise ValueError(f"--warmup must be < the number of steps ({steps:,}), got {warmup:,}")


# ---- words ----


def _range(start: int, stop: int) -> str:
    count = f", {pictures.grouped(stop - start)} of them" if start else ""
    return f"{pictures.grouped(start)} .. {pictures.grouped(stop)}{count}"


def _number(value: float) -> str:
    """All digits, since they are right."""
    return repr(float(value))


def _law(law: Any) -> str:
    return textwrap.fill(repr(law), 66)


def _cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
