"""targets - what must hold for any bytes that reach `Schedule.from_bytes` or the reader of specs."""

import struct
import zlib
from collections.abc import Callable

import numpy as np

import lrkernel as lrk
from lrkernel import spec

STEPS = (0, 1, 255, 256, 1000, 2**31, 2**53 + 1, 2**63 - 300, 2**63 - 1)
HEADER = struct.Struct("<8sHxxIIQI")
ROW = 100


def refused(error: Exception) -> None:
    """An error that a user may see: one line."""
    text = str(error)
    assert text, error
    assert text.isprintable(), text
    assert len(text) < 1000, text


def loses_digits(schedule: lrk.Schedule) -> bool:
    """Whether values may be far off near 0: those of a row that crosses it are relative to its ends."""
    rows = schedule.segments
    return bool((np.signbit(rows["start"]) != np.signbit(rows["stop"]))[rows["span"] > 2.0**30].any())


def check(schedule: lrk.Schedule) -> None:
    """What holds for every schedule, whoever wrote it."""
    for step in STEPS:
        count = min(20, 2**63 - step)
        values = schedule.values(step, step + count)
        assert [schedule(step + j).hex() for j in range(count)] == [value.hex() for value in values.tolist()], step
    data = schedule.to_bytes()
    again = lrk.Schedule.from_bytes(data)
    assert again == schedule
    assert again.to_bytes() == data
    assert lrk.Schedule.from_dict(schedule.to_dict()) == schedule
    assert eval(repr(schedule), {**vars(lrk), "inf": float("inf")}) == schedule
    assert hash(again) == hash(schedule)
    assert again.fingerprint == schedule.fingerprint
    values = schedule.values(1000)
    with np.errstate(over="ignore", invalid="ignore"):
        size, total = float(abs(values).sum()), float(values.sum())
    if size < 1e300 and not loses_digits(schedule):
        assert abs(schedule.sum(0, 1000) - total) <= 1e-9 * size + 1e-290
    assert schedule.end is None or schedule(schedule.end).hex() == schedule(2**63 - 1).hex()
    assert all(phase.start >= 0 for phase in schedule.phases())


def corrected(data: bytes) -> bytes:
    """With sizes that fit together and the right checksum: hardly a mutation leaves those."""
    _, _, root, rows, values, _ = HEADER.unpack_from(data)
    left = len(data) - HEADER.size - 4
    rows = min(rows, left // ROW)
    values = min(values, (left - ROW * rows) // 8)
    head = HEADER.pack(b"LRKTABLE", 1, root, rows, values, left - ROW * rows - 8 * values)
    body = head + data[HEADER.size : -4]
    return body + struct.pack("<I", zlib.crc32(body))


def from_bytes(data: bytes) -> None:
    for form in (data, corrected(data)) if len(data) >= HEADER.size + 4 else (data,):
        try:
            schedule = lrk.Schedule.from_bytes(form)
        except ValueError as error:
            refused(error)
        else:
            assert schedule.to_bytes() == form
            check(schedule)


def from_spec(data: bytes) -> None:
    for name in ("any.toml", "any.json"):
        try:
            read = spec.parse(spec._read(data, name))
        except (ValueError, TypeError) as error:
            refused(error)
        else:
            check(read.schedule)


TARGETS: dict[str, Callable[[bytes], None]] = {"bytes": from_bytes, "spec": from_spec}
