"""spec - a schedule written down as TOML or JSON.

A spec is one table. What it schedules is one of

- `shape = "warmup_cosine"` beside that constructor's arguments, named as in Python
  (`warmup = "5%"` where it has a `total`);
- `sequence = [spec, spec, ...]`, with `at = [step, ...]` where parts are cut at given steps;
- `product = [spec, spec, ...]`;
- the canonical form, as `Schedule.to_dict()` gives it.

At any depth `apply = [{ scale = 0.5 }, { clip = [0.0, 1.0] }, ...]` changes that schedule, in
order, by `scale`, `divide`, `offset`, `clip` (`[low, high]`, an infinity or a JSON null for an open
side), `shift`, `cut`, `skip`, `stretch`, `repeat` (a count or `"forever"`) and `by_epoch`; and
`name = "..."` beside a primitive names its row in the phase table.

The whole spec may have a `title`, `steps` (how many steps a run has; a shape that takes `steps`
itself keeps the word) and a `unit` ("step" unless told, "token", ...: a word for print).
"""

import difflib
import inspect
import json
import math
import os
import reprlib
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, reduce
from operator import mul
from typing import Any, NamedTuple, NoReturn, cast

from . import builders, shapes
from .schedule import Schedule, sequence

__all__ = ["Spec", "load", "one_line", "parse", "read"]

_LAST_STOP = 2**63
_CANONICAL = tuple(shapes.constant(1.0).to_dict())

# How much of a value, and of a whole message, an error quotes, in characters.
_VALUE_WIDTH = 60
_MESSAGE_WIDTH = 400
_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxother, _SHORT.maxlong = 2, _VALUE_WIDTH, _VALUE_WIDTH


class Spec(NamedTuple):
    """A spec that has been read: the schedule, and what was said about the run.

    Parameters
    ----------
    schedule : Schedule
    steps : int or None
        How many steps a run has; None where the spec leaves that to the schedule's length.
    title : str or None
    unit : str
        What one step is called.
    """

    schedule: Schedule
    steps: int | None = None
    title: str | None = None
    unit: str = "step"


def load(path: str | os.PathLike[str]) -> Spec:
    """Read a spec from a file.

    Parameters
    ----------
    path : str or path
        A file that ends in `.toml` or `.json`; any other file is read as JSON where it begins with
        a brace, else as TOML.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError, TypeError
        The file is not UTF-8, not TOML or JSON, or not a spec: one line with the file, the key, the
        value and the rule.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "run.toml")
    ...     size = path.write_text('shape = "linear"\\nstart = 1\\nstop = 0\\nsteps = 4')
    ...     load(path).schedule.values(4)
    array([1.  , 0.75, 0.5 , 0.25])
    """
    mapping = read(path)
    try:
        return parse(mapping)
    except (ValueError, TypeError) as error:
        raise _same(error, f"{os.fsdecode(path)}: {error}") from None


def read(path: str | os.PathLike[str]) -> Mapping[str, Any]:
    """What a file says, before it is made a schedule; as `load`, errors included.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "run.toml")
    ...     size = path.write_text('shape = "constant"\\nvalue = 1')
    ...     read(path)
    {'shape': 'constant', 'value': 1}
    """
    name = os.fsdecode(path)
    with open(path, "rb") as file:
        data = file.read()
    try:
        return _table(_read(data, name), "")
    except (ValueError, TypeError) as error:
        raise _same(error, f"{name}: {error}") from None


def parse(mapping: Mapping[str, Any]) -> Spec:
    """Make a schedule of a spec that is already in memory.

    Parameters
    ----------
    mapping : mapping
        The spec, as `tomllib` or `json` give it.

    Raises
    ------
    ValueError, TypeError
        It is not a spec: one line with the key, the value and the rule.

    Examples
    --------
    >>> parse({"shape": "constant", "value": 0.1, "apply": [{"scale": 0.5}]}).schedule(3)
    0.05
    >>> parse({"shape": "cosin", "start": 1, "stop": 0, "steps": 9})
    Traceback (most recent call last):
        ...
    ValueError: shape: unknown shape "cosin", did you mean "cosine"?
    """
    table = dict(_table(mapping, ""))
    title = _string(table.pop("title"), "title") if "title" in table else None
    unit = _string(table.pop("unit"), "unit") if "unit" in table else "step"
    steps = None
    if "steps" in table and "steps" not in _own(table):
        steps = _count(table.pop("steps"), "steps")
    try:
        return Spec(_build(table, "", ("title", "steps", "unit")), steps, title, unit)
    except RecursionError:
        raise ValueError("the spec is nested too deeply") from None


# ---- text to tables ----


