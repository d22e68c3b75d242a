"""canonical - what a schedule is, written down: its canonical form, its bytes, its expression, and the way back.

Whatever comes in from outside (a dict, bytes) is checked here once for what the constructors guarantee.
"""

import math
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from ._arguments import LARGEST_STEP, LONGEST, Boundary, boundary, normal, plus, real, shown
from ._core import SHAPES, broken_rule
from .custom import UNREGISTERED, key_of, name_of
from .schedule import (
    CONSTANT,
    CUSTOM,
    FIELDS,
    HOLD,
    ID,
    KIND,
    NAME,
    SPANNING,
    STORED,
    TIMES,
    Fields,
    Row,
    Schedule,
    check_label,
    frozen,
    jump,
)

FORMAT, VERSION = "lrkernel.schedule", 1
MAGIC = b"LRKTABLE"
NEUTRAL = {("scale", "k"): 1.0, ("divide", "k"): 1.0, ("offset", "c"): 0.0, ("repeat", "times"): 1.0}  # nodes that vanish
FARTHEST_WHOLE = 2**64 - 1  # of an end; what lies beyond is a float64


# ---- canonical form ----


def to_dict(schedule: Schedule, labels: bool) -> dict[str, Any]:
    return {"format": FORMAT, "version": VERSION, "segments": _rows_to_dicts(schedule, labels)}


