"""named - schedulers by the names and signatures of the systems that they come from; each is one table and a few methods.

All arguments are checked before anything is written: a bad value is a ValueError, a bad type a TypeError, by the argument's name.

The sources: mvillmow/ProjectOdyssey (step, cosine, warm-up, chained), IvanC987/SimpleLLaMA (warm-up and decay),
Koronos/Cosine-Plateau-Scheduler 0.2.0 (cosine with plateaus), kvnyu24/Nexus (WSD, cosine restarts). Where they leave something
open or differ, the classes say what holds here.
"""

import math
import warnings
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Self

from ._arguments import (
    Boundary,
    Duration,
    Number,
    at_least,
    boundary,
    duration,
    normal,
    one_of,
    position,
    positive,
    shown,
    whole,
    whole_duration,
)
from .builders import DECAYS, cosine_restarts, paused_cosine, period_and_growth, plateau_spans, ramp_and_end, wsd
from .plan import Difference, Live
from .replay import OF_THE_LR, Event, Run
from .schedule import HOLD, ID, Row, Schedule, sequence
from .scheduler import Scheduler
from .shapes import constant, cosine, geometric, linear, power_ramp, step


def _rates(high_name: str, high: object, low_name: str, low: object) -> tuple[float, float]:
    """A peak > 0 and what must lie in [0, peak]."""
    top, bottom = positive(high_name, high), at_least(low_name, low, 0.0)
    if bottom > top:
        raise ValueError(f"{low_name} must be <= {high_name}, got {low!r} > {high!r}")
    return top, bottom


def _end_of(schedule: Schedule) -> Boundary | None:
    """Where a schedule ends: its length, or of an open-ended one the step from which its value stays; None if it never does."""
    return schedule.end if schedule.length is None else schedule.length


def _on_the_clock(scheduler: Scheduler, step: Number | None) -> Boundary:
    """Where a step, by default the current one, is on the clock of the schedule, which decays and reductions do not change."""
    events = [event for event in scheduler._events if event[1] not in OF_THE_LR]
    return Run(scheduler.schedule, events).played(_step_of(scheduler, step)).clock


def _step_of(scheduler: Scheduler, step: Number | None) -> int:
    return scheduler.current_step if step is None else position("step", step)


def _row_at(schedule: Schedule, step: Boundary) -> tuple[int, Row]:
    """The row that a step belongs to, the last for what lies past the end, and its index."""
    rows = schedule.rows
    index = bisect_right(rows, step, key=lambda row: row[1]) - 1
    if rows[index][0] == HOLD:
        index -= 1
    return index, Row(*rows[index])


class _Named(Scheduler):
    """Of the learning rate alone."""

    _readable = frozenset(ID)


class StepScheduler(_Named):
    """A staircase: the learning rate times `gamma` every `step_size` steps.

    ``initial_lr gamma^floor(t / step_size)``; the drop comes at the step ``k step_size`` itself.

    Parameters
    ----------
    initial_lr, gamma : float
        > 0; in (0, 1]. (The sources disagree about 1, a constant.)
    step_size : int or float
        Steps, >= 1. (Some of the sources' code reads 0 as "no decay".)

    Examples
    --------
    >>> import lrkernel as lrk
    >>> lrk.StepScheduler(0.1, step_size=30).to_schedule()([0, 29, 30, 60])
    array([0.1  , 0.1  , 0.01 , 0.001])
    """

    def __init__(self, initial_lr: Number, step_size: Number, gamma: Number = 0.1, *, optimizer: Any = None) -> None:
        at_least("step_size", step_size, 1.0)
        if positive("gamma", gamma) > 1.0:
            raise ValueError(f"gamma must be <= 1, got {gamma!r}")
        super().__init__(step(positive("initial_lr", initial_lr), step_size, gamma), optimizer)


class CosineScheduler(_Named):
    """Half a cosine from `initial_lr` to `min_lr`.

    ``min_lr + (initial_lr - min_lr) (1 + cos(pi t / total_steps)) / 2``; from `total_steps` on `min_lr`, exactly. (The bare formula
    rises again there; the sources' code holds, and so does this.)

    Parameters
    ----------
    initial_lr, min_lr : float
        > 0; in [0, initial_lr].
    total_steps : int or float
        > 0.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> lrk.CosineScheduler(0.1, total_steps=100, min_lr=0.01).to_schedule()([0, 50, 100, 200])
    array([0.1  , 0.055, 0.01 , 0.01 ])
    """

    def __init__(self, initial_lr: Number, total_steps: Number, min_lr: Number = 0.0, *, optimizer: Any = None) -> None:
        top, low = _rates("initial_lr", initial_lr, "min_lr", min_lr)
        super().__init__(cosine(top, low, duration("total_steps", total_steps)), optimizer)