def _read(data: bytes, name: str) -> Any:
    """What a file's bytes say."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte = data[error.start]
        raise ValueError(f"not UTF-8 text, byte {error.start} is 0x{byte:02x}") from None
    if not text.strip():
        raise ValueError("the file is empty")
    suffix = os.path.splitext(name)[1].lower()
    is_json = suffix == ".json" or (suffix != ".toml" and text.lstrip().startswith("{"))
    try:
        if is_json:
            return json.loads(text, parse_float=_float, parse_constant=_constant, object_pairs_hook=_object)
        return tomllib.loads(text, parse_float=_float)
    except RecursionError:
        raise ValueError("the file is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"not {'JSON' if is_json else 'TOML'}: {error}") from None


def _float(text: str) -> float:
    """A float as written: TOML's own `inf` and `nan` are meant, an overflow to inf is not."""
    value = float(text)
    if math.isinf(value) and "inf" not in text:
        raise ValueError(f"{text} is beyond float64")
    return value


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for key, value in pairs:
        if key in table:
            raise ValueError(f"key {json.dumps(key)} is given twice")
        table[key] = value
    return table


# ---- tables to schedules ----


@cache
def _constructors() -> dict[str, Callable[..., Schedule]]:
    """Every primitive and builder by its name; their signatures say what a spec may hold."""
    return {
        name: getattr(module, name)
        for module in (shapes, builders)
        for name in module.__all__
        if inspect.isfunction(getattr(module, name))
    }


@cache
def _parameters(name: str) -> dict[str, bool]:
    """The parameters of a constructor: may each be left out?"""
    found = inspect.signature(_constructors()[name]).parameters.values()
    return {item.name: item.default is not item.empty for item in found}


