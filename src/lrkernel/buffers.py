"""buffers - memory that is no NumPy array as one, without a copy: the buffer protocol, DLPack."""

import math
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ._arguments import shown

# DLPack's device types whose memory the processor writes: its own, and host memory of CUDA and ROCm, CUDA's managed memory.
ON_CPU = (1, 3, 11, 13)


class DLPack(Protocol):
    """A tensor that shows its memory by DLPack."""

    def __dlpack__(self, *args: Any, **kwargs: Any) -> object: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...


def array_of(out: object, shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """The memory of `out` as an array; what is written to one is seen in the other. Plain bytes take that shape and type."""
    if isinstance(out, np.ndarray):
        return out
    try:
        view = memoryview(out)  # type: ignore[arg-type]
    except TypeError:
        if not hasattr(out, "__dlpack__"):
            raise TypeError(f"out must be an array, a buffer or a DLPack tensor, got {shown(out)}") from None
        return _tensor(out)
    except (BufferError, ValueError) as error:
        raise ValueError(f"out must show its memory, got {shown(out)}: {error}") from None
    if view.format == "B" and view.ndim == 1 and view.contiguous:
        if view.nbytes % dtype.itemsize:
            raise ValueError(f"out must hold whole values of {dtype.itemsize} bytes, got {view.nbytes} bytes")
        found = np.frombuffer(view, dtype)
        return found.reshape(shape) if found.size == math.prod(shape) else found
    if view.format.lstrip("@=<>!") not in ("d", "f"):  # of others NumPy may make a copy
        raise ValueError(f"out must have dtype float64 or float32, got a buffer of format {view.format!r}")
    return np.asarray(view)


def _tensor(out: Any) -> npt.NDArray[Any]:
    if getattr(out, "is_neg", bool)():  # torch's views whose values are those of the memory times -1; DLPack says nothing of it
        raise ValueError(f"out must show its memory as it is, got a tensor that is negated when read: {shown(out)}")
    try:
        kind, number = map(int, out.__dlpack_device__())
        found = np.from_dlpack(out) if kind in ON_CPU else None
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"out must be a tensor that shows its memory, got {shown(out)}: {error}") from None
    if found is None:
        raise ValueError(f"out must be in the memory of the CPU, got a tensor on DLPack's device ({kind}, {number})")
    if not found.flags.writeable and hasattr(out, "__array__"):  # NumPy before 2.1 takes every tensor as read-only
        try:
            same = np.asarray(out)
        except (RuntimeError, TypeError, ValueError):
            return found
        return same if same.ctypes.data == found.ctypes.data else found
    return found
