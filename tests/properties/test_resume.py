"""A run that is saved and resumed gives the bits of one that is not, and those of the plain schedule that its decisions make."""

import json
import pickle
import random
import re
import subprocess
import sys
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from properties.expressions import expressions, library
from ulp import bits as bits_of

import lrkernel as lrk

HORIZON = 200  # the walks stay below
NEVER = 5 * HORIZON  # as long as a hold lasts that nobody ends


def bits(values: float | list[float] | npt.NDArray[Any]) -> list[int]:
    """The zeros of what is held are stored without their sign."""
    return bits_of([float(value) + 0.0 for value in np.atleast_1d(values)])


class At(NamedTuple):
    """What one step of a run is: a step of a schedule, times a factor."""

    source: lrk.Schedule
    clock: int
    factor: float = 1.0
    held: bool = False

    def value(self) -> float:
        return self.source(self.clock) * self.factor


class Run:
    """A run step by step, the decisions applied to a list: what the pieces of the package must agree with."""

    def __init__(self, schedule: lrk.Schedule) -> None:
        self.steps = [At(schedule, t) for t in range(2 * HORIZON)]

    def decide(self, step: int, kind: str, value: Any) -> None:
        here, rest = self.steps[step], self.steps[step:]
        if kind == "hold":
            rest = [here._replace(held=True)] * NEVER + rest
        elif kind == "resume":
            assert here.held
            rest = rest[self.standing(step) :]
        elif kind == "extend":
            assert self.standing(step) < NEVER // 2
            rest = [here._replace(held=True)] * value + rest
        elif kind == "reduce":
            rest = [at._replace(factor=at.factor * value) for at in rest]
        else:
            decay = lrk.wsd(here.value(), 0, 0, value["steps"], value["floor"], decay_shape=value["shape"])
            rest = [At(decay, k) for k in range(len(rest))]
        self.steps[step:] = rest

    def standing(self, step: int) -> int:
        """For how many steps the clock stands."""
        return next(k for k, at in enumerate(self.steps[step:]) if not at.held)

    def values(self) -> list[float]:
        return [at.value() for at in self.steps[:HORIZON]]


Action = tuple[str, Any]

decays = st.fixed_dictionaries(
    {"steps": st.integers(1, 40), "floor": st.just(0.0), "shape": st.sampled_from(["linear", "cosine", "1-sqrt"])}
)
moves: st.SearchStrategy[Action] = st.tuples(st.just("step"), st.integers(1, 7)) | st.tuples(st.just("seek"), st.integers(0, 150))
decisions: st.SearchStrategy[Action] = st.one_of(
    st.tuples(st.just("hold"), st.none()),
    st.tuples(st.just("resume"), st.none()),
    st.tuples(st.just("extend"), st.integers(1, 20)),
    st.tuples(st.just("reduce"), st.sampled_from([0.5, 0.1, 0.3, 1.0, 2.5])),
    st.tuples(st.just("decay"), decays),
)
SAVES: dict[str, Callable[[Any], Any]] = {
    "json": lambda state: json.loads(json.dumps(state)),
    "pickle": lambda state: pickle.loads(pickle.dumps(state)),
}
walks = st.lists(st.tuples(moves | decisions, st.sampled_from([None, *SAVES])), max_size=14)


def act(scheduler: lrk.Scheduler, action: Action) -> Any:
    kind, value = action
    if kind == "step":
        return [scheduler.step() for _ in range(min(value, HORIZON - 1 - scheduler.current_step))]
    if kind == "seek":
        return scheduler.seek(value)
    if kind == "decay":
        return scheduler.start_decay(**value)
    method = getattr(scheduler, kind)
    return method() if value is None else method(value)


def as_of(events: list[Any]) -> bool:
    """Whether no schedule begins later than it would: boundaries that are not whole are then rounded elsewhere."""
    return all(step > 0 for step, _, _ in events)


def refused(run: Run, step: int, action: Action, message: str) -> None:
    """A decision that the package refuses is one that there is no run for."""
    kind, _ = action
    here = run.steps[step]
    if kind == "resume":
        assert not here.held
    elif kind == "extend":
        assert run.standing(step) >= NEVER // 2
    elif kind == "decay":
        assert here.value() <= 0.0, message
    else:
        assert "nesting depth" in message