class WarmupStrategy(StrEnum):
    """How a warm-up rises from `init` to `target`, u = t / warmup_steps.

    ``LINEAR``: ``init + (target - init) u``; ``QUADRATIC``: ``init + (target - init) u^2``; ``GEOMETRIC``:
    ``init (target / init)^u``. ``EXPONENTIAL`` is another name of ``GEOMETRIC``, which is exponential in t; a source that calls
    ``u^2`` exponential means ``QUADRATIC``.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> lrk.WarmupStrategy.EXPONENTIAL
    <WarmupStrategy.GEOMETRIC: 'geometric'>
    """

    LINEAR = "linear"
    QUADRATIC = "quadratic"
    GEOMETRIC = "geometric"
    EXPONENTIAL = "geometric"


class WarmupScheduler(_Named):
    """A warm-up from `initial_lr` to `target_lr`, which holds from step `warmup_steps` on.

    Parameters
    ----------
    target_lr, initial_lr : float
        > 0; in [0, target_lr], in (0, target_lr) where geometric. By default from 0, where geometric from ``target_lr / 1000``.
    warmup_steps : int or float
        >= 0; 0 is no warm-up, the target from the first step on.
    strategy : WarmupStrategy or str
        "linear", "quadratic", "geometric" or "exponential" (geometric).

    Examples
    --------
    >>> import lrkernel as lrk
    >>> lrk.WarmupScheduler(1.0, 4).to_schedule().values(6)
    array([0.  , 0.25, 0.5 , 0.75, 1.  , 1.  ])
    >>> lrk.WarmupScheduler(1.0, 3, "geometric").to_schedule().values(4)
    array([0.001, 0.01 , 0.1  , 1.   ])
    """

    def __init__(
        self,
        target_lr: Number,
        warmup_steps: Number,
        strategy: str = "linear",
        initial_lr: Number | None = None,
        *,
        optimizer: Any = None,
    ) -> None:
        names = {name.lower(): way for name, way in WarmupStrategy.__members__.items()}
        way = names[one_of("strategy", strategy, names)]
        if initial_lr is None:
            initial_lr = positive("target_lr", target_lr) / 1000 if way is WarmupStrategy.GEOMETRIC else 0.0
        top, first = _rates("target_lr", target_lr, "initial_lr", initial_lr)
        if way is WarmupStrategy.GEOMETRIC and not 0.0 < first < top:
            raise ValueError(f"initial_lr must be > 0 and < target_lr for a geometric warm-up, got {initial_lr!r}, {target_lr!r}")
        steps = duration("warmup_steps", warmup_steps, zero=True)
        if steps == 0:
            curve = constant(top)
        elif way is WarmupStrategy.QUADRATIC:
            curve = power_ramp(first, top, steps, 2)
        else:
            curve = (geometric if way is WarmupStrategy.GEOMETRIC else linear)(first, top, steps)
        super().__init__(curve.named("warmup"), optimizer)

    @classmethod
    def from_epochs(
        cls,
        target_lr: Number,
        warmup_epochs: Number,
        steps_per_epoch: Number,
        strategy: str = "linear",
        initial_lr: Number | None = None,
        *,
        optimizer: Any = None,
    ) -> Self:
        """The same over `warmup_epochs` (>= 0) times `steps_per_epoch` (a whole number >= 1) steps.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.WarmupScheduler.from_epochs(1.0, warmup_epochs=2, steps_per_epoch=50).schedule.length
        100
        """
        epochs, each = duration("warmup_epochs", warmup_epochs, zero=True), whole("steps_per_epoch", steps_per_epoch, 1)
        return cls(target_lr, normal(epochs * each), strategy, initial_lr, optimizer=optimizer)

    def is_warmup_complete(self) -> bool:
        """Whether the current step has the target.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> scheduler = lrk.WarmupScheduler(1.0, 2)
        >>> scheduler.is_warmup_complete(), scheduler.seek(2), scheduler.is_warmup_complete()
        (False, 1.0, True)
        """
        end = _end_of(self.schedule)
        return end is not None and _on_the_clock(self, None) >= end


