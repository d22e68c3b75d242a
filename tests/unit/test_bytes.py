"""The byte form: what its bytes are, and one error for every rule that bytes from elsewhere can break."""

import re
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lrkernel as lrk
from lrkernel.schedule import ID, STORED

HEADER = struct.Struct("<8sHxxIIQI")
TWO = lrk.linear(1.0, 0.0, 10).then(lrk.cosine(0.0, 1.0, 5.5))  # a hold behind them
ARRAYS = lrk.from_values([1.0, 2.0]) * lrk.from_values([3.0])
CLIPPED = lrk.linear(1.0, 0.0, 10).clip(0.0, 0.5)
TWICE = lrk.linear(1.0, 0.0, 10).repeat(2)


def assembled(root: int, rows: Any, values: bytes = b"", labels: bytes | None = None) -> bytes:
    """Bytes with the sizes and the checksum that the loader wants."""
    labels = b"\0" * (len(rows) - 1) if labels is None else labels
    body = HEADER.pack(b"LRKTABLE", 1, root, len(rows), len(values) // 8, len(labels)) + bytes(rows.tobytes()) + values + labels
    return body + struct.pack("<I", zlib.crc32(body))


def changed(schedule: lrk.Schedule, *changes: tuple[int, str, Any], root: int | None = None) -> bytes:
    """The bytes of a schedule with fields of stored rows changed."""
    rows, values = schedule.lowered
    stored = np.frombuffer(bytearray(rows), STORED)
    for row, field, value in changes:
        stored[field][row] = value
    return assembled(len(schedule.rows) if root is None else root, stored, values)


def nested(depth: int) -> bytes:
    """`depth` scales around a constant, none of which was built."""
    rows = np.zeros(depth + 1, STORED)
    rows["end_part"] = np.inf
    rows["shape"], rows["stop"] = ID["scale"], 2.0
    rows["child"][:, 0], rows["count"][:, 0] = np.arange(1, depth + 2), 1
    rows[depth] = np.zeros((), STORED)
    rows["shape"][depth], rows["end_part"][depth] = ID["constant"], np.inf
    return assembled(1, rows)


def test_the_bytes_of_a_constant() -> None:
    rows = struct.pack("<qdQd4d4qi", 0, 0.0, 0, np.inf, 0.5, 0.5, 0.0, 0.0, 0, 0, 0, 0, 0)
    head = b"LRKTABLE" + struct.pack("<HHIIQI", 1, 0, 1, 1, 0, 4)
    body = head + rows + b"lr 1"
    assert lrk.constant(0.5).named("lr 1").to_bytes() == body + struct.pack("<I", zlib.crc32(body))
    assert len(rows) == STORED.itemsize == 100
    assert len(head) == 32


def test_what_is_not_changed_comes_back() -> None:
    for schedule in (TWO, ARRAYS):
        assert changed(schedule) == schedule.to_bytes()
        assert lrk.Schedule.from_bytes(changed(schedule)) == schedule
    assert lrk._core.broken_rule(nested(16)) is None


GOOD = TWO.to_bytes()
RULES: list[tuple[Callable[[], bytes], str]] = [
    (lambda: b"", "magic must be LRKTABLE"),
    (lambda: b"LRKTABLe" + GOOD[8:], "magic must be LRKTABLE"),
    (lambda: GOOD[:35], "size must be at least that of a header and a checksum"),
    (lambda: GOOD[:8] + b"\2" + GOOD[9:], "version must be 1"),
    (lambda: GOOD[:10] + b"\1" + GOOD[11:], "version must be 1"),
    (lambda: GOOD[:-1], "size must be what the header says"),
    (lambda: GOOD + b"\0", "size must be what the header says"),
    (lambda: GOOD[:20] + struct.pack("<Q", 2**61) + GOOD[28:], "size must be what the header says"),
    (lambda: GOOD[:-1] + b"\0", "checksum must be that of the content"),
    (lambda: changed(ARRAYS, root=0), "rows must be referred to in the order in which they lie"),
    (lambda: changed(TWO, root=4), "rows must be referred to in the order in which they lie"),
    (lambda: changed(lrk.constant(1.0, 5).then(lrk.constant(2.0)), root=1), "every row and value must be referred to"),
    (
        lambda: assembled(1, np.frombuffer(lrk.constant(1.0).lowered[0], STORED), bytes(8)),
        "every row and value must be referred to",
    ),
    (lambda: changed(ARRAYS, (0, "child", (2, 2))), "rows must be referred to in the order in which they lie"),
    (lambda: changed(ARRAYS, (0, "child", (0, 4))), "rows must be referred to in the order in which they lie"),
    (lambda: changed(ARRAYS, (0, "count", (9, 2))), "rows must be referred to in the order in which they lie"),
    (lambda: changed(ARRAYS, (0, "count", (2**62, 2))), "rows must be referred to in the order in which they lie"),
    (lambda: changed(ARRAYS, (0, "count", (-1, 2))), "a node must have its sub-tables"),
    (lambda: changed(ARRAYS, (2, "child", (1, 0))), "values must be referred to in the order in which they lie"),
    (lambda: changed(ARRAYS, (2, "count", (4, 0))), "values must be referred to in the order in which they lie"),
    (lambda: changed(ARRAYS, (2, "count", (2**63 - 1, 0))), "values must be referred to in the order in which they lie"),
    (lambda: changed(ARRAYS, (4, "child", (0, 0))), "values must be referred to in the order in which they lie"),
    (lambda: changed(ARRAYS, (4, "count", (0, 0))), "array must have at least one value"),
    (lambda: nested(17), "tables must not nest deeper than 16 levels"),
    (lambda: changed(TWO, (0, "begin", 1)), "the first row must begin at 0"),
    (lambda: changed(TWO, (0, "begin_part", 0.5)), "the first row must begin at 0"),
    (lambda: changed(TWO, (1, "begin", 0)), "rows must begin one after the other"),
    (lambda: changed(TWO, (1, "begin", -1)), "rows must begin one after the other"),
    (lambda: changed(TWO, (2, "begin", 10), (2, "begin_part", 0.0)), "rows must begin one after the other"),
    (lambda: changed(TWO, (1, "begin_part", np.nan)), "a row must not end before the next one begins"),
    (lambda: changed(TWO, (2, "begin_part", 1.0)), "a row must not end before the next one begins"),
    (lambda: changed(TWO, (0, "end", 9)), "a row must not end before the next one begins"),
    (lambda: changed(TWO, root=1), "a row must not end before the next one begins"),
    (lambda: changed(TWO, (1, "end_part", 7.5)), "end must be a whole number and a part"),
    (lambda: changed(TWO, (2, "end", 99)), "end must be a whole number and a part"),
    (lambda: changed(TWO, (2, "end", 99), (2, "end_part", 0.0)), "a row must have an end where its shape has one"),
    (lambda: changed(TWO, (1, "end", 0), (1, "end_part", np.inf)), "steps must be > 0"),
    (lambda: changed(TWO, (0, "shape", ID["hold"])), "a hold must be the last row"),
    (lambda: changed(lrk.constant(1.0), (0, "shape", ID["hold"])), "a hold must not be the first row"),
    (lambda: changed(TWO, (0, "shape", -1)), "shape must be a known id"),
    (lambda: changed(TWO, (0, "shape", 10**6)), "shape must be a known id"),
    (lambda: changed(TWO, (0, "start", np.nan)), "values must be finite"),
    (lambda: changed(TWO, (2, "start", np.nan)), "values must be numbers"),
    (lambda: changed(TWO, (0, "end_part", np.nan)), "end must be >= begin"),
    (lambda: changed(CLIPPED, (0, "start", 0.7)), "lo must be <= hi"),
    (lambda: changed(CLIPPED, (0, "start", -np.inf), (0, "stop", np.inf)), "lo or hi must be finite"),
    (lambda: changed(CLIPPED, (0, "start", np.inf), (0, "stop", np.inf)), "lo or hi must be finite"),
    (lambda: changed(TWICE, (0, "param", 1e308)), "times must be >= 0, and their end finite"),
    (lambda: changed(TWICE, (0, "param", -2.0)), "times must be >= 0, and their end finite"),
    (lambda: assembled(4, *values_of(np.nan)), "values must be finite"),
    (lambda: assembled(4, *values_of(-np.inf)), "values must be finite"),
]


def values_of(value: float) -> tuple[Any, bytes]:
    rows, values = lrk.from_values([1.0, 2.0]).lowered
    return np.frombuffer(rows, STORED), values[:8] + struct.pack("<d", value)


@pytest.mark.parametrize(("make", "rule"), RULES, ids=[f"{k} {rule}" for k, (_, rule) in enumerate(RULES)])
def test_every_rule(make: Callable[[], bytes], rule: str) -> None:
    with pytest.raises(ValueError, match=f"{re.escape(rule)}.*data|data.*{re.escape(rule)}") as caught:
        lrk.Schedule.from_bytes(make())
    assert "\n" not in str(caught.value)


def test_what_the_loader_takes_and_a_schedule_is_not() -> None:
    """Safe to evaluate, but no form that to_bytes writes: only Python asks for that."""
    for data, says in [
        (changed(TWO, (0, "param", 1.0)), "data must be what to_bytes writes, got rows in another form"),
        (changed(CLIPPED, (0, "start", -0.0)), "data must be what to_bytes writes, got rows in another form"),
        (changed(CLIPPED, (1, "start", -0.0), (1, "stop", -0.0)), "data must be what to_bytes writes, got rows in another form"),
        (changed(CLIPPED * 2.0, (0, "stop", 1.0)), r"rows\[0\]\.k must not be 1, which changes nothing"),
        (changed(CLIPPED / 2.0, (0, "stop", 1.0)), r"rows\[0\]\.k must not be 1, which changes nothing"),
        (changed(CLIPPED + 2.0, (0, "stop", 0.0)), r"rows\[0\]\.c must not be 0, which changes nothing"),
        (changed(TWICE, (0, "param", 1.0)), r"rows\[0\]\.times must not be 1, which changes nothing"),
        (changed(lrk.linear(1.0, 0.0, 10).repeat(2), (0, "every", 9.0)), "data must describe a schedule|must be one schedule"),
        (assembled(3, np.frombuffer(TWO.lowered[0], STORED), labels=b"\xff\0\0"), "data must hold labels in UTF-8"),
        (
            assembled(3, np.frombuffer(TWO.lowered[0], STORED), labels=b"a\0b"),
            "data must hold a label for each of its 3 rows and 0 names, got 2",
        ),
    ]:
        assert lrk._core.broken_rule(data) is None
        with pytest.raises(ValueError, match=says):
            lrk.Schedule.from_bytes(data)


@pytest.mark.parametrize(
    ("schedule", "last"),
    [
        # ends past 2^64, of which the core has 53 digits: 20262775765094879976 was the exact one
        (
            lrk.cosine_restarts(1.0, 10, 3.0),
            {
                "begin": 6754258588364960488,
                "end": 20262775765094879999,
                "shape": "cosine",
                "start": "0x1.0000000000000p+0",
                "stop": "0x0.0p+0",
            },
        ),
        (lrk.linear(1.0, 0.0, 1000).cut(1e-12).stretch(2**40), {"begin": 2**40, "shape": "hold"}),
        # holds that have a value of their own, which is that of the limit from the left
        (lrk.linear(1.0, -0.5, 1).by_epoch(2) * 0.0, {"begin": 2, "shape": "hold"}),
        (
            lrk.constant(1.0, 5.1).then(lrk.linear(1.0, 0.5, 3).by_epoch(2.3) * lrk.linear(1.0, 0.2, 1.5)),
            {"begin": 12, "shape": "hold"},
        ),
        (
            lrk.Schedule.from_dict(
                {
                    **TWO.to_dict(),
                    "segments": [*TWO.to_dict()["segments"][:2], {"begin": (15.5).hex(), "shape": "hold", "value": "0x1p+0"}],
                }
            ),
            {"begin": (15.5).hex(), "shape": "hold"},
        ),
    ],
    ids=["restarts", "stretched", "epochs", "later epochs", "dict"],
)
def test_equal_schedules_are_of_one_form(schedule: lrk.Schedule, last: dict[str, object]) -> None:
    again = lrk.Schedule.from_bytes(schedule.to_bytes())
    assert (again, again.to_dict(), again.fingerprint) == (schedule, schedule.to_dict(), schedule.fingerprint)
    assert lrk.Schedule.from_dict(schedule.to_dict()).fingerprint == schedule.fingerprint
    assert schedule.to_dict()["segments"][-1] == last
    state = lrk.Scheduler(schedule, step=5).state_dict()
    assert lrk.Scheduler(again).load_state_dict(state, policy="strict") == []


def test_a_held_value_that_is_no_limit_is_kept() -> None:
    form = TWO.to_dict()
    form["segments"][-1]["value"] = "inf"
    schedule = lrk.Schedule.from_dict(form)
    assert schedule.to_dict() == form
    assert lrk.Schedule.from_bytes(schedule.to_bytes()).to_dict() == form
