"""Results in the memory of others: buffers, raw bytes, tensors by DLPack, all without a copy; and what is refused."""

import array
import ctypes
import mmap
import re
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import torch

import lrkernel as lrk

CURVE = lrk.linear(1.0, 0.0, 4)
VALUES = [1.0, 0.75, 0.5, 0.25]


class Tensor:
    """DLPack and nothing else."""

    def __init__(self, shown: Any, device: tuple[int, int] | None = None):
        self.shown, self.device = shown, device

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self.shown.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device or self.shown.__dlpack_device__()

    def __repr__(self) -> str:
        return "Tensor()"


OUTS: list[tuple[str, Callable[[], tuple[Any, Callable[[], list[float]]]]]] = []


def out(make: Callable[[], tuple[Any, Callable[[], list[float]]]]) -> None:
    OUTS.append((make.__name__, make))


@out
def an_array() -> Any:
    made = array.array("d", [9.0] * 4)
    return made, made.tolist


@out
def an_array_of_floats() -> Any:
    made = array.array("f", [9.0] * 4)
    return made, made.tolist


@out
def every_other_item_of_a_memoryview() -> Any:
    made = array.array("d", [9.0] * 8)
    return memoryview(made)[::2], lambda: made[::2].tolist() if set(made[1::2]) == {9.0} else []


@out
def backwards() -> Any:
    made = array.array("f", [9.0] * 4)
    return memoryview(made)[::-1], lambda: made.tolist()[::-1]


@out
def bytes_that_hold_float64() -> Any:
    made = bytearray(b"\x7f" * 32)
    return made, lambda: np.frombuffer(made).tolist()


@out
def bytes_at_an_odd_place() -> Any:
    made = bytearray(b"\x7f" * 34)
    return memoryview(made)[1:33], lambda: np.frombuffer(made[1:33]).tolist() if made[0] == made[33] == 0x7F else []


@out
def a_map_of_memory() -> Any:
    made = mmap.mmap(-1, 32)
    return made, lambda: np.frombuffer(made[:]).tolist()


@out
def an_array_of_ctypes() -> Any:
    made = (ctypes.c_double * 4)()
    return made, lambda: list(made)


@out
def a_tensor() -> Any:
    made = torch.full((4,), 9.0, dtype=torch.float64)
    return made, made.tolist


@out
def a_tensor_of_float32() -> Any:
    made = torch.full((4,), 9.0)
    return made, made.tolist


@out
def a_column_of_a_tensor() -> Any:
    made = torch.full((4, 3), 9.0, dtype=torch.float64)
    return made[:, 1], lambda: made[:, 1].tolist() if (made[:, ::2] == 9.0).all() else []


@out
def the_tensor_of_a_parameter() -> Any:
    made = torch.nn.Parameter(torch.full((4,), 9.0))
    return made.detach(), made.tolist


@out
def dlpack_alone() -> Any:
    made = np.full(4, 9.0)
    return Tensor(made), made.tolist


@pytest.mark.parametrize(("name", "make"), OUTS, ids=[name for name, _ in OUTS])
def test_values_reach_the_memory(name: str, make: Callable[[], tuple[Any, Callable[[], list[float]]]]) -> None:
    given, seen = make()
    returned = CURVE.values(4, out=given)
    assert seen() == VALUES
    assert returned.tolist() == VALUES
    returned[...] = 5.0  # it shares the memory
    assert seen() == [5.0] * 4
    blocks = [block.tolist() for block in CURVE.blocks(0, 6, 4, out=given)]
    assert blocks == [VALUES, [0.0, 0.0]]
    assert seen() == [0.0, 0.0, 0.5, 0.25]


def test_bytes_hold_the_type_that_is_asked_for() -> None:
    made = bytearray(16)
    assert CURVE.values(4, dtype=np.float32, out=made).dtype == np.float32
    assert np.frombuffer(made, np.float32).tolist() == VALUES


def test_a_batch_fills_tensors_and_bytes() -> None:
    batch = lrk.ScheduleBatch([CURVE, CURVE * 2.0])
    wanted = batch.values(4)
    tensor = torch.zeros(4, 2, dtype=torch.float64)
    batch.values(4, out=tensor.T)
    assert tensor.T.tolist() == wanted.tolist()
    view = memoryview(bytearray(64))
    batch.values(4, out=view.cast("d", (2, 4)))
    assert np.frombuffer(view).reshape(2, 4).tolist() == wanted.tolist()
    rows = bytearray(64)
    batch.values(4, out=rows)
    assert np.frombuffer(rows).reshape(2, 4).tolist() == wanted.tolist()
    with pytest.raises(ValueError, match=re.escape("out must have shape (2, 4), got (7,)")):
        batch.values(4, out=bytearray(56))


class Hidden:
    def __dlpack__(self, **_: Any) -> Any:
        raise BufferError("not today")

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0

    def __repr__(self) -> str:
        return "Hidden()"