class ChainedScheduler(_Named):
    """A warm-up, then another schedule on its own clock: at the transition that is at its own step 0.

    (The source leaves open whether the second goes by the run's clock; relative to the transition nothing jumps. This is not
    torch's ``ChainedScheduler``, which multiplies.)

    Parameters
    ----------
    warmup, main_scheduler : Schedule or Scheduler
        Of a scheduler only the schedule counts, its decisions included; its optimizer and its position are ignored.
    transition_step : int or float, optional
        Where the second begins, >= 0. By default where the warm-up ends: its length, or the step from which its value stays.

    Raises
    ------
    ValueError, TypeError
        For a warm-up without an end where no `transition_step` is given, a scheduler of several hyperparameters, or one that is
        relative to the groups of its optimizer.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> scheduler = lrk.ChainedScheduler(lrk.WarmupScheduler(1.0, 2), lrk.CosineScheduler(1.0, 4))
    >>> scheduler.to_schedule() == lrk.linear(0.0, 1.0, 2).then(lrk.cosine(1.0, 0.0, 4))
    True
    """

    def __init__(
        self,
        warmup: Schedule | Scheduler,
        main_scheduler: Schedule | Scheduler,
        transition_step: Number | None = None,
        *,
        optimizer: Any = None,
    ) -> None:
        first, second = _curve_of("warmup", warmup), _curve_of("main_scheduler", main_scheduler)
        at = _end_of(first) if transition_step is None else boundary("transition_step", transition_step)
        if at is None:
            raise ValueError(f"transition_step must be given for a warm-up that never ends, got {shown(first)}")
        super().__init__(sequence(first, second, at=[at]), optimizer)


def _curve_of(name: str, given: object) -> Schedule:
    curve = given.to_schedule() if isinstance(given, Scheduler) else given
    if not isinstance(curve, Schedule):
        raise TypeError(f"{name} must be a schedule, or a scheduler of the learning rate alone, got {shown(given)}")
    if isinstance(given, Scheduler) and given._relative:
        raise ValueError(f"{name} must not be relative to the groups of its optimizer, got {shown(given)}")
    return curve


class WarmupDecayScheduler(_Named):
    """A warm-up from 0 and a decay, told the step by its caller: ``step(k)``, k = 1, 2, ..., before the k-th update.

    Linear up to `max_lr` at `warmup_steps`, then "cosine" or "linear" down to `min_lr` at `training_steps`, which include the
    warm-up. Step 0 of the ramp is read as its step 1, so that no update has lr 0. "constant" is `max_lr` all along, without a
    warm-up (see ``warmup_constant`` for one with).

    Nothing is written before the first ``step(k)`` or load; but for "constant", whose lr the constructor writes. Past
    `training_steps` the last value is written, with one warning. To resume, go on with the same absolute steps; a state can be
    loaded any number of times. (The source counts on from a saved number of calls, which a second load doubles, and writes nothing
    past the end.)

    Parameters
    ----------
    schedule : str
        "cosine", "linear" or "constant".
    training_steps, warmup_steps : int
        > 0; 0 <= warmup_steps <= training_steps.
    max_lr, min_lr : float
        0 < min_lr <= max_lr.

    Examples
    --------
    >>> import lrkernel as lrk, types
    >>> optimizer = types.SimpleNamespace(param_groups=[{"lr": 0.1}])
    >>> scheduler = lrk.WarmupDecayScheduler(optimizer, "linear", training_steps=6, warmup_steps=2, max_lr=1.0, min_lr=0.25)
    >>> scheduler.get_current_lr(), optimizer.param_groups[0]["lr"]
    (None, 0.1)
    >>> [scheduler.step(k) for k in (0, 1, 2, 4, 6)]
    [0.5, 0.5, 1.0, 0.625, 0.25]
    """

    def __init__(
        self, optimizer: Any, schedule: str, training_steps: Number, warmup_steps: Number, max_lr: Number, min_lr: Number
    ) -> None:
        kind = one_of("schedule", schedule, ("cosine", "linear", "constant"))
        total, ramp = whole("training_steps", training_steps), whole("warmup_steps", warmup_steps)
        ramp_and_end(ramp, total, "warmup_steps", "training_steps")
        top, low = _rates("max_lr", max_lr, "min_lr", positive("min_lr", min_lr))
        if kind == "constant":
            curve = constant(top, total)
        else:
            shape = {"cosine": cosine, "linear": linear}[kind]
            curve = shape(top, low, total - ramp).named("decay") if ramp < total else constant(low)
            if ramp > 0:
                up = linear(0.0, top, ramp)
                curve = sequence(up.clip(lo=up(1)).named("warmup"), curve)
        self._warned = False
        super().__init__(curve, optimizer if kind == "constant" else None)
        self._optimizer = optimizer
        self._begun = kind == "constant"
        self._shorten()

    def _become(self, live: Live, events: list[Event], step: int) -> None:
        super()._become(live, events, step)
        self._begun = True

    def seek(self, step: Number) -> Any:
        """Go to a step, absolute, apply, and return its value; the same as ``step(k)`` but for the warning."""
        lr = super().seek(step)
        self._begun = True
        return lr

    def step(self, current_step: Number | None = None) -> Any:
        """Apply an absolute step's learning rate, by default the next step's, and return it; past the end, warn once."""
        if current_step is None or (type(current_step) is int and current_step == self._position + 1):
            lr = super().step()  # as loops do; far shorter than seek
            self._begun = True
        else:
            lr = self.seek(current_step)
        if not self._warned:
            here = self._live.run.played(self._position)
            end = _end_of(here.source)
            if end is not None and here.clock > end and not here.held:
                self._warned = True
                end += self._position - here.clock
                warnings.warn(f"current_step {self._position} is past training_steps ({end}): the lr stays {lr!r}", stacklevel=2)
        return lr

    def get_current_lr(self) -> float | None:
        """The learning rate that was applied last; None before the first ``step(k)``."""
        return self.get_lr() if self._begun else None


