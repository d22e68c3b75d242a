"""plan - what a scheduler schedules: hyperparameters, groups, what follows another; how a state writes it, and where two differ.

Each hyperparameter has a part: a schedule, a tuple of them (betas), one of these for each group, or a `Proportional`.
"""

import operator
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property, partial
from typing import Any, NamedTuple, cast

from ._arguments import Number, real, shown
from .replay import OF_THE_LR, Event, Run
from .schedule import Schedule

Parts = dict[str, Any]
Runs = dict[tuple[bool, Schedule], Run]  # by whether it is the lr's; equal curves are one, to be evaluated once
Difference = tuple[str, Any, Any]


class Proportional(NamedTuple):
    """A hyperparameter that follows another one: `factor` times its value, decays and reductions included.

    Parameters
    ----------
    to : str
        The other's name.
    factor : float
        Any finite number.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> plan = {"lr": lrk.linear(1.0, 0.0, 4), "weight_decay": lrk.Proportional("lr", 0.5)}
    >>> lrk.Scheduler(plan).step()
    {'lr': 0.75, 'weight_decay': 0.375}
    """

    to: str
    factor: float


def mapped(part: Any, change: Callable[[Any], Any]) -> Any:
    """The same part with each schedule in it changed."""
    if isinstance(part, dict):
        return {key: mapped(inner, change) for key, inner in cast("Parts", part).items()}
    if isinstance(part, Schedule | Proportional):
        return change(part)
    return tuple(mapped(inner, change) for inner in part)


class Plan(NamedTuple):
    """What a user gave to schedule: parts by hyperparameter, or one schedule, which is the learning rate's."""

    parts: Parts
    lone: bool

    def shown(self, parts: Parts) -> Any:
        """These parts in the form of the plan that the user gave; a mapping is for the user to change."""
        if self.lone:
            return parts["lr"]
        return {name: dict(part) if isinstance(part, dict) else part for name, part in parts.items()}

    def by_epoch(self, steps_per_epoch: Number) -> "Plan":
        """The plan of epochs read in steps."""

        def change(schedule: Any) -> Any:
            return schedule if isinstance(schedule, Proportional) else schedule.by_epoch(steps_per_epoch)

        return self._replace(parts={name: mapped(part, change) for name, part in self.parts.items()})

    def form(self) -> dict[str, Any]:
        """JSON-safe: a schedule's canonical form, or one for every hyperparameter."""
        if self.lone:
            return cast("Schedule", self.parts["lr"]).to_dict()
        return {"hyperparameters": {name: _part_form(part) for name, part in self.parts.items()}}

    def fingerprint(self) -> str:
        """SHA-256 of the form: of a lone schedule, its own fingerprint."""
        from .canonical import fingerprint  # a file of 400 lines that a training loop may never need

        return fingerprint(self.form())


def planned(schedule: object) -> Plan:
    """The plan that a user gave, checked."""
    if isinstance(schedule, Schedule):
        return Plan({"lr": schedule}, lone=True)
    if not isinstance(schedule, Mapping):
        raise TypeError(f"schedule must be a schedule or a mapping of hyperparameters to schedules, got {shown(schedule)}")
    if not schedule:
        raise ValueError("schedule must name a hyperparameter, got an empty mapping")
    parts: Parts = {}
    for name, part in schedule.items():
        if not isinstance(name, str):
            raise TypeError(f"schedule must have names of hyperparameters as keys, got {shown(name)}")
        parts[name] = _part(f"schedule[{name!r}]", part)
    for name, part in parts.items():
        if isinstance(part, Proportional) and isinstance(parts.get(part.to), Proportional | None):
            raise ValueError(f"schedule[{name!r}] must follow a hyperparameter with a schedule, got {part.to!r}")
    return Plan(parts, lone=False)


def _part(path: str, part: Any) -> Any:
    if isinstance(part, Proportional):
        if not isinstance(part.to, str):
            raise TypeError(f"{path}.to must be the name of a hyperparameter, got {shown(part.to)}")
        return Proportional(part.to, real(f"{path}.factor", part.factor))
    if isinstance(part, Mapping):
        found: dict[int | str | None, Any] = {}
        for key, inner in part.items():
            if key is not None and not isinstance(key, str) and (type(key) is not int or key < 0):
                raise TypeError(f"{path} must have indices and names of groups, or None, as keys, got {shown(key)}")
            found[key] = _one(f"{path}[{key!r}]", inner)
        if found:
            return found
    return _one(path, part)


def _one(path: str, part: Any) -> Any:
    """What a single group gets."""
    if isinstance(part, tuple) and part and not isinstance(part, Proportional):
        return tuple(_one(f"{path}[{k}]", inner) for k, inner in enumerate(part))
    if not isinstance(part, Schedule):
        raise TypeError(f"{path} must be a schedule, a tuple of them or one for each group, got {shown(part)}")
    return part


# ---- plans as runs play them ----