def _own(table: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys that belong to what the table schedules."""
    if "shape" in table:
        name = table["shape"]
        known = isinstance(name, str) and name in _constructors()
        return ("shape", *(_parameters(name) if known else ()))
    if "sequence" in table:
        return ("sequence", "at")
    return ("product",) if "product" in table else _CANONICAL


def _build(table: Mapping[str, Any], path: str, beside: tuple[str, ...] = ()) -> Schedule:
    """The schedule of one table; `beside` are the further keys that this one might have had."""
    kinds = ("shape", "sequence", "product", "segments")
    found = [kind for kind in kinds if kind in table]
    if len(found) > 1:
        raise _error(_join(path, found[1]), f"cannot stand beside {found[0]}")
    if not found:
        for key in table:
            if _close(key, kinds):
                raise _unknown(_join(path, key), "key", key, kinds)
        raise _error(path, f"a spec needs one of {_listed(kinds)}")
    if found[0] == "shape":
        name = _string(table["shape"], _join(path, "shape"))
        if name not in _constructors():
            raise _unknown(_join(path, "shape"), f"shape {_quote(name)}", name, _constructors())
    own = (*_own(table), "apply", "name")
    for key in table:
        if key not in own:
            raise _unknown(_join(path, key), "key", key, (*own, *beside))
    made = _make(found[0], table, path)
    if "name" in table:
        label = _string(table["name"], _join(path, "name"))
        if table.get("shape") not in shapes.__all__:
            raise _error(_join(path, "name"), f"only a primitive can be named, got {_quote(label)}")
        made = made.named(label)
    changes = _array(table.get("apply", []), _join(path, "apply"))
    for index, change in enumerate(changes):
        made = _apply(made, change, f"{_join(path, 'apply')}[{index}]")
    return made


def _make(kind: str, table: Mapping[str, Any], path: str) -> Schedule:
    """What the table schedules, before `apply`."""
    if kind == "shape":
        name = table["shape"]
        given = {key: table[key] for key in _parameters(name) if key in table}
        for key, optional in _parameters(name).items():
            if not optional and key not in given:
                needed = [key for key, optional in _parameters(name).items() if not optional]
                raise _error(_join(path, key), f"missing, {name} needs {_listed(needed, 'and')}")
        return _call(path, _constructors()[name], **given)
    if kind == "sequence":
        at = _array(table["at"], _join(path, "at")) if "at" in table else None
        return _call(_join(path, kind), sequence, *_parts(table, path, kind), at=at)
    if kind == "product":
        return _call(_join(path, kind), reduce, mul, _parts(table, path, kind))
    return _call(path, Schedule.from_dict, {key: table[key] for key in _own(table) if key in table})


def _parts(table: Mapping[str, Any], path: str, key: str) -> list[Schedule]:
    parts = _array(table[key], _join(path, key))
    if not parts:
        raise _error(_join(path, key), "needs at least one part, got []")
    paths = [f"{_join(path, key)}[{index}]" for index in range(len(parts))]
    return [_build(_table(part, inside), inside) for part, inside in zip(parts, paths, strict=True)]


# ---- what `apply` does ----


def _clip(schedule: Schedule, limits: Any) -> Schedule:
    pair = cast("Sequence[Any]", limits) if isinstance(limits, list | tuple) else ()
    if len(pair) != 2:
        raise TypeError(f"must be [low, high], got {_quote(limits)}")
    low, high = pair
    return schedule.clip(None if low == -math.inf else low, None if high == math.inf else high)


def _repeat(schedule: Schedule, times: Any) -> Schedule:
    if times is None or (isinstance(times, str) and times != "forever"):
        raise ValueError(f'must be a count or "forever", got {_quote(times)}')
    return schedule.repeat(None if times == "forever" else times)


_CHANGES: dict[str, Callable[[Schedule, Any], Schedule]] = {
    "scale": lambda schedule, k: schedule * _number(k),
    "divide": lambda schedule, k: schedule / _number(k),
    "offset": lambda schedule, c: schedule + _number(c),
    "clip": _clip,
    "shift": lambda schedule, steps: schedule.shift(steps),
    "cut": lambda schedule, step: schedule.cut(step),
    "skip": lambda schedule, n: schedule.skip(n),
    "stretch": lambda schedule, total: schedule.stretch(total),
    "repeat": _repeat,
    "by_epoch": lambda schedule, steps: schedule.by_epoch(steps),
}


def _apply(schedule: Schedule, change: Any, path: str) -> Schedule:
    table = _table(change, path)
    if len(table) != 1:
        raise _error(path, f"must be one of {_listed(_CHANGES)}, got {_quote(change)}")
    [(key, value)] = table.items()
    if key not in _CHANGES:
        raise _unknown(_join(path, key), "key", key, _CHANGES)
    return _call(_join(path, key), _CHANGES[key], schedule, value)


# ---- single values ----


def _number(value: Any) -> float:
    # Python's operators answer a wrong type with the name of the operator, which nobody wrote.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"must be a number, got {_quote(value)}")
    return value


def _table(value: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _error(path, f"must be a table of keys, got {_quote(value)}", TypeError)
    table = cast("Mapping[str, Any]", value)
    for key in table:
        if not isinstance(cast("object", key), str):
            raise _error(path, f"keys must be strings, got {_quote(key)}", TypeError)
    return table


def _array(value: Any, path: str) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise _error(path, f"must be a list, got {_quote(value)}", TypeError)
    return cast("Sequence[Any]", value)


def _string(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise _error(path, f"must be a string, got {_quote(value)}", TypeError)
    return value


def _count(value: Any, path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _error(path, f"must be a whole number, got {_quote(value)}", TypeError)
    if not 1 <= value <= _LAST_STOP or value != int(value):
        raise _error(path, f"must be a whole number from 1 to 2**63, got {_quote(value)}")
    return int(value)


# ---- errors ----


def _call(path: str, make: Callable[..., Any], *arguments: Any, **named: Any) -> Schedule:
    """What `make` returns; where it refuses, the path goes in front of what it says."""
    try:
        return cast("Schedule", make(*arguments, **named))
    except (ValueError, TypeError) as error:
        raise _same(error, f"{path}: {error}" if path else str(error)) from None


def _unknown(path: str, what: str, name: str, known: Iterable[str]) -> Exception:
    hint = f", did you mean {_quote(close)}?" if (close := _close(name, known)) else ""
    return _error(path, f"unknown {what}{hint or f', known are {_listed(known)}'}")


def _close(name: str, known: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name, list(known), 1)), None)


def _error(path: str, text: str, kind: type[Exception] = ValueError) -> Exception:
    return kind(one_line(f"{path}: {text}" if path else text))


def _same(error: Exception, text: str) -> Exception:
    """An error of the same kind that says `text`."""
    return (TypeError if isinstance(error, TypeError) else ValueError)(one_line(text))


def _join(path: str, key: str) -> str:
    plain = key.isascii() and key.replace("-", "_").isidentifier()
    return f"{path}{'.' if path else ''}{key if plain else _quote(key)}"


def _listed(words: Iterable[str], last: str = "or") -> str:
    *others, final = words
    return f"{', '.join(others)} {last} {final}" if others else final


def _quote(value: Any) -> str:
    """A value in an error: as JSON writes the plain ones, and never long."""
    if isinstance(value, str):
        return _cut(json.dumps(value[:_VALUE_WIDTH], ensure_ascii=False), _VALUE_WIDTH)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return _cut(_SHORT.repr(value), _VALUE_WIDTH)


def one_line(text: str) -> str:
    """A message that is one line whatever it quotes: nothing unprintable, nothing endless."""
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return _cut(shown, _MESSAGE_WIDTH)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."