class CosinePlateauScheduler(_Named):
    """Linear warm-up from 0, then a cosine that pauses on plateaus: ``cosine_plateau``.

    Each stretch between plateaus is a half cosine of its own, as in the source's code (its text has one cosine, paused). All groups
    share one curve. Unlike the source: overlapping plateaus and such that run past the end are errors, a given `base_lr` is the
    peak of the warm-up too, and plateaus that leave no time hold the peak.

    Parameters
    ----------
    total_steps, warmup_steps : int or float
        Steps in all, > 0, and those of the warm-up among them, >= 0, or its percentage such as "5%".
    base_lr : float, optional
        The peak of every group, >= 0. By default each group's own: its ``"initial_lr"``, or its lr when first seen.
    min_lr_ratio : float
        Last value as a fraction of the peak, in [0, 1].
    plateau_steps : sequence of (position, duration), optional
        In percent of the steps after the warm-up.
    last_epoch : int
        As torch's, >= -1: the constructor applies step ``last_epoch + 1``. From 0 on groups with their own peak must have
        ``"initial_lr"``, since their lr is that of the run so far.

    Examples
    --------
    >>> import lrkernel as lrk, types
    >>> optimizer = types.SimpleNamespace(param_groups=[{"lr": 1.0}, {"lr": 0.5}])
    >>> scheduler = lrk.CosinePlateauScheduler(optimizer, 100, min_lr_ratio=0.25, plateau_steps=[(50, 20)])
    >>> scheduler.get_last_lr(), scheduler.seek(100), scheduler.get_last_lr()
    ([1.0, 0.5], 0.25, [0.25, 0.125])
    """

    def __init__(
        self,
        optimizer: Any,
        total_steps: Number,
        base_lr: Number | None = None,
        min_lr_ratio: Number = 0.0,
        warmup_steps: Duration = 0,
        plateau_steps: Iterable[tuple[Number, Number]] | None = None,
        last_epoch: Number = -1,
    ) -> None:
        ramp, total = ramp_and_end(warmup_steps, total_steps, "warmup_steps", "total_steps")
        ratio = at_least("min_lr_ratio", min_lr_ratio, 0.0)
        if ratio > 1.0:
            raise ValueError(f"min_lr_ratio must be <= 1, got {min_lr_ratio!r}")
        peak = 1.0 if base_lr is None else at_least("base_lr", base_lr, 0.0)
        spans = plateau_spans("plateau_steps", () if plateau_steps is None else plateau_steps, normal(total - ramp))
        first = self._step_after(last_epoch, optimizer, base_lr is None)
        curve = paused_cosine(peak, total, ramp, spans, ratio)
        super().__init__(curve, optimizer, step=first, relative=base_lr is None)