def again(scheduler: lrk.Scheduler, schedule: lrk.Schedule, how: str) -> lrk.Scheduler:
    """In another object, by way of its state, loaded twice."""
    state = SAVES[how](scheduler.state_dict())
    kept = json.dumps(state)
    fresh = lrk.Scheduler(schedule, step=3)
    for _ in range(2):
        assert fresh.load_state_dict(state) == []
    assert json.dumps(state) == kept
    return fresh


@given(expressions, walks)
@settings(max_examples=300)
def test_saved_and_resumed_anywhere(expression: str, walk: list[tuple[Action, str | None]]) -> None:
    schedule = library(expression)
    whole, parts, run = lrk.Scheduler(schedule), lrk.Scheduler(schedule), Run(schedule)
    for action, save in walk:
        step = whole.current_step
        try:
            value = act(whole, action)
        except ValueError as error:
            refused(run, step, action, str(error))
            with pytest.raises(ValueError, match=f"^{re.escape(str(error))}$"):
                act(parts, action)
        else:
            if action[0] not in {"step", "seek"}:
                run.decide(step, *action)
            assert bits(value) == bits(act(parts, action))
        if save is not None:
            parts = again(parts, schedule, save)
        assert parts.state_dict() == whole.state_dict()
        assert bits(parts.get_lr()) == bits(whole.get_lr()) == bits(whole.to_schedule()(whole.current_step))
    want = bits(whole.to_schedule().values(HORIZON))
    if as_of(whole.state_dict()["events"]):
        assert bits(run.values()) == want
    assert bits([parts.seek(t) for t in range(HORIZON)]) == want
    assert bits([whole.seek(0), *(whole.step() for _ in range(HORIZON - 1))]) == want