def released() -> memoryview:
    view = memoryview(bytearray(32))
    view.release()
    return view


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        (None, None, ""),
        ([0.0] * 4, TypeError, "out must be an array, a buffer or a DLPack tensor, got [0.0, 0.0, 0.0, 0.0]"),
        (5, TypeError, "out must be an array, a buffer or a DLPack tensor, got 5"),
        ("text", TypeError, "out must be an array, a buffer or a DLPack tensor, got 'text'"),
        (bytes(32), ValueError, "out must be writeable, got a read-only array"),
        (memoryview(bytearray(32)).toreadonly(), ValueError, "out must be writeable, got a read-only array"),
        (jnp.zeros(4), ValueError, "out must be writeable, got a read-only array"),
        (bytearray(31), ValueError, "out must hold whole values of 8 bytes, got 31 bytes"),
        (bytearray(24), ValueError, "out must have shape (4,), got (3,)"),
        (memoryview(bytearray(32))[::2], ValueError, "out must have dtype float64 or float32, got a buffer of format 'B'"),
        (array.array("d", [0.0] * 5), ValueError, "out must have shape (4,), got (5,)"),
        (array.array("q", [0] * 4), ValueError, "out must have dtype float64 or float32, got a buffer of format 'q'"),
        ((ctypes.c_double.__ctype_be__ * 4)(), ValueError, "out must have dtype float64 or float32, got >f8"),
        (released(), ValueError, "out must show its memory, got <released memory at 0x"),
        (torch.zeros(5), ValueError, "out must have shape (4,), got (5,)"),
        (torch.zeros(4, dtype=torch.int64), ValueError, "out must have dtype float64 or float32, got int64"),
        (torch.zeros(4, dtype=torch.float16), ValueError, "out must have dtype float64 or float32, got float16"),
        (torch.zeros(4, dtype=torch.bfloat16), ValueError, "out must be a tensor that shows its memory, got tensor("),
        (torch.zeros(1).expand(4), ValueError, "out must not overlap itself, got a stride of 0 bytes"),
        (
            torch.zeros(4)._neg_view(),
            ValueError,
            "out must show its memory as it is, got a tensor that is negated when read: tensor(",
        ),
        (torch.zeros(4, requires_grad=True), ValueError, "out must be a tensor that shows its memory, got tensor("),
        (torch.zeros(4).to_sparse(), ValueError, "out must be a tensor that shows its memory, got tensor("),
        (torch.zeros(4, device="meta"), ValueError, "out must be a tensor that shows its memory, got tensor("),
        (Tensor(np.zeros(4), (2, 3)), ValueError, "out must be in the memory of the CPU, got a tensor on DLPack's device (2, 3)"),
        (Hidden(), ValueError, "out must be a tensor that shows its memory, got Hidden(): not today"),
    ],
)
def test_what_is_refused(given: Any, error: type[Exception] | None, says: str) -> None:
    if error is None:
        assert CURVE.values(4, out=given).tolist() == VALUES
        return
    before = bytes(given) if isinstance(given, bytearray) else None
    for call in (lambda: CURVE.values(4, out=given), lambda: CURVE.blocks(0, 9, 4, out=given)):
        with pytest.raises(error, match=re.escape(says)) as caught:
            call()
        assert "\n" not in str(caught.value)
    assert before is None or bytes(given) == before


def test_tensors_before_numpy_2_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """from_dlpack gives read-only arrays there; what the tensor's own __array__ shows is the same memory."""
    read_only = np.from_dlpack

    def older(tensor: Any) -> Any:
        found = read_only(tensor)
        found.flags.writeable = False
        return found

    monkeypatch.setattr(np, "from_dlpack", older)
    tensor = torch.zeros(4, dtype=torch.float64)
    CURVE.values(4, out=tensor)
    assert tensor.tolist() == VALUES
    with pytest.raises(ValueError, match="out must be writeable"):
        CURVE.values(4, out=Tensor(np.zeros(4)))


# ---- the table itself ----


def test_segments_are_the_memory_of_the_table() -> None:
    schedule = lrk.wsd(peak=1.0, warmup=10, stable=80, decay=10)
    first, second = schedule.segments, schedule.segments
    assert np.shares_memory(first, second)
    assert first["shape"].tolist() == [schedule.rows[0][0], schedule.rows[1][0], schedule.rows[2][0], schedule.rows[3][0]]
    assert not first.flags.writeable
    with pytest.raises(ValueError, match="WRITEABLE"):
        first.flags.writeable = True
    with pytest.raises(ValueError, match="read-only"):
        first["start"] = 0.0
    face = schedule._segment_bytes()
    with pytest.raises(TypeError, match="not writable"):
        (ctypes.c_char * first.nbytes).from_buffer(face)


def test_segments_keep_the_table_alive() -> None:
    for _ in range(100):
        segments = (lrk.constant(0.5) * lrk.linear(1.0, 0.0, 10)).segments
        junk = [lrk.constant(0.25) * lrk.linear(2.0, 0.0, 10) for _ in range(20)]
        assert segments["start"].max() == 1.0
        del junk