class WSDScheduler(_Named):
    """Warm-up, stable, decay: ``wsd``, with the decisions that a run takes along the way.

    The warm-up starts at `min_lr`, the decay at the peak: ``min_lr + (peak_lr - min_lr) f(u)``, f = 1 - u | (1 + cos(pi u)) / 2 |
    1 - sqrt(u). All groups get the same value, times ``"lr_scale"``. Decisions are events of the state.

    Parameters
    ----------
    warmup_steps, decay_steps : int or float
        >= 0; > 0.
    stable_steps : int, float or None
        >= 0; None or inf: until ``initialize_decay_phase``.
    peak_lr, min_lr : float
        > 0; in [0, peak_lr].
    decay_type : str
        "linear", "cosine" or "1-sqrt" (also "sqrt"), which falls fastest at its start.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> scheduler = lrk.WSDScheduler(None, warmup_steps=2, stable_steps=None, decay_steps=4, peak_lr=1.0)
    >>> scheduler.seek(5), scheduler.get_phase()
    (1.0, 'stable')
    >>> scheduler.initialize_decay_phase(), scheduler.get_phase(), scheduler.step()
    (1.0, 'decay', 0.75)
    """

    def __init__(
        self,
        optimizer: Any,
        warmup_steps: Number,
        stable_steps: Number | None,
        decay_steps: Number,
        peak_lr: Number,
        min_lr: Number = 0.0,
        decay_type: str = "linear",
    ) -> None:
        top, low = _rates("peak_lr", peak_lr, "min_lr", min_lr)
        ramp, fall = duration("warmup_steps", warmup_steps, zero=True), duration("decay_steps", decay_steps)
        if stable_steps is not None and stable_steps != math.inf:
            stable_steps = duration("stable_steps", stable_steps, zero=True)
        shape = one_of("decay_type", decay_type, DECAYS)
        self._decay: dict[str, Any] = {"steps": fall, "floor": low, "shape": shape}
        super().__init__(wsd(top, ramp, stable_steps, fall, low, low, shape), optimizer)

    _readable = frozenset({"linear", "constant", "cosine", "power_ramp", "hold"})

    def get_phase(self, step: Number | None = None) -> str:
        """ "warmup", "stable" or "decay" (for ever after) at a step, by default the current one.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> scheduler = lrk.WSDScheduler(None, 10, 20, 5, peak_lr=1.0)
        >>> [scheduler.get_phase(step) for step in (0, 9, 10, 29, 30, 35, 36)]
        ['warmup', 'warmup', 'stable', 'stable', 'decay', 'decay', 'decay']
        """
        here = self._live.run.played(_step_of(self, step))
        index, row = _row_at(here.source, here.clock)
        if here.source.length is not None and index + 2 == len(here.source.rows):
            # a clock that stands at the decay's first step, or just before it, is still at the peak
            return "stable" if here.held and here.clock <= math.ceil(row.begin) else "decay"
        return "stable" if row.shape == ID["constant"] else "warmup"

    def extend_stable_phase(self, n: Number) -> Any:
        """Make the stable phase `n` >= 1 steps longer; all that follows comes later. In the warm-up this is known beforehand.

        Raises
        ------
        ValueError, TypeError
            For another `n`, in the decay, and while ``hold`` lasts.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> scheduler = lrk.WSDScheduler(None, 2, 1, 2, peak_lr=1.0)
        >>> scheduler.extend_stable_phase(2)
        0.0
        >>> scheduler.to_schedule().values(8)
        array([0. , 0.5, 1. , 1. , 1. , 1. , 0.5, 0. ])
        """
        steps, phase = whole_duration("n", n), self.get_phase()
        if phase == "decay":
            raise ValueError(f"extend_stable_phase must come before the decay, got step {self._position}, which is in it")
        if phase == "stable":
            return self.extend(steps)
        ramp: Boundary = self.schedule.rows[1][1]
        first = math.ceil(ramp)  # the step with the peak; where the warm-up ends between two it may be in the decay already
        value = steps if first == ramp else {"steps": steps, "clock": ramp}
        return self._decide("extend", value, self._live.run.reached(first))

    def initialize_decay_phase(self, decay_steps: Number | None = None) -> Any:
        """Start the decay at the current step, whose learning rate stays the peak; to `min_lr`, by `decay_type`.

        It takes `decay_steps` > 0, by default those of the constructor. Where the schedule came with a state (policy "checkpoint"),
        floor, shape and default are that schedule's; of one without an end the constructor's shape and steps.

        Raises
        ------
        ValueError, TypeError
            For other steps, and outside the stable phase.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> scheduler = lrk.WSDScheduler(None, 2, stable_steps=None, decay_steps=4, peak_lr=1.0)
        >>> scheduler.seek(7), scheduler.initialize_decay_phase(2), scheduler.step(), scheduler.step()
        (1.0, 1.0, 0.5, 0.0)
        """
        steps = self._decay["steps"] if decay_steps is None else duration("decay_steps", decay_steps)
        phase = self.get_phase()
        if phase != "stable":
            raise ValueError(f"initialize_decay_phase must come in the stable phase, got step {self._position}: {phase}")
        return self._decide("decay", {**self._decay, "steps": steps})

    def load_state_dict(self, state: Mapping[str, Any], policy: str = "config") -> list[Difference]:
        """Take the position and the decisions of a state, and apply; see ``Scheduler``."""
        differing = super().load_state_dict(state, policy)
        if policy == "checkpoint" and differing:
            rows = [Row(*row) for row in self.schedule.rows if row[0] != HOLD]
            shapes = {ID["linear"]: "linear", ID["cosine"]: "cosine", ID["power_ramp"]: "1-sqrt"}
            last = rows[-1]
            if last.end is not None and last.shape in shapes:
                self._decay = {"steps": normal(last.end - last.begin), "floor": last.stop, "shape": shapes[last.shape]}
            elif rows[0].shape == ID["linear"]:
                self._decay = {**self._decay, "floor": rows[0].start}
        return differing