@given(expressions, st.lists(st.tuples(st.sampled_from([0, 5, 10**6, 2**53 - 1, 2**53, 2**62, 2**63 - 2]), decisions), max_size=6))
@settings(max_examples=200)
def test_decisions_far_out(expression: str, made: list[tuple[int, Action]]) -> None:
    """What was before a decision stays, and a resumed run agrees, wherever the run is."""
    schedule = library(expression)
    scheduler = lrk.Scheduler(schedule)
    for step, action in made:
        scheduler.seek(step)
        before, value = scheduler.to_schedule(), scheduler.get_lr()
        try:
            now = act(scheduler, action)
        except ValueError:
            assert scheduler.to_schedule() == before
            continue
        if action[0] not in {"reduce", "resume"}:  # what was decided for later may come to be now
            assert bits(now) == bits(value)
        past = [t for t in (0, 1, 7, step // 2, step - 1) if 0 <= t < step]
        assert bits([before(t) for t in past]) == bits([scheduler.to_schedule()(t) for t in past])
        fresh = again(scheduler, schedule, "json")
        assert fresh.to_schedule() == scheduler.to_schedule()
        assert bits(fresh.step()) == bits(scheduler.step())
        assert bits(scheduler.get_lr()) == bits(scheduler.to_schedule()(scheduler.current_step))


@given(expressions, expressions, walks)
@settings(max_examples=150)
def test_the_decisions_on_another_schedule(expression: str, other: str, walk: list[tuple[Action, str | None]]) -> None:
    scheduler = lrk.Scheduler(library(expression))
    for action, _ in walk:
        try:
            act(scheduler, action)
        except ValueError:
            continue
    state = scheduler.state_dict()
    run, fresh = Run(library(other)), lrk.Scheduler(library(other), step=9)
    before = fresh.state_dict()
    try:
        differing = fresh.load_state_dict(state)
    except ValueError:
        assert fresh.state_dict() == before
        return
    for event in state["events"]:
        run.decide(*event)
    assert bits(fresh.get_lr()) == bits(fresh.to_schedule()(fresh.current_step))
    if as_of(state["events"]):
        assert bits(fresh.to_schedule().values(HORIZON)) == bits(run.values())
    assert (differing == []) == (library(expression) == library(other))
    fresh.load_state_dict(state, "checkpoint")
    assert fresh.state_dict() == state


@pytest.mark.parametrize("total", [50, 100, 5000])
def test_another_total(total: int) -> None:
    scheduler = lrk.Scheduler(lrk.warmup_cosine(1.0, 10, 100))
    scheduler.seek(40)
    scheduler.reduce(0.5)
    longer = lrk.Scheduler(lrk.warmup_cosine(1.0, 10, total))
    assert (longer.load_state_dict(scheduler.state_dict()) == []) == (total == 100)
    assert longer.current_step == 40
    assert bits(longer.get_lr()) == bits(lrk.warmup_cosine(1.0, 10, total)(40) * 0.5)
    assert bits(longer.seek(39)) == bits(lrk.warmup_cosine(1.0, 10, total)(39))


@given(expressions, walks, st.integers(0, 13))
@settings(max_examples=60)
def test_groups_that_come_later(expression: str, walk: list[tuple[Action, str | None]], late: int) -> None:
    schedule = library(expression)

    def made(groups: list[dict[str, float]]) -> lrk.Scheduler:
        return lrk.Scheduler(schedule, types.SimpleNamespace(param_groups=groups), relative=True)

    whole = made([{"lr": 0.3}, {"lr": 0.7, "lr_scale": 0.25}])
    parts = made([{"lr": 0.3}, {"lr": 0.7, "lr_scale": 0.25}])
    for k, (action, save) in enumerate(walk):
        if k == late:
            for scheduler in (whole, parts):
                scheduler.optimizer.param_groups.append({"lr": 0.11})
        for scheduler in (whole, parts):
            try:
                act(scheduler, action)
            except ValueError:
                scheduler.seek(scheduler.current_step)
        if save is not None:  # the optimizer keeps its own state
            state = SAVES[save](parts.state_dict())
            parts = made(SAVES[save](parts.optimizer.param_groups))
            parts.load_state_dict(state)
        assert parts.optimizer.param_groups == whole.optimizer.param_groups
        assert parts.get_last_lr() == [group["lr"] for group in parts.optimizer.param_groups]


PROGRAM = """
import json, sys
import lrkernel as lrk
for text in sys.stdin:
    expression, state = json.loads(text)
    scheduler = lrk.Scheduler(eval(expression, vars(lrk).copy()))
    scheduler.load_state_dict(state)
    print(json.dumps([scheduler.get_lr().hex(), *(scheduler.step().hex() for _ in range(20))]))
"""
EXPRESSIONS = """
warmup_cosine(1.0, 10, 120, floor=0.1)
wsd(0.3, 5, 40, 60, decay_shape="1-sqrt")
cosine_restarts(1.0, 17, 1.5, warmup=3)
linear(1.0, 0.5, 33.3).repeat()
cosine_plateau(1.0, 150, 10, [(40, 20)], 0.1)
warmup_linear(1.0, 3, 20).by_epoch(7) * exponential(1.0, 0.99)
""".strip().splitlines()


def test_resumed_in_another_process() -> None:
    rng = random.Random(0)
    lines, want = [], []
    for expression in EXPRESSIONS * 8:
        scheduler = lrk.Scheduler(library(expression))
        for _ in range(rng.randrange(4)):
            scheduler.seek(scheduler.current_step + rng.randrange(1, 30))
            kind, value = rng.choice([("reduce", 0.7), ("hold", None), ("extend", 9), ("decay", {"steps": 12, "shape": "cosine"})])
            try:
                act(scheduler, (kind, value))
            except ValueError:
                continue
        scheduler.step()
        lines.append(json.dumps([expression, scheduler.state_dict()]))
        want.append([scheduler.get_lr().hex(), *(scheduler.step().hex() for _ in range(20))])
    assert len({event[1] for line in lines for event in json.loads(line)[1]["events"]}) == 4
    run = subprocess.run([sys.executable, "-c", PROGRAM], input="\n".join(lines), capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert [json.loads(line) for line in run.stdout.splitlines()] == want