def fingerprint(form: Mapping[str, Any]) -> str:
    """SHA-256 of a canonical form as JSON with sorted keys and no spaces."""
    import hashlib  # these two cost more to import than the rest of the package
    import json

    return hashlib.sha256(json.dumps(form, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def from_dict(d: Mapping[str, Any]) -> Schedule:
    if not isinstance(d, Mapping):
        raise TypeError(f"d must be a mapping, got {shown(d)}")
    _known_keys("d", d, required={"format", "version", "segments"})
    if d["format"] != FORMAT or type(d["version"]) is not int or d["version"] != VERSION:
        raise ValueError(
            f"d must be of format {FORMAT!r}, version {VERSION}, got {shown(d['format'])}, version {shown(d['version'])}"
        )
    return _rows_from_dicts(d["segments"], "segments")


def _rows_to_dicts(schedule: Schedule, labels: bool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for values in schedule.rows:
        row = Row(*values)
        name = NAME[row.shape]
        if name == "hold" and row.start is not None and _is_limit(schedule.rows, row.start):
            row = row._replace(start=None)
        segment: dict[str, Any] = {"begin": _time_out(row.begin), "shape": name}
        if row.end is not None:
            segment["end"] = _time_out(_end_in_core(row.end))
        for key, field in FIELDS[name].items():
            value = getattr(row, field)
            if value is not None and math.isfinite(value) and (key != "times" or value):
                segment[key] = _time_out(normal(value)) if key in TIMES else value.hex()
        if name == "hold" and row.start is not None:
            segment["value"] = row.start.hex()  # may be infinite
        if name == "custom":
            segment["name"] = name_of(row.param)
        if name == "values":
            segment["values"] = [float(value).hex() for value in row.children[0]]
        elif row.children:
            segment["of"] = [_rows_to_dicts(child, labels) for child in row.children]
        if labels and row.label is not None:
            segment["label"] = row.label
        found.append(segment)
    return found


def _is_limit(rows: Sequence[Fields], value: float) -> bool:
    """Whether a hold behind the other rows has that value anyhow, as the limit from the left."""
    return Schedule((*rows[:-1], Row(*rows[-1])._replace(start=None)))(LARGEST_STEP).hex() == value.hex()


def _end_in_core(end: Boundary) -> Boundary:
    """An end as the core has it: equal tables are of equal forms."""
    return end if end <= FARTHEST_WHOLE else FARTHEST_WHOLE + int(float(end - FARTHEST_WHOLE))


def _time_out(time: Boundary) -> int | str:
    return time if isinstance(time, int) else time.hex()


def _number_in(path: str, value: object) -> Boundary:
    """A number of the canonical form: an int or a float.hex string."""
    if type(value) is int:
        return value
    if type(value) is not str:
        raise TypeError(f"{path} must be an integer or a hexadecimal float, got {shown(value)}")
    try:
        if "0x" not in value and value not in ("inf", "-inf"):
            raise ValueError
        return float.fromhex(value)
    except (ValueError, OverflowError):
        raise ValueError(f"{path} must be an integer or a hexadecimal float, got {shown(value)}") from None


def _known_keys(path: str, d: Mapping[str, Any], required: set[str], optional: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    for key in d:
        if key not in required | optional:
            raise ValueError(f"{path} must not have the key {shown(key)}")
    for key in sorted(required - set(d)):
        raise ValueError(f"{path} must have the key {key!r}")


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple)


def _rows_from_dicts(segments: Any, path: str, depth: int = 0) -> Schedule:
    if not _is_list(segments) or not segments:
        raise TypeError(f"{path} must be a list of segments, got {shown(segments)}")
    if depth > 2 * len(SHAPES):
        raise ValueError(f"{path.partition('[')[0]} must not nest deeper than the tables of a schedule, got {depth} levels")
    rows: list[Row] = []
    for index, item in enumerate(segments):
        here = f"{path}[{index}]"
        if not isinstance(item, Mapping):
            raise TypeError(f"{here} must be a mapping, got {shown(item)}")
        segment = cast("Mapping[str, Any]", item)
        name = segment.get("shape")
        if not isinstance(name, str) or name not in FIELDS:
            raise ValueError(f"{here}.shape must be one of {', '.join(FIELDS)}, got {shown(name)}")
        optional = {"end", "label", "value"} if name == "hold" else {"end", "label"}
        optional |= {"lo", "hi"} if name == "clip" else {"times"} if name == "repeat" else set()
        needed = {"begin", "shape", *FIELDS[name]} - optional
        needed |= (
            {"values"} if name == "values" else {"name"} if name == "custom" else {"of"} if KIND[ID[name]] == "node" else set()
        )
        _known_keys(here, segment, needed, optional)
        fields: dict[str, Any] = {"shape": ID[name], "start": 0.0}
        if name == "hold":
            fields["start"] = None
        if name == "clip":
            fields.update(start=-math.inf, stop=math.inf)
        for key, field in FIELDS[name].items():
            if key in segment:
                number = _number_in(f"{here}.{key}", segment[key])
                # a hold may be inf: growth that passed float64
                fields[field] = float(number) + 0.0 if name == "hold" else real(f"{here}.{key}", number)
        if name == "constant":
            fields["stop"] = fields["start"]
        if name == "custom":
            fields["param"] = key_of(f"{here}.name", segment["name"])
        if name == "values":
            if not _is_list(segment["values"]):
                raise TypeError(f"{here}.values must be a list, got {shown(segment['values'])}")
            array = [real(f"{here}.values", _number_in(f"{here}.values", value)) for value in segment["values"]]
            fields["children"] = (frozen(array),)
        elif "of" in segment:
            wanted = 2 if name == "product" else 1
            if not _is_list(segment["of"]) or len(segment["of"]) != wanted:
                raise TypeError(f"{here}.of must be a list of {wanted}, got {shown(segment['of'])}")
            fields["children"] = tuple(
                _rows_from_dicts(child, f"{here}.of[{k}]", depth + 1) for k, child in enumerate(segment["of"])
            )
            if name == "repeat":
                fields["every"] = float(fields["children"][0].length or 0.0)
        label = segment.get("label")
        if label is not None:
            check_label(f"{here}.label", label)
        begin = boundary(f"{here}.begin", _number_in(f"{here}.begin", segment["begin"]))
        end = None
        if "end" in segment:
            end = normal(_number_in(f"{here}.end", segment["end"]))
        rows.append(Row(begin=normal(begin), end=end, label=label, **fields))
    return _ended(rows, path, depth)


def _ended(rows: list[Row], path: str, depth: int) -> Schedule:
    """The schedule of rows that came from outside; a hold has a value of its own only where the limit from the left is another."""
    held = rows[-1].start
    if rows[-1].shape != HOLD or held is None:
        return _checked(rows, path, depth)
    limited = _checked([*rows[:-1], rows[-1]._replace(start=None)], path, depth)
    if limited(LARGEST_STEP).hex() == held.hex():
        return limited
    return _checked([*rows[:-1], rows[-1]._replace(start=held + 0.0)], path, depth)


def _checked(rows: list[Row], path: str, depth: int) -> Schedule:
    """The schedule of rows that came from outside: what constructors guarantee is checked here."""
    if rows[0].begin != 0:
        raise ValueError(f"{path}[0].begin must be 0, got {rows[0].begin}")
    for index, row in enumerate(rows):
        here = f"{path}[{index}]"
        following = rows[index + 1].begin if index + 1 < len(rows) else None
        if row.shape == HOLD and (following is not None or index == 0):
            raise ValueError(f"{here} must be the last segment and not the first, as a hold")
        if following is not None and following <= row.begin:
            raise ValueError(f"{here}.begin must be < the next one, got {row.begin} and {following}")
        needs_end = KIND[row.shape] in SPANNING and row.shape not in (ID["exponential"], ID["inverse_sqrt"])
        has_end = needs_end or row.shape == ID["values"] or (KIND[row.shape] == "node" and _natural(row) is not None)
        if has_end != (row.end is not None):
            raise ValueError(f"{here}.end must {'' if has_end else 'not '}be given")
        if row.end is not None:
            if not math.isfinite(row.end) or row.end <= row.begin:
                raise ValueError(f"{here}.end must be finite and > begin, got {row.end}")
            # The last row of a sub-table may end where no step of its parent comes: growing cycles that were stretched shorter.
            last = (0 if depth else LARGEST_STEP) if following is None else following
            if needs_end and row.end < last:
                raise ValueError(f"{here}.end must not lie before the next segment's begin, got {row.end}")
        for key, field in FIELDS[NAME[row.shape]].items():
            if NEUTRAL.get((NAME[row.shape], key), math.nan) == getattr(row, field):
                raise ValueError(f"{here}.{key} must not be {getattr(row, field):g}, which changes nothing")
        if row.shape == ID["repeat"]:
            child = row.children[0]
            if child.length is None or float(child.length) != row.every or (row.param and row.param != int(row.param)):
                raise ValueError(f"{here}.of must be one schedule with a length that repeats a whole number of times")
        if row.shape == ID["skip"] and row.every > (row.children[0].length or math.inf):  # equal where stretching rounds
            raise ValueError(f"{here}.n must be <= the length ({row.children[0].length}), got {normal(row.every)}")
    return Schedule(tuple(rows))


def _natural(row: Row) -> Boundary | None:
    """How long a node is by itself."""
    if row.shape == ID["repeat"]:
        return normal(row.param * row.every) if row.param else None
    lengths: list[Boundary] = [child.length for child in row.children if child.length is not None]
    if len(lengths) < len(row.children):
        return None
    if row.shape == ID["epoch"]:
        return normal(math.ceil(lengths[0]) * normal(row.every))
    if row.shape == ID["skip"]:
        return normal(lengths[0] - normal(row.every))
    return max(lengths)


# ---- bytes ----

HEADER = struct.Struct("<8sHxxIIQI")  # magic, version, root rows, all rows, values, bytes of labels


def to_bytes(schedule: Schedule) -> bytes:
    labels = "\0".join([*_labels(schedule), *_names(schedule)]).encode()
    rows, values = schedule.lowered
    head = HEADER.pack(MAGIC, VERSION, len(schedule.rows), len(rows) // STORED.itemsize, len(values) // 8, len(labels))
    body = head + rows + values + labels
    return body + struct.pack("<I", zlib.crc32(body))


def _tables(schedule: Schedule) -> Iterator[Schedule]:
    """The schedule and its sub-tables in the order in which the core stores them."""
    yield schedule
    for row in schedule.rows:
        for child in row[7]:
            if isinstance(child, Schedule):
                yield from _tables(child)


def _labels(schedule: Schedule) -> Iterator[str]:
    for table in _tables(schedule):
        for row in table.rows:
            yield row[8] or ""


def _names(schedule: Schedule) -> Iterator[str]:
    """Those of shapes of your own, in the order of their rows, which hold but a key."""
    for table in _tables(schedule):
        yield from (name_of(row[5]) for row in table.rows if row[0] == CUSTOM)


def from_bytes(data: object) -> Schedule:
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"data must be bytes, got {shown(data)}")
    raw = bytes(cast("bytes", data))
    rule = broken_rule(raw)
    if rule and rule != UNREGISTERED:
        raise ValueError(f"data must be what to_bytes gives ({rule}), got {shown(raw)}")
    _, _, root, total, values, labels = HEADER.unpack_from(raw)
    stored = np.frombuffer(raw, STORED, total, HEADER.size)
    array = np.frombuffer(raw, "<f8", values, HEADER.size + stored.nbytes)
    try:
        names = raw[len(raw) - 4 - labels : -4].decode().split("\0")
    except UnicodeDecodeError:
        raise ValueError("data must hold labels in UTF-8, got other bytes") from None
    keys = stored["param"][stored["shape"] == CUSTOM].tolist()
    if len(names) != total + len(keys):
        raise ValueError(f"data must hold a label for each of its {total} rows and {len(keys)} names, got {len(names)}")
    if [key_of("shape", name) for name in names[total:]] != keys:
        raise ValueError(f"data must hold the names of its shapes, got {shown(names[total:])}")
    try:
        schedule = _Stored(stored, array, names).table(0, root)
    except TypeError as error:
        raise ValueError(f"data must describe a schedule: {error}") from None
    if schedule.lowered != (stored.tobytes(), array.tobytes()):
        raise ValueError("data must be what to_bytes writes, got rows in another form")
    return schedule


class _Stored(NamedTuple):
    """Stored rows, which break no rule of lrk_table_load: what they refer to is there, and in order."""

    rows: npt.NDArray[Any]
    values: npt.NDArray[np.float64]
    labels: list[str]

    def table(self, first: int, count: int, depth: int = 0) -> Schedule:
        rows = [self.row(index, depth) for index in range(first, first + count)]
        return _ended(rows, "rows", depth)

    def row(self, index: int, depth: int) -> Row:
        item = dict(zip(self.rows.dtype.names or (), self.rows[index].tolist(), strict=True))
        name = NAME[item["shape"]]
        places = list(zip(item["child"], item["count"], strict=True))
        children: tuple[Any, ...] = ()
        if name == "values":
            children = (frozen(self.values[places[0][0] :][: places[0][1]]),)
        elif KIND[item["shape"]] == "node":
            children = tuple(self.table(*place, depth + 1) for place in places[: 2 if name == "product" else 1])
        beside = {"repeat": ["every"], "custom": ["param"]}.get(name, [])
        fields = {field: item[field] for field in (*FIELDS[name].values(), *beside)}
        if name == "clip":
            fields = {field: value + 0.0 for field, value in fields.items()}
        elif name != "hold":
            fields = {field: real(field, value) for field, value in fields.items()}
        if name == "constant":
            fields["stop"] = fields["start"]
        end = None if item["end_part"] == math.inf else _join(item["end"], item["end_part"])
        begin = _join(item["begin"], item["begin_part"])
        return Row(item["shape"], begin, end, **{"start": 0.0, **fields}, children=children, label=self.labels[index] or None)


def _join(number: int, part: float) -> Boundary:
    return normal(number + part) if part < 1.0 and part else number + int(part)


WORTH_PACKING = 1 << 20  # bytes; above, tables are arrays, which pack slowly and badly


def packed(schedule: Schedule) -> tuple[Callable[[bytes], Schedule], tuple[bytes]]:
    """What pickle needs: a row is mostly zeros, 100 bytes that pack to 10."""
    data = to_bytes(schedule)
    return (unpacked, (zlib.compress(data),)) if len(data) <= WORTH_PACKING else (from_bytes, (data,))


def unpacked(data: bytes) -> Schedule:
    """What pickles call: its name and place are kept."""
    return from_bytes(zlib.decompress(data))


# ---- expressions ----


class _NoExpression(Exception):
    """No combination of constructors gives exactly these rows."""


def expression(schedule: Schedule) -> str:
    try:
        return _sequence_text(schedule)[0]
    except _NoExpression:
        return f"Schedule.from_dict({schedule.to_dict()!r})"


def _between(begin: Boundary, end: Boundary) -> Boundary:
    steps = normal(end - begin)
    if steps >= LONGEST or plus(begin, steps) != end:
        raise _NoExpression
    return steps


def _sequence_text(schedule: Schedule) -> tuple[str, bool]:
    """The expression, and whether it is an operator's (and so needs parentheses)."""
    rows = [Row(*values) for values in schedule.rows]
    length = schedule.length
    held = rows.pop().start if rows[-1].shape == HOLD else None
    texts: list[tuple[str, bool]] = []
    ends: list[Boundary | None] = []
    for row, stop in zip(rows, [*(row.begin for row in rows[1:]), length], strict=True):
        text, operator = _row_text(row, stop)
        texts.append((text, operator))
        ends.append(stop if row.shape == CONSTANT else row.end)
    stops = [*(row.begin for row in rows[1:]), length]
    if length is None and ends[-1] is not None:
        raise _NoExpression
    if any(end is not None and stop is not None and end < stop for end, stop in zip(ends, stops, strict=True)):
        raise _NoExpression  # joining parts would hold in a row of its own
    text, operator = texts[0]
    if len(texts) > 1:
        text, operator = ", ".join(text for text, _ in texts), False
        if ends[:-1] != stops[:-1]:
            text += f", at=[{', '.join(repr(stop) for stop in stops[:-1])}]"
        text = f"sequence({text})"
    past = jump(rows[-1]) if KIND[rows[-1].shape] == "node" and ends[-1] == length else None
    if held is not None and held != past:
        raise _NoExpression
    if ends[-1] != length or held != past:
        text, operator = f"{f'({text})' if operator else text}.cut({length!r})", False
    return text, operator


def _is_special(row: Row) -> bool:
    """Whether the constructor of the shape makes another one of these arguments."""
    name = NAME[row.shape]
    if name in ("polynomial", "power_ramp"):
        return row.param == 1.0
    crosses_zero = min(row.start or 0.0, row.stop) < 0.0 < max(row.start or 0.0, row.stop)
    return crosses_zero if name == "cosine" else name == "cosine_cycles" and row.param == 0.5 and not crosses_zero


def _row_text(row: Row, stop: Boundary | None) -> tuple[str, bool]:
    name = NAME[row.shape]
    if KIND[row.shape] == "node":
        natural = _natural(row)
        if natural is not None and plus(row.begin, natural) != row.end:
            raise _NoExpression
        inner, operator = _sequence_text(row.children[0])
        inner = f"({inner})" if operator else inner
        if name == "product":
            other, operator = _sequence_text(row.children[1])
            return f"{inner} * {f'({other})' if operator else other}", True
        if name in ("scale", "divide", "offset"):
            return f"{inner} {dict(scale='*', divide='/', offset='+')[name]} {row.stop!r}", True
        if name == "clip":
            sides = [value if value is not None and math.isfinite(value) else None for value in (row.start, row.stop)]
            return f"{inner}.clip({sides[0]!r}, {sides[1]!r})", False
        if name == "repeat":
            return f"{inner}.repeat({int(row.param) or ''})", False
        every = normal(row.every)
        if name == "skip":
            child = row.children[0]
            if not isinstance(every, int) or (natural is not None and natural <= 0):
                raise _NoExpression  # stretched
            if child.skip(every).rows[0][6] != every:
                raise _NoExpression  # a skip of a skip would become one
            return f"{inner}.skip({every})", False
        if not 1 <= every < LONGEST:
            raise _NoExpression  # stretched
        return f"{inner}.by_epoch({every!r})", False
    if _is_special(row):
        raise _NoExpression
    call, _, names = SHAPES[row.shape].call.rstrip(")").rpartition("(")
    if name == "custom":
        call = call.replace("name", f"name={name_of(row.param)!r}")
    end = stop if row.shape == CONSTANT else row.end
    given: list[str] = []
    for key in names.split(", "):
        if key == "steps":
            if end is not None:
                given.append(repr(_between(row.begin, end)))
        elif key == "array":
            given.append(repr(row.children[0].tolist()))
        else:
            value = getattr(row, FIELDS[name][key])
            if key in TIMES and value >= LONGEST:
                raise _NoExpression
            given.append(repr(normal(value) if key in TIMES else value))
    text = f"{call}({', '.join(given)})"
    if name == "values":
        total, size = _between(row.begin, row.end or 0), row.children[0].size
        if total / size != row.every:
            raise _NoExpression
        text += "" if total == size else f".stretch({total!r})"
    return text, False
