"""_core - typed face of the compiled module."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Self, SupportsIndex, overload

import numpy as np
import numpy.typing as npt
from typing_extensions import Buffer, disjoint_base

class Shape(NamedTuple):
    id: int
    name: str
    kind: str
    ulp: float
    call: str
    formula: str

SHAPES: Final[tuple[Shape, ...]]
LEVELS: Final[tuple[str, ...]]
SEGMENT_BYTES: Final[int]
MAX_DEPTH: Final[int]

def runnable_levels() -> tuple[str, ...]: ...
def level() -> str: ...
def use_level(name: str | None) -> None: ...

@disjoint_base
class Table:
    def __new__(cls, rows: tuple[tuple[Any, ...], ...]) -> Self: ...
    @property
    def rows(self) -> tuple[tuple[Any, ...], ...]: ...
    @property
    def length(self) -> int | float | None: ...
    @property
    def depth(self) -> int: ...
    @overload
    def __call__(self, step: float | np.integer[Any] | np.floating[Any]) -> float: ...
    @overload
    def __call__(
        self, step: npt.NDArray[Any] | Sequence[SupportsIndex | Sequence[SupportsIndex | Sequence[SupportsIndex]]]
    ) -> npt.NDArray[np.float64]: ...
    def _evaluate(self, step: object) -> Any: ...
    def _fill_double(self, start: int, stride: int, out: npt.NDArray[Any]) -> None: ...
    def _fill_single(self, start: int, stride: int, out: npt.NDArray[Any]) -> None: ...
    def _gather(self, steps: npt.NDArray[np.int64], out: npt.NDArray[np.float64]) -> None: ...
    def _segment_bytes(self) -> Buffer: ...

@disjoint_base
class Stepper:
    _position: int
    _curve: Table | None
    _relative: bool
    _optimizer: Any
    def step(self) -> Any: ...

def scaled(lr: float, base: float, scale: float) -> float: ...