class Live:
    """A plan after its decisions: the curves that hold from a step on."""

    def __init__(self, plan: Plan, runs: Runs, since: int) -> None:
        self.plan, self.since, self._runs = plan, since, runs
        known = {key: run.ahead(since) for key, run in runs.items()}

        def curve(name: str, schedule: Any) -> Any:
            return schedule if isinstance(schedule, Proportional) else known[name == "lr", schedule]

        self.curves = {name: mapped(part, partial(curve, name)) for name, part in plan.parts.items()}
        for name, part in self.curves.items():
            if isinstance(part, Proportional):
                self.curves[name] = mapped(self.curves[part.to], partial(operator.mul, part.factor))

    @classmethod
    def after_all(cls, plan: Plan, events: list[Event], since: int) -> "Live":
        """The plan after these decisions; for steps from `since` on."""
        of_the_clock = [event for event in events if event[1] not in OF_THE_LR]
        if of_the_clock != events:
            _has_lr(plan)
        runs: Runs = {}
        for name, part in plan.parts.items():
            for schedule in _schedules(part):
                key = name == "lr", schedule
                runs[key] = runs.get(key) or Run(schedule, events if key[0] else of_the_clock)
        return cls(plan, runs, since)

    def after(self, event: Event, since: int) -> "Live":
        """The plan after a decision more."""
        lr_alone = event[1] in OF_THE_LR
        if lr_alone:
            _has_lr(self.plan)
        return Live(self.plan, {key: run.after(event) if key[0] or not lr_alone else run for key, run in self._runs.items()}, since)

    def holding(self, step: int) -> "Live":
        """The same with curves that hold at a step."""
        return self if step >= self.since else self._whole

    @cached_property
    def _whole(self) -> "Live":
        return Live(self.plan, self._runs, 0)

    @property
    def run(self) -> Run:
        """That of a plan of one schedule."""
        (run,) = self._runs.values()
        return run

    def values(self, step: int) -> Any:
        """The value at a step from `since` on, or those of the hyperparameters; each curve is evaluated once."""
        if self.plan.lone:
            return self.curves["lr"](step)
        known: dict[int, float] = {}

        def value(schedule: Schedule) -> float:
            key = id(schedule)
            if key not in known:
                known[key] = schedule(step)
            return known[key]

        return {name: mapped(part, value) for name, part in self.curves.items()}


def _schedules(part: Any) -> Iterator[Schedule]:
    found: list[Any] = []
    mapped(part, found.append)
    return (schedule for schedule in found if isinstance(schedule, Schedule))


def _has_lr(plan: Plan) -> None:
    if isinstance(plan.parts.get("lr"), Proportional | None):
        raise ValueError(f"schedule must have a schedule of 'lr' to decay or reduce, got {', '.join(map(repr, plan.parts))}")


# ---- plans as states write them ----


def _part_form(part: Any) -> Any:
    if isinstance(part, Proportional):
        return {"to": part.to, "factor": part.factor}
    if isinstance(part, Schedule):
        return part.to_dict()
    if isinstance(part, dict):
        return {"groups": [[key, _part_form(inner)] for key, inner in cast("Parts", part).items()]}
    return [_part_form(inner) for inner in part]


def plan_of(form: Any) -> Plan:
    if not isinstance(form, Mapping):
        raise TypeError(f"state schedule must be a mapping, got {shown(form)}")
    if set(form) != {"hyperparameters"}:
        return planned(Schedule.from_dict(form))
    parts: Any = form["hyperparameters"]
    if not isinstance(parts, Mapping):
        raise TypeError(f"state schedule must map hyperparameters to schedules, got {shown(parts)}")
    return planned({name: _part_from(part) for name, part in parts.items()})


def _part_from(form: Any) -> Any:
    if isinstance(form, list | tuple):
        return tuple(_part_from(inner) for inner in form)
    if isinstance(form, Mapping):
        known: Mapping[str, Any] = form
        if set(known) == {"to", "factor"}:
            return Proportional(known["to"], known["factor"])
        if set(known) == {"groups"}:
            return {key: _part_from(inner) for key, inner in _pairs(known["groups"])}
    return Schedule.from_dict(form)


def _pairs(groups: Any) -> list[Any]:
    if not isinstance(groups, list | tuple) or not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in groups):
        raise TypeError(f"state schedule must list the groups as [group, schedule], got {shown(groups)}")
    return list(groups)


def differences(mine: Any, theirs: Any, path: str = "") -> Iterator[Difference]:
    """The fields in which two forms differ, by name, with both values; None where one has no such field."""
    here, there = _fields(mine, path), _fields(theirs, path)
    if here is None or there is None:
        if mine != theirs:
            yield path, _readable(mine), _readable(theirs)
        return
    for name in {**here, **there}:
        yield from differences(here.get(name), there.get(name), name)


def _fields(form: Any, path: str) -> dict[str, Any] | None:
    """The fields of a form by their full names; None for a value."""
    if isinstance(form, Mapping):
        return {f"{path}.{key}" if path else str(key): value for key, value in form.items()}
    if isinstance(form, list | tuple):
        return {f"{path}[{index}]": value for index, value in enumerate(form)}
    return None


def _readable(value: Any) -> Any:
    """Hexadecimal floats as the floats, at any depth."""
    if isinstance(value, Mapping):
        return {key: _readable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_readable(inner) for inner in value]
    with suppress(ValueError, OverflowError):  # of names: "0xlayer"
        if isinstance(value, str) and float.fromhex(value).hex() == value:
            return float.fromhex(value)
    return value
