"""scheduler - a schedule, one integer and an optimizer: what a training loop steps, saves and resumes."""

import copyreg
from collections.abc import Mapping
from typing import Any, cast

from ._arguments import Number, at_least, duration, one_of, position, positive, scalar, shown, whole, whole_duration
from ._core import Stepper
from .builders import DECAYS
from .optimizer import apply, by_name, group_writes
from .plan import Difference, Live, Parts, Plan, differences, plan_of, planned
from .replay import Event, checked_events
from .schedule import NAME, Schedule

VERSION = 1
STATE = ("version", "step", "fingerprint", "schedule", "events")
POLICIES = ("config", "checkpoint", "strict")


class Scheduler(Stepper):
    """A schedule, the step that a run is at, and the optimizer that gets the value.

    Constructing it applies ``schedule(step)``. Every group of the optimizer gets ``schedule(t)`` times its ``"lr_scale"`` if it has
    one; with `relative`, its own base lr times ``schedule(t)``, then ``"lr_scale"``. The base is ``group["initial_lr"]``, written
    from the group's lr when first seen and so kept with the optimizer's own state. Groups are looked up at every step: one that is
    added later is scheduled too.

    A decision taken during the run (``hold``, ``resume``, ``extend``, ``start_decay``, ``reduce``) takes effect from the current
    step on, the step of the next update. It is an event in the state; ``to_schedule`` gives the plain schedule of the whole run.
    What goes on later is nested one level deeper there, and so is what is reduced: on a schedule of 15 or 16 levels, which are the
    most, such a decision is a ``ValueError`` and changes nothing.

    Parameters
    ----------
    schedule : Schedule or mapping
        A schedule of the learning rate; or hyperparameter (``"lr"``, ``"momentum"``, ``"weight_decay"``, ...) -> schedule, tuple of
        schedules (``"betas"``), ``Proportional``, or a mapping from group (its index, its ``"name"``, None for all others) to
        schedule or tuple.
    optimizer : object, optional
        See ``update_optimizer``. Held strongly; nothing is patched into it and it never refers back.
    step : int
        Where to begin.
    relative : bool
        Multiply each group's own base lr.
    steps_per_epoch : int or float, optional
        Read the schedule in epochs: ``schedule.by_epoch(steps_per_epoch)``.

    Raises
    ------
    ValueError, TypeError
        For other arguments, or an optimizer that lacks what is to be written; nothing is written then.

    Examples
    --------
    >>> import lrkernel as lrk, types
    >>> optimizer = types.SimpleNamespace(param_groups=[{"lr": 0.0}])
    >>> scheduler = lrk.Scheduler(lrk.warmup_linear(1.0, 2, 6), optimizer)
    >>> for step in range(3):
    ...     print(optimizer.param_groups[0]["lr"], scheduler.step())
    0.0 0.5
    0.5 1.0
    1.0 0.75
    """

    _live: Live
    _readable: frozenset[str] | None = None  # the shapes of rows that a subclass's methods can read; None: whatever there is
    _events: list[Event]

    def __init__(
        self,
        schedule: Schedule | Mapping[str, Any],
        optimizer: Any = None,
        *,
        step: Number = 0,
        relative: bool = False,
        steps_per_epoch: Number | None = None,
    ) -> None:
        plan = planned(schedule)
        if not isinstance(relative, bool):
            raise TypeError(f"relative must be True or False, got {shown(relative)}")
        if relative and optimizer is None:
            raise ValueError("optimizer must be given where the schedule is relative to its groups, got None")
        if steps_per_epoch is not None:
            plan = plan.by_epoch(steps_per_epoch)
        self._relative = relative
        self._optimizer = optimizer
        to = position("step", step)
        self._become(Live.after_all(plan, [], to), [], to)

    @staticmethod
    def _step_after(last_epoch: object, optimizer: Any, relative: bool) -> int:
        """Where torch's `last_epoch` goes on; the lr of a group is then no base any more."""
        done = whole("last_epoch", last_epoch, -1)
        for index, group in enumerate(getattr(optimizer, "param_groups", ()) if relative and done >= 0 else ()):
            if "initial_lr" not in group:
                raise ValueError(
                    f"optimizer.param_groups[{index}] must have 'initial_lr' where last_epoch >= 0, got last_epoch {done}"
                )
        return done + 1

    def _become(self, live: Live, events: list[Event], step: int) -> None:
        """Apply first: whatever is wrong shows before anything has changed."""
        self._apply(live, step)
        self._live, self._events, self._position = live, events, step
        self._shorten()

    def _apply(self, live: Live, step: int) -> Any:
        values = live.values(step)
        if self._optimizer is not None:
            apply(self._optimizer, values, self._relative)
        return values

    def _shorten(self) -> None:
        """Take the short way where there is one."""
        short = self._live.plan.lone and (self._optimizer is None or hasattr(self._optimizer, "param_groups"))
        self._curve = self._live.curves["lr"] if short else None

    # ---- position and values ----

    @property
    def optimizer(self) -> Any:
        """What the values are written to."""
        return self._optimizer

    @property
    def schedule(self) -> Any:
        """The schedule that the run began with, or the mapping of hyperparameters to theirs."""
        plan = self._live.plan
        return plan.shown(plan.parts)

    @property
    def current_step(self) -> int:
        """The step whose value is applied now: that of the next update."""
        return self._position

    def seek(self, step: Number) -> Any:
        """Go to a step, absolute, apply, and return its value.

        Raises
        ------
        ValueError, TypeError
            For a step outside 0 .. 2^63 - 1 or no whole number, or an optimizer that lacks what is to be written; nothing has
            changed then.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> scheduler = lrk.Scheduler(lrk.linear(1.0, 0.0, 4))
        >>> scheduler.seek(3), scheduler.seek(3)
        (0.25, 0.25)
        """
        to = position("step", step)
        live = self._live.holding(to)
        values = self._apply(live, to)
        self._position = to
        if live is not self._live:
            self._live = live
            self._shorten()
        return values

    def _lr_at(self, step: Number | None) -> Any:
        """The value at a step or the current one, the long way."""
        at = self._position if step is None else position("step", step)
        return self._live.holding(at).values(at)

    def get_last_lr(self) -> list[float]:
        """The learning rate of each parameter group at the current step; of an optimizer without groups, its only one.

        Where the learning rate is not scheduled, the one that each group has.

        Examples
        --------
        >>> import lrkernel as lrk, types
        >>> optimizer = types.SimpleNamespace(param_groups=[{"lr": 0.0}, {"lr": 0.0, "lr_scale": 0.1}])
        >>> lrk.Scheduler(lrk.constant(0.5), optimizer).get_last_lr()
        [0.5, 0.05]
        """
        values = by_name(self._live.values(self._position))
        if hasattr(self._optimizer, "param_groups"):
            groups = self._optimizer.param_groups
            writes = group_writes(groups, values, self._relative)
            if "lr" not in values:
                return [scalar(f"optimizer.param_groups[{index}]['lr']", group.get("lr")) for index, group in enumerate(groups)]
            return [value for _, name, value in writes if name == "lr"]
        lr = values.get("lr", {})
        return list(cast("Parts", lr).values()) if isinstance(lr, dict) else [lr]

    # ---- decisions ----

    def to_schedule(self) -> Any:
        """The run as a plain schedule, its decisions included; for several hyperparameters, a mapping of schedules.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> scheduler = lrk.Scheduler(lrk.wsd(peak=1.0, warmup=2, stable=None, decay=1), step=4)
        >>> scheduler.start_decay(4)
        1.0
        >>> scheduler.to_schedule().values(9)
        array([0.  , 0.5 , 1.  , 1.  , 1.  , 0.75, 0.5 , 0.25, 0.  ])
        """
        whole = self._live.holding(0)
        return whole.plan.shown(whole.curves)

    def hold(self) -> Any:
        """Let the clock of the schedule stand: the current value holds until ``resume``.

        Returns
        -------
        float or dict
            The value at the current step, as for all decisions.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> scheduler = lrk.Scheduler(lrk.linear(1.0, 0.0, 4), step=2)
        >>> scheduler.hold(), scheduler.step(), scheduler.step(), scheduler.resume(), scheduler.step()
        (0.5, 0.5, 0.5, 0.5, 0.25)
        """
        return self._decide("hold", None)

    def resume(self) -> Any:
        """Let the clock go on from where ``hold`` stopped it.

        Raises
        ------
        ValueError
            If it does not stand.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> scheduler = lrk.Scheduler(lrk.linear(1.0, 0.0, 4), step=1)
        >>> scheduler.hold(), scheduler.seek(9), scheduler.resume(), scheduler.step()
        (0.75, 0.75, 0.75, 0.5)
        """
        return self._decide("resume", None)

    def extend(self, steps: Number) -> Any:
        """Hold the current value for some steps more, then go on: a stable phase gets longer, all that follows comes later.

        Parameters
        ----------
        steps : int
            1 <= steps < 2^53.

        Raises
        ------
        ValueError, TypeError
            For other steps, or while ``hold`` lasts.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> scheduler = lrk.Scheduler(lrk.wsd(peak=1.0, warmup=0, stable=2, decay=2), step=1)
        >>> scheduler.extend(3)
        1.0
        >>> scheduler.to_schedule().values(8)
        array([1. , 1. , 1. , 1. , 1. , 1. , 0.5, 0. ])
        """
        return self._decide("extend", whole_duration("steps", steps))

    def start_decay(self, steps: Number, floor: Number = 0.0, shape: str = "linear") -> Any:
        """Decay from the current learning rate, which the current step keeps, whatever was to follow.

        ``floor + (lr - floor) f(u)``, u = (t - current step) / steps; f = 1 - u | (1 + cos(pi u)) / 2 | 1 - sqrt(u).

        Parameters
        ----------
        steps : int or float
            Steps of the decay, > 0.
        floor : float
            Its end, in [0, current value].
        shape : str
            "linear", "cosine" or "1-sqrt", see ``wsd``.

        Raises
        ------
        ValueError, TypeError
            For other arguments, for a decay that would end past step 2^63 - 1, or where the learning rate is not scheduled.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> scheduler = lrk.Scheduler(lrk.warmup_constant(1.0, 10), step=50)
        >>> scheduler.start_decay(4, floor=0.5), scheduler.step(), scheduler.step()
        (1.0, 0.875, 0.75)
        """
        known = one_of("shape", shape, DECAYS)
        how = {"steps": duration("steps", steps), "floor": at_least("floor", floor, 0.0), "shape": known}
        return self._decide("decay", how)

    def reduce(self, factor: Number) -> Any:
        """Multiply the learning rate by a factor > 0 from the current step on.

        Raises
        ------
        ValueError, TypeError
            For another factor, or where the learning rate is not scheduled.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> scheduler = lrk.Scheduler(lrk.linear(1.0, 0.0, 4))
        >>> scheduler.reduce(0.5), scheduler.step()
        (0.5, 0.375)
        """
        return self._decide("reduce", positive("factor", factor))

    def _decide(self, kind: str, value: object, step: int | None = None) -> Any:
        event = [self._position if step is None else step, kind, value]
        live = self._live.after(event, self._position)
        self._become(live, [*self._events, event], self._position)
        return Scheduler.get_lr(self)  # a subclass for torch has torch's

    # ---- state ----

    def state_dict(self) -> dict[str, Any]:
        """The state, JSON-safe: version, step, fingerprint, schedule (canonical form) and events ``[step, kind, value]``.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> state = lrk.Scheduler(lrk.linear(1.0, 0.0, 4), step=3).state_dict()
        >>> list(state), state["step"], state["events"]
        (['version', 'step', 'fingerprint', 'schedule', 'events'], 3, [])
        """
        return {
            "version": VERSION,
            "step": self._position,
            "fingerprint": self._live.plan.fingerprint(),
            "schedule": self._live.plan.form(),
            "events": checked_events(self._events),
            **self._more_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any], policy: str = "config") -> list[Difference]:
        """Take the position and the decisions of a state, and apply.

        Parameters
        ----------
        state : mapping
            Of ``state_dict``, here or in another process, from JSON or pickle. It is not changed.
        policy : str
            "config" keeps this object's schedule, "checkpoint" takes the state's, "strict" raises where they differ.

        Returns
        -------
        list of (name, mine, checkpoint)
            The fields in which the schedules differ; empty where none does.

        Raises
        ------
        ValueError, TypeError
            For another policy, a state of another version, with missing or unknown keys, or values that no state has; for
            differences where the policy is "strict". Nothing has changed then.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> state = lrk.Scheduler(lrk.linear(1.0, 0.0, 4), step=3).state_dict()
        >>> longer = lrk.Scheduler(lrk.linear(1.0, 0.0, 8))
        >>> longer.load_state_dict(state)
        [('segments[0].end', 8, 4), ('segments[1].begin', 8, 4)]
        >>> longer.get_lr()
        0.625
        """
        one_of("policy", policy, POLICIES)
        step, plan, events = self._read(state)
        more = self._read_more(state)
        mine = self._live.plan
        differing = list(differences(mine.form(), plan.form()))
        if policy == "strict" and differing:
            said = "; ".join(f"{name} is {shown(here)} here, {shown(there)} in the state" for name, here, there in differing)
            raise ValueError(f"state must be of the same schedule: {said}")
        if policy == "checkpoint":
            self._accept(plan)
        self._become(Live.after_all(plan if policy == "checkpoint" else mine, events, step), events, step)
        self.__dict__.update(more)
        return differing

    def _accept(self, plan: Plan) -> None:
        """Refuse a plan that the methods of a subclass cannot read."""
        shapes = {NAME[row[0]] for row in plan.parts["lr"].rows} if plan.lone else {"hyperparameters"}
        if self._readable is not None and not shapes <= self._readable:
            raise ValueError(f"state schedule must be one of a {type(self).__name__}, got {', '.join(sorted(shapes))}")

    def get_state(self) -> dict[str, Any]:
        """``state_dict`` by another name."""
        return self.state_dict()

    def load_state(self, state: Mapping[str, Any], policy: str = "config") -> list[Difference]:
        """``load_state_dict`` by another name."""
        return self.load_state_dict(state, policy)

    def _read(self, state: object) -> tuple[int, Plan, list[Event]]:
        """The parts of a state, checked."""
        if not isinstance(state, Mapping):
            raise TypeError(f"state must be a mapping, got {shown(state)}")
        if type(state.get("version")) is not int or state["version"] != VERSION:
            raise ValueError(f"state must be of version {VERSION}, got {shown(state.get('version'))}")
        keys = {*STATE, *self._more_state()}
        if set(state) != keys:
            missing, extra = sorted(keys - set(state)), sorted(map(str, set(state) - keys))
            raise ValueError(f"state must have the keys {', '.join(sorted(keys))}: {missing} are missing, {extra} unknown")
        plan = plan_of(state["schedule"])
        if plan.fingerprint() != state["fingerprint"]:
            raise ValueError(f"state fingerprint must be that of its schedule, got {shown(state['fingerprint'])}")
        return position("state step", state["step"]), plan, checked_events(state["events"])

    def _more_state(self) -> dict[str, Any]:
        """What a subclass keeps in its state besides."""
        return {}

    def _read_more(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """The attributes that this gives back, checked."""
        return {}

    def __getstate__(self) -> dict[str, Any]:
        compiled = {"_optimizer": self._optimizer, "_relative": self._relative, "_position": self._position}
        return {**self.__dict__, **compiled, "_live": self._live.plan}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
        self._live = Live.after_all(state["_live"], self._events, self._position)
        self._shorten()

    def __reduce__(self) -> tuple[Any, ...]:
        # Cython's own would go by the compiled attributes alone.
        return copyreg.__newobj__, (type(self),), self.__getstate__()  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at step {self._position} of {self.schedule!r}>"