class CosineRestartScheduler(_Named):
    """Half cosines from `peak_lr` down to `min_lr`, restarted for ever: ``cosine_restarts``.

    Cycle i has int(cycle_length cycle_mult^i) steps; the warm-up starts at `min_lr`. Within a cycle `min_lr` is approached and not
    reached: the next step is the restart. All groups get the same value, times ``"lr_scale"``.

    Parameters
    ----------
    peak_lr, min_lr : float
        > 0; in [0, peak_lr].
    cycle_length, warmup_steps : int or float
        Steps of the first cycle, >= 1, and of the warm-up before it, >= 0.
    cycle_mult : float
        1, or at least 1.01. (The source takes less, and comes to cycles of no steps.)

    Examples
    --------
    >>> import lrkernel as lrk
    >>> scheduler = lrk.CosineRestartScheduler(None, peak_lr=1.0, cycle_length=10, cycle_mult=2.0)
    >>> scheduler.to_schedule()([0, 5, 10, 20, 30])
    array([1. , 0.5, 1. , 0.5, 1. ])
    """

    def __init__(
        self,
        optimizer: Any,
        peak_lr: Number,
        min_lr: Number = 0.0,
        cycle_length: Number = 10000,
        cycle_mult: Number = 1.0,
        warmup_steps: Number = 0,
    ) -> None:
        top, low = _rates("peak_lr", peak_lr, "min_lr", min_lr)
        period, growth = period_and_growth(cycle_length, cycle_mult, "cycle_length", "cycle_mult")
        ramp = duration("warmup_steps", warmup_steps, zero=True)
        super().__init__(cosine_restarts(top, period, growth, low, ramp), optimizer)

    _readable = frozenset({"linear", "cosine", "repeat"})

    def get_cycle_info(self, step: Number | None = None) -> dict[str, int]:
        """The cycle at a step, by default the current one: ``cycle_idx``, ``step_in_cycle``, ``cycle_length``.

        The warm-up counts as step 0 of cycle 0.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.CosineRestartScheduler(None, 1.0, cycle_length=10, cycle_mult=2.0).get_cycle_info(35)
        {'cycle_idx': 2, 'step_in_cycle': 5, 'cycle_length': 40}
        """
        schedule = self.schedule
        clock, first = math.floor(_on_the_clock(self, step)), int(schedule.rows[0][0] == ID["linear"])
        index, row = _row_at(schedule, max(clock, math.ceil(schedule.rows[first][1])))
        since = max(clock - math.ceil(row.begin), 0)
        if row.end is None:
            cycle, since = divmod(since, int(row.every))
            return {"cycle_idx": cycle, "step_in_cycle": since, "cycle_length": int(row.every)}
        return {"cycle_idx": index - first, "step_in_cycle": since, "cycle_length": round(row.end - row.begin)}


__all__ = [
    "ChainedScheduler",
    "CosinePlateauScheduler",
    "CosineRestartScheduler",
    "CosineScheduler",
    "StepScheduler",
    "WSDScheduler",
    "WarmupDecayScheduler",
    "WarmupScheduler",
    "WarmupStrategy",
]
