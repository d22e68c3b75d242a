"""What a type checker knows of the public names; mypy and pyright check this file, both strict, and test_types.py runs it."""

from collections.abc import Callable, Iterator
from typing import Any, assert_type

import numpy as np
import numpy.typing as npt

import lrkernel as lrk


def schedules() -> None:
    made = lrk.warmup_cosine(peak=1e-3, warmup=10, total=100, floor=1e-5)
    assert_type(made, lrk.Schedule)
    assert_type(lrk.warmup_linear(1e-3, "2.5%", 1000), lrk.Schedule)
    assert_type(lrk.cosine_plateau(1e-3, 1000, warmup="5%"), lrk.Schedule)
    assert_type(lrk.linear(1, 0, 10), lrk.Schedule)
    assert_type(lrk.from_values(np.linspace(0.0, 1.0, 5)), lrk.Schedule)
    assert_type(lrk.multistep(0.1, [30, 60], gamma=0.1), lrk.Schedule)
    assert_type(lrk.cosine_plateau(1e-3, 1000, plateaus=[(50, 10)]), lrk.Schedule)
    assert_type(lrk.sequence(made, made, at=[50]), lrk.Schedule)
    assert_type(made.then(made).cut(50).skip(3).shift(3).stretch(100).repeat(2).by_epoch(7), lrk.Schedule)
    assert_type(2 * made * 0.5 + 1 - 0.5, lrk.Schedule)
    assert_type(-(made * made).clip(lo=0.0) / 3, lrk.Schedule)
    assert_type(lrk.Schedule.from_dict(made.to_dict()), lrk.Schedule)
    assert_type(lrk.Schedule.from_bytes(made.to_bytes()), lrk.Schedule)


def values() -> None:
    made = lrk.linear(1.0, 0.0, 10)
    assert_type(made(3), float)
    assert_type(made(np.int64(3)), float)
    assert_type(made([0, 5, 10]), npt.NDArray[np.float64])
    assert_type(made(range(10)), npt.NDArray[np.float64])
    assert_type(made(np.arange(10)), npt.NDArray[np.float64])
    assert_type(made([[0, 1], [2, 3]]), npt.NDArray[np.float64])
    assert_type(made.values(10), npt.NDArray[Any])
    assert_type(made.values(10, 0, -2, dtype=np.float32, threads=1), npt.NDArray[Any])
    assert_type(made.values(10, out=bytearray(80)), npt.NDArray[Any])


def batches() -> None:
    made = lrk.sweep(lrk.wsd, peak=[0.1, 0.2], warmup=10, stable=None, decay=[[5], [6]])
    assert_type(made, lrk.ScheduleBatch)
    assert_type(lrk.ScheduleBatch([lrk.constant(0.1), lrk.constant(0.2)]), lrk.ScheduleBatch)
    assert_type(made.shape, tuple[int, ...])
    assert_type(made.schedules, tuple[lrk.Schedule, ...])
    assert_type(made.values(10, dtype=np.float32, threads=2), npt.NDArray[Any])
    assert_type(made(3), npt.NDArray[np.float64])
    assert_type(made([3, 4]), npt.NDArray[np.float64])
    assert_type(len(made), int)
    assert_type(made.blocks(0, 10, 4), Iterator[npt.NDArray[Any]])
    assert_type(lrk.constant(0.1).blocks(0, 10, 4), Iterator[npt.NDArray[Any]])


def frameworks() -> None:
    assert_type(lrk.linear(1.0, 0.0, 10).to_jax(), Callable[[Any], Any])


def queries() -> None:
    made = lrk.linear(1.0, 0.0, 10)
    assert_type(made.length, int | float | None)
    assert_type(made.end, int | None)
    assert_type(made.fingerprint, str)
    assert_type(made.segments, npt.NDArray[Any])
    assert_type(made.to_dict(), dict[str, Any])
    assert_type(made.to_bytes(), bytes)
    assert_type(made.phases(), tuple[lrk.Phase, ...])
    phase = made.phases()[0]
    assert_type(phase.name, str)
    assert_type(phase.stop, int | float | None)
    assert_type(phase.first, float)
    assert_type(hash(made), int)


def module() -> None:
    assert_type(lrk.LEVELS, tuple[str, ...])
    assert_type(lrk.SHAPES[0].name, str)
    assert_type(lrk.SHAPES[0].ulp, float)
    assert_type(lrk.get_include(), str)
    lrk.use_level(None)


def named() -> None:
    assert_type(lrk.StepScheduler(0.1, 30).get_lr(), Any)
    assert_type(lrk.CosineScheduler(0.1, 100, optimizer=None).get_last_lr(), list[float])
    warmup = lrk.WarmupScheduler.from_epochs(0.1, 2, 50, lrk.WarmupStrategy.QUADRATIC)
    assert_type(warmup, lrk.WarmupScheduler)
    assert_type(warmup.is_warmup_complete(), bool)
    assert_type(lrk.ChainedScheduler(warmup, lrk.constant(0.1)).current_step, int)
    assert_type(lrk.WarmupDecayScheduler(None, "cosine", 100, 10, 1e-3, 1e-4).get_current_lr(), float | None)
    assert_type(lrk.CosinePlateauScheduler(None, 100, 0.1, plateau_steps=[(50, 10)]), lrk.CosinePlateauScheduler)
    assert_type(lrk.WSDScheduler(None, 10, None, 10, 0.1).get_phase(), str)
    assert_type(lrk.CosineRestartScheduler(None, 0.1).get_cycle_info(), dict[str, int])
