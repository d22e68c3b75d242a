"""Scheduler, its decisions, states and optimizers; ReduceOnPlateau against torch's: values, and what is refused changes nothing."""

import ast
import copy
import inspect
import json
import math
import pickle
import re
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lrkernel as lrk
from lrkernel import optimizer as optimizer_module
from lrkernel import plan, plateau, replay, scheduler

NAN = math.nan
CURVE = lrk.warmup_linear(1.0, 2, 6)  # 0 0.5 1 0.75 0.5 0.25 0
TIMED = lrk.wsd(peak=1.0, warmup=2, stable=2, decay=2)  # 0 0.5 1 1 1 0.5 0


def groups(*lrs: float, **more: Any) -> Any:
    """An optimizer of the plainest kind."""
    return types.SimpleNamespace(param_groups=[{"lr": lr, **more} for lr in lrs or (0.1, 0.2)])


def values(scheduler: lrk.Scheduler, steps: int = 8) -> list[float]:
    made: list[float] = scheduler.to_schedule().values(steps).tolist()
    return made


# ---- position and values ----


def test_it_walks_along_the_schedule() -> None:
    optimizer = groups()
    made = lrk.Scheduler(CURVE, optimizer)
    assert made.optimizer is optimizer
    assert made.schedule == CURVE
    assert [group["lr"] for group in optimizer.param_groups] == [0.0, 0.0]
    assert [made.step() for _ in range(7)] == [0.5, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    assert (made.current_step, made.get_lr(), made.get_lr(2), made.get_last_lr()) == (7, 0.0, 1.0, [0.0, 0.0])
    assert (made.seek(3), made.seek(np.int64(3)), made.seek(3.0), made.current_step) == (0.75, 0.75, 0.75, 3)
    assert optimizer.param_groups == [{"lr": 0.75}, {"lr": 0.75}]


def test_it_begins_anywhere() -> None:
    assert lrk.Scheduler(CURVE, step=3).get_lr() == 0.75
    last = 2**63 - 1
    made = lrk.Scheduler(lrk.exponential(1.0, 0.5), step=last - 1)
    assert made.step() == 0.0
    with pytest.raises(ValueError, match=r"^step must be < 2\^63, got 9223372036854775808$"):
        made.step()
    assert made.current_step == last


def test_epochs() -> None:
    made = lrk.Scheduler(CURVE, steps_per_epoch=3)
    assert values(made, 9) == [0.0, 0.0, 0.0, 0.5, 0.5, 0.5, 1.0, 1.0, 1.0]
    both = lrk.Scheduler({"lr": CURVE, "decay": lrk.Proportional("lr", 2.0)}, steps_per_epoch=2)
    assert [both.step() for _ in range(2)] == [{"lr": 0.0, "decay": 0.0}, {"lr": 0.5, "decay": 1.0}]


def test_groups_bases_and_scales() -> None:
    optimizer = types.SimpleNamespace(param_groups=[{"lr": 0.1}, {"lr": 0.2, "lr_scale": 0.5}, {"lr": 7.0, "initial_lr": 0.4}])
    made = lrk.Scheduler(CURVE, optimizer, step=3, relative=True)
    assert made.get_last_lr() == [0.1 * 0.75, 0.2 * 0.75 * 0.5, 0.4 * 0.75]
    assert [group["lr"] for group in optimizer.param_groups] == made.get_last_lr()
    assert [group["initial_lr"] for group in optimizer.param_groups] == [0.1, 0.2, 0.4]
    optimizer.param_groups.append({"lr": 1.0})
    assert made.step() == 0.5
    assert [group["lr"] for group in optimizer.param_groups] == [0.05, 0.05, 0.2, 0.5]


def test_what_is_written_to() -> None:
    class Optimizer:
        lr: Any = None

        def set_lr(self, lr: float) -> None:
            self.lr = lr

    told: list[Any] = []
    one = Optimizer()
    for optimizer in (one, told.append):
        made = lrk.Scheduler(CURVE, optimizer, step=1)
        assert (made.step(), made.get_last_lr()) == (1.0, [1.0])
    assert (one.lr, told) == (1.0, [0.5, 1.0])
    lrk.Scheduler({"lr": CURVE}, told.append, step=3)
    assert told[-1] == {"lr": 0.75}


def test_several_hyperparameters() -> None:
    optimizer = types.SimpleNamespace(
        param_groups=[
            {"lr": 1.0, "betas": [0.0, 0.0], "weight_decay": 1.0, "momentum": 0.0},
            {"lr": 1.0, "betas": (0.0, 0.0), "weight_decay": 1.0, "momentum": 0.0, "name": "head", "lr_scale": 0.5},
            {"lr": 1.0, "betas": (0.0, 0.0), "weight_decay": 1.0, "momentum": 0.0, "name": "tail"},
        ]
    )
    made = lrk.Scheduler(
        {
            "lr": {0: CURVE, "head": lrk.constant(0.1), None: lrk.constant(0.3)},
            "betas": (lrk.linear(0.8, 0.9, 2), lrk.constant(0.99)),
            "weight_decay": lrk.Proportional("lr", 0.5),
            "momentum": lrk.linear(0.0, 1.0, 4),
        },
        optimizer,
        step=1,
    )
    made.step()
    made.reduce(0.5)
    made.hold()
    assert made.step()["momentum"] == 0.5
    found = [[group[name] for name in ("lr", "weight_decay", "betas", "momentum")] for group in optimizer.param_groups]
    assert found == [
        [0.5, 0.25, (0.9, 0.99), 0.5],
        [0.025, 0.025, (0.9, 0.99), 0.5],
        [0.15, 0.075, (0.9, 0.99), 0.5],
    ]
    assert made.get_last_lr() == [0.5, 0.025, 0.15]
    assert set(made.to_schedule()) == {"lr", "betas", "weight_decay", "momentum"}
    assert made.schedule["momentum"] == lrk.linear(0.0, 1.0, 4)


def test_the_lr_of_groups_where_it_is_not_scheduled() -> None:
    optimizer = groups(0.1, 0.2, momentum=0.9)
    made = lrk.Scheduler({"momentum": CURVE}, optimizer)
    assert made.get_last_lr() == [0.1, 0.2]
    del optimizer.param_groups[1]["lr"]
    with pytest.raises(TypeError, match=r"^optimizer\.param_groups\[1\]\['lr'\] must be a real number, got None$"):
        made.get_last_lr()


def test_update_optimizer() -> None:
    optimizer = groups(0.1, 0.2, betas=(0.1, 0.2))
    lrk.update_optimizer(optimizer, {"lr": 0.5, "betas": (0.8, 0.9)})
    assert optimizer.param_groups == [{"lr": 0.5, "betas": (0.8, 0.9)}] * 2
    tensor = torch.tensor(0.0)
    lrk.update_optimizer(groups(tensor), 0.25)  # type: ignore[arg-type]
    assert tensor.item() == 0.25


# ---- decisions ----


def test_hold_and_resume() -> None:
    made = lrk.Scheduler(TIMED, step=1)
    assert (made.hold(), made.step(), made.step(), made.resume(), made.step()) == (0.5, 0.5, 0.5, 0.5, 1.0)
    assert values(made, 10) == [0.0, 0.5, 0.5, 0.5, 1.0, 1.0, 1.0, 0.5, 0.0, 0.0]


def test_extend() -> None:
    made = lrk.Scheduler(TIMED, step=3)
    assert made.extend(2) == 1.0
    assert values(made, 9) == [0.0, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.0]
    assert made.extend(1) == 1.0
    assert values(made, 10) == [0.0, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.0]


def test_an_end_of_a_hold_in_an_extension() -> None:
    made = lrk.Scheduler(TIMED, step=1)
    made.extend(4)
    made.seek(2)
    made.hold()
    made.seek(4)
    assert made.resume() == 0.5
    assert values(made, 9) == [0.0, 0.5, 0.5, 0.5, 0.5, 1.0, 1.0, 1.0, 0.5]


def test_resume_where_a_later_decision_was_taken_in_the_hold() -> None:
    made = lrk.Scheduler(TIMED, step=1)
    made.hold()
    made.seek(5)
    made.hold()
    made.seek(3)
    made.resume()
    assert values(made, 8) == [0.0, 0.5, 0.5, 0.5, 1.0, 1.0, 1.0, 0.5]


def test_reduce() -> None:
    made = lrk.Scheduler(TIMED, step=2)
    assert (made.reduce(0.5), made.step(), made.reduce(0.5)) == (0.5, 0.5, 0.25)
    assert values(made, 7) == [0.0, 0.5, 0.5, 0.25, 0.25, 0.125, 0.0]


@pytest.mark.parametrize(
    ("shape", "want"),
    [
        ("linear", [1.0, 0.775, 0.55, 0.325, 0.1]),
        ("cosine", [1.0, 0.868198, 0.55, 0.231802, 0.1]),
        ("1-sqrt", [1.0, 0.55, 0.363604, 0.220577, 0.1]),
    ],
)
def test_start_decay(shape: str, want: list[float]) -> None:
    made = lrk.Scheduler(lrk.warmup_constant(1.0, 2), step=3)
    assert made.start_decay(4, floor=0.1, shape=shape) == 1.0
    assert values(made) == pytest.approx([0.0, 0.5, 1.0, *want], abs=1e-6)
    assert made.seek(7) == made.seek(1000) == 0.1


def test_phases_keep_their_names() -> None:
    made = lrk.Scheduler(TIMED, step=3)
    made.hold()
    assert [(phase.name, phase.start) for phase in made.to_schedule().phases()] == [("warmup", 0), ("stable", 2), ("stable", 3)]


def test_many_decisions() -> None:
    """Each costs what is to come and not what has been: no table grows, nor does the work."""
    made, curve = lrk.ReduceOnPlateau(lrk.warmup_cosine(1.0, 100, 10**6), factor=0.99, patience=0, eps=0.0), []
    made.observe(0.0)

    def lines(count: int) -> int:
        """How many lines of Python run for so many decisions."""
        found = 0

        def trace(*_: Any) -> Any:
            nonlocal found
            found += 1
            return trace

        sys.settrace(trace)
        try:
            for _ in range(count):
                made.seek(made.current_step + 100)
                made.observe(1.0)
        finally:
            sys.settrace(None)
        curve.append(made._curve)
        return found

    few = lines(20)
    for _ in range(900):
        made.seek(made.current_step + 100)
        assert made.observe(1.0)
    assert lines(20) < 1.2 * few
    assert [len(table.rows) for table in curve if table is not None] == [3, 3]
    whole = made.to_schedule()
    assert len(whole.phases()) == 941
    at = [0, 50, 100, 1999, 2000, 2001, 50_000, 94_000, 94_001, 10**6 - 1, 10**6]
    assert [made.get_lr(step) for step in at] == [made.seek(step) for step in reversed(at)][::-1] == whole(at).tolist()
    assert [made.seek(50_000), made.step(), made.step()] == whole.values(50_000, 50_003).tolist()
    assert pickle.loads(pickle.dumps(made)).to_schedule() == whole


def test_decisions_far_out() -> None:
    """`skip` does not reach beyond 2^53: what still changes there cannot be taken up again, what stays can."""
    flat, wave = lrk.Scheduler(lrk.warmup_constant(1.0, 10), step=2**53 + 5), lrk.Scheduler(lrk.linear(1.0, 0.0, 4).repeat())
    assert (flat.reduce(0.5), flat.step(), flat.extend(3), flat.hold()) == (0.5, 0.5, 0.5, 0.5)
    assert flat.to_schedule()([9, 10, 2**53 + 4, 2**53 + 5, 2**63 - 1]).tolist() == [0.9, 1.0, 1.0, 0.5, 0.5]
    wave.seek(2**53 + 1)
    assert (wave.hold(), wave.step(), wave.start_decay(3), wave.step()) == (0.75, 0.75, 0.75, 0.5)
    rising = lrk.Scheduler(lrk.linear(0.0, 1.0, 4).repeat(), step=2**60 + 1)
    assert (rising.get_lr(), rising.start_decay(2), rising.step(), rising.step()) == (0.25, 0.25, 0.125, 0.0)


# ---- states ----


def test_a_state() -> None:
    made = lrk.Scheduler(CURVE, step=3)
    made.start_decay(4)
    made.hold()
    state = made.state_dict()
    assert state == {
        "version": 1,
        "step": 3,
        "fingerprint": CURVE.fingerprint,
        "schedule": CURVE.to_dict(),
        "events": [[3, "decay", {"steps": 4, "floor": 0.0, "shape": "linear"}], [3, "hold", None]],
    }
    state["events"][0][2]["steps"] = 99
    state["events"].clear()
    assert made.get_state()["events"][0][2]["steps"] == 4


def test_policies() -> None:
    saved = lrk.Scheduler(CURVE, step=3)
    saved.reduce(0.5)
    state = saved.state_dict()
    made = lrk.Scheduler(lrk.warmup_linear(1.0, 2, 10))
    assert made.load_state(state) == [("segments[1].end", 10, 6), ("segments[2].begin", 10, 6)]
    assert (made.get_lr(), made.current_step) == (0.4375, 3)
    made.load_state_dict(state, policy="checkpoint")
    assert (made.get_lr(), made.schedule) == (0.375, CURVE)
    assert made.load_state_dict(state, policy="strict") == []


def test_differences_can_be_read() -> None:
    state = lrk.Scheduler({"lr": {"0xlayer": lrk.constant(1.0)}}).state_dict()
    made = lrk.Scheduler({"lr": {"0x1p9": lrk.constant(1.0)}})
    assert made.load_state_dict(state) == [("hyperparameters.lr.groups[0][0]", "0x1p9", "0xlayer")]
    shorter = lrk.Scheduler(lrk.constant(1.0))
    longer = lrk.Scheduler(lrk.constant(1.0, 5).then(lrk.constant(0.5)))
    assert shorter.load_state_dict(longer.state_dict()) == [("segments[1]", None, {"begin": 5, "shape": "constant", "value": 0.5})]


PLANS: list[Any] = [
    CURVE,
    {"lr": CURVE, "weight_decay": lrk.Proportional("lr", 0.1)},
    {"lr": {0: CURVE, "head": lrk.constant(1.0), None: lrk.linear(0.0, 1.0, 9)}, "betas": (lrk.constant(0.9), CURVE)},
    {"betas": {None: (lrk.constant(0.9), CURVE)}},
]


@pytest.mark.parametrize("plan", PLANS, ids=["one", "proportional", "groups", "without lr"])
def test_plans_go_through_states_pickles_and_copies(plan: Any) -> None:
    made = lrk.Scheduler(plan, step=2)
    made.extend(2)
    want = [made.get_lr(k) for k in range(20)]
    state = json.loads(json.dumps(made.state_dict()))
    fresh = lrk.Scheduler(plan)
    assert fresh.load_state_dict(state, "strict") == []
    other = lrk.Scheduler(lrk.constant(1.0))
    assert other.load_state_dict(state, "checkpoint") != []
    for again in (fresh, other, copy.deepcopy(made), pickle.loads(pickle.dumps(made)), copy.copy(made)):
        assert again.state_dict() == made.state_dict()
        assert [again.get_lr(k) for k in range(20)] == want
        assert repr(again) == repr(made)
    assert repr(made).startswith("<Scheduler at step 2 of ")


# ---- what is refused ----


class Bad(NamedTuple):
    call: Callable[[], object]
    error: type[Exception]
    message: str


def in_state(**changes: Any) -> Callable[[], object]:
    """Load the state of a scheduler at step 3, changed; what is set to ... goes."""
    state = {**lrk.Scheduler(CURVE, step=3).state_dict(), **changes}
    state = {key: value for key, value in state.items() if value is not ...}
    return lambda: TARGET.load_state_dict(state)


def with_event(*event: Any) -> Callable[[], object]:
    return in_state(events=[list(event)])


def form(parts: Any) -> dict[str, Any]:
    return {"hyperparameters": parts}


def observed(state: Any) -> Callable[[], object]:
    made = lrk.ReduceOnPlateau(CURVE)
    return lambda: made.load_state_dict({**made.state_dict(), "plateau": state})


def held(made: lrk.Scheduler) -> lrk.Scheduler:
    made.hold()
    return made


class Setter:
    def set_lr(self, lr: float) -> None:
        raise AssertionError

    def __repr__(self) -> str:
        return "setter"


SETTER = Setter()


# What must be as before after each: its own state, and its optimizer's.
TARGET = lrk.Scheduler(CURVE, groups(), step=1)
S = lrk.Scheduler
KEYS = "events, fingerprint, schedule, step, version"
SCHEDULE_OR = "must be a schedule, a tuple of them or one for each group, got"
PLATEAU_KEYS = "state plateau must have the keys best, bad and cooling, got"

BAD = [
    # replay
    Bad(TARGET.resume, ValueError, "resume must come after hold, got a schedule that is not held at step 1"),
    Bad(
        lambda: held(S(CURVE, step=4)).extend(1),
        ValueError,
        "extend must come while the clock runs, got a schedule that is held at step 4",
    ),
    Bad(
        lambda: held(lrk.WSDScheduler(None, 4, 5, 6, 1.0)).extend_stable_phase(2),  # type: ignore[attr-defined]
        ValueError,
        "the clock must come to step 4 of the schedule, got one that is held or decays before",
    ),
    Bad(
        lambda: S(lrk.exponential(1.0, 0.5), step=2**53 + 1).reduce(0.5),
        ValueError,
        "reduce must come before step 2^53 of a schedule that still changes, got step 9007199254740993",
    ),
    Bad(
        lambda: held(S(lrk.exponential(1.0, 0.5), step=2**53)).resume(),
        ValueError,
        "resume must come before step 2^53 of a schedule that still changes, got step 9007199254740992",
    ),
    Bad(with_event(3, "decay", None), ValueError, "decay must say its steps, floor and shape, got None"),
    Bad(with_event(3, "decay", {"steps": 3}), ValueError, "decay must say its steps, floor and shape, got {'steps': 3}"),
    Bad(
        with_event(2**63 - 4, "decay", {"steps": 5, "floor": 0.0, "shape": "linear"}),
        ValueError,
        "steps must end before step 2^63, got 5 from step 9223372036854775804 on",
    ),
    Bad(with_event(3, "extend", {"steps": 3}), ValueError, "extend must say its steps and clock, got {'steps': 3}"),
    Bad(with_event(3, "extend", {"steps": 3, "clock": 1.5}), ValueError, "clock must be in the step before 3, got 1.5"),
    Bad(with_event(3, "extend", {"steps": 3, "clock": NAN}), ValueError, "clock must be finite, got nan"),
    Bad(with_event(3, "extend", {"steps": 0, "clock": 2.5}), ValueError, "steps must be >= 1, got 0"),
    Bad(with_event(3, "hold", 3), ValueError, "hold and resume must have no value, got 3"),
    Bad(with_event(3, "extend", 0), ValueError, "steps must be >= 1, got 0"),
    Bad(with_event(3, "extend", None), TypeError, "steps must be an integer, got None"),
    Bad(with_event(3, "extend", 2**53), ValueError, "steps must be < 2^53, got 9007199254740992"),
    Bad(lambda: TARGET.extend(2**53), ValueError, "steps must be < 2^53, got 9007199254740992"),
    Bad(
        lambda: lrk.WSDScheduler(None, 1, 2, 3, 1.0).extend_stable_phase(2**53),
        ValueError,
        "n must be < 2^53, got 9007199254740992",
    ),
    Bad(in_state(events=[[3, "reduce", 1e300]] * 2), ValueError, "factor must be finite, got inf"),
    Bad(with_event(3, "reduce", NAN), ValueError, "factor must be finite, got nan"),
    Bad(with_event(3, "reduce", -1), ValueError, "factor must be > 0, got -1"),
    Bad(with_event(3, "resume", None), ValueError, "resume must come after hold, got a schedule that is not held at step 3"),
    Bad(in_state(events={}), TypeError, "events must be a list, got {}"),
    Bad(in_state(events=None), TypeError, "events must be a list, got None"),
    Bad(in_state(events=[3]), TypeError, "events[0] must be [step, kind, value], got 3"),
    Bad(in_state(events=[[3, "hold"]]), TypeError, "events[0] must be [step, kind, value], got [3, 'hold']"),
    Bad(with_event(3, "jump", None), ValueError, "events[0] must be one of hold, resume, extend, reduce, decay, got 'jump'"),
    Bad(with_event(3, None, None), ValueError, "events[0] must be one of hold, resume, extend, reduce, decay, got None"),
    Bad(
        with_event(3, "reduce", np.float32(0.5)),
        TypeError,
        f"events[0] must have a number, a mapping or None as value, got {np.float32(0.5)!r}",
    ),
    Bad(with_event(-3, "hold", None), ValueError, "events[0] step must be >= 0, got -3"),
    Bad(with_event(2**63, "hold", None), ValueError, "events[0] step must be < 2^63, got 9223372036854775808"),
    Bad(with_event("3", "hold", None), TypeError, "events[0] step must be an integer, got '3'"),
    # optimizer
    Bad(
        lambda: S(CURVE, types.SimpleNamespace(param_groups=[{"lr": torch.tensor(1)}])),
        TypeError,
        "optimizer.param_groups[0]['lr'] must be a tensor of a real floating type to be written in place, got tensor(1)",
    ),
    Bad(
        lambda: S(CURVE, types.SimpleNamespace(param_groups=[{"lr": torch.tensor(1.0, requires_grad=True)}])),
        ValueError,
        "optimizer.param_groups[0]['lr'] must not require a gradient to be written in place, got tensor(1., requires_grad=True)",
    ),
    Bad(
        lambda: lrk.ReduceOnPlateau(CURVE).observe(torch.tensor([1.0, 2.0])),
        TypeError,
        "metric must be a real number, got tensor([1., 2.])",
    ),
    Bad(lambda: lrk.ReduceOnPlateau(CURVE).observe(np.zeros(2)), TypeError, "metric must be a real number, got array([0., 0.])"),
    Bad(
        lambda: lrk.ReduceOnPlateau(CURVE).load_state_dict(
            {**lrk.ReduceOnPlateau(CURVE).state_dict(), **S({"lr": CURVE}).state_dict()}, "checkpoint"
        ),
        ValueError,
        "state schedule must be one of a ReduceOnPlateau, got hyperparameters",
    ),
    # plan
    Bad(lambda: S(0.1), TypeError, "schedule must be a schedule or a mapping of hyperparameters to schedules, got 0.1"),  # type: ignore[arg-type]
    Bad(lambda: S({}), ValueError, "schedule must name a hyperparameter, got an empty mapping"),
    Bad(lambda: S({3: CURVE}), TypeError, "schedule must have names of hyperparameters as keys, got 3"),  # type: ignore[dict-item]
    Bad(
        lambda: S({"wd": lrk.Proportional("lr", 1.0)}),
        ValueError,
        "schedule['wd'] must follow a hyperparameter with a schedule, got 'lr'",
    ),
    Bad(
        lambda: S({"lr": lrk.Proportional("lr", 1.0)}),
        ValueError,
        "schedule['lr'] must follow a hyperparameter with a schedule, got 'lr'",
    ),
    Bad(
        lambda: S({"lr": CURVE, "wd": lrk.Proportional(3, 1.0)}),  # type: ignore[arg-type]
        TypeError,
        "schedule['wd'].to must be the name of a hyperparameter, got 3",
    ),
    Bad(lambda: S({"lr": CURVE, "wd": lrk.Proportional("lr", NAN)}), ValueError, "schedule['wd'].factor must be finite, got nan"),
    Bad(
        lambda: S({"lr": {-1: CURVE}}),
        TypeError,
        "schedule['lr'] must have indices and names of groups, or None, as keys, got -1",
    ),
    Bad(
        lambda: S({"lr": {True: CURVE}}),
        TypeError,
        "schedule['lr'] must have indices and names of groups, or None, as keys, got True",
    ),
    Bad(lambda: S({"lr": 0.1}), TypeError, f"schedule['lr'] {SCHEDULE_OR} 0.1"),
    Bad(lambda: S({"lr": {}}), TypeError, f"schedule['lr'] {SCHEDULE_OR} {{}}"),
    Bad(lambda: S({"lr": {0: {0: CURVE}}}), TypeError, f"schedule['lr'][0] {SCHEDULE_OR} {{0: {CURVE!r}}}"),
    Bad(lambda: S({"betas": (CURVE, 0.9)}), TypeError, f"schedule['betas'][1] {SCHEDULE_OR} 0.9"),
    Bad(lambda: S({"betas": ()}), TypeError, f"schedule['betas'] {SCHEDULE_OR} ()"),
    Bad(
        lambda: S({"momentum": CURVE, "wd": CURVE}).reduce(0.5),
        ValueError,
        "schedule must have a schedule of 'lr' to decay or reduce, got 'momentum', 'wd'",
    ),
    Bad(
        lambda: S({"lr": lrk.Proportional("wd", 1.0), "wd": CURVE}).start_decay(2),
        ValueError,
        "schedule must have a schedule of 'lr' to decay or reduce, got 'lr', 'wd'",
    ),
    Bad(in_state(schedule=None), TypeError, "state schedule must be a mapping, got None"),
    Bad(in_state(schedule=form(3)), TypeError, "state schedule must map hyperparameters to schedules, got 3"),
    Bad(
        in_state(schedule=form({"lr": {"groups": 3}})), TypeError, "state schedule must list the groups as [group, schedule], got 3"
    ),
    Bad(
        in_state(schedule=form({"lr": {"groups": [3]}})),
        TypeError,
        "state schedule must list the groups as [group, schedule], got [3]",
    ),
    Bad(
        in_state(schedule=form({"wd": {"to": "lr", "factor": 1.0}})),
        ValueError,
        "schedule['wd'] must follow a hyperparameter with a schedule, got 'lr'",
    ),
    # optimizer
    Bad(
        lambda: S(CURVE, 3),
        TypeError,
        "optimizer must have param_groups or set_lr, or be callable, got 3",
    ),
    Bad(
        lambda: S(CURVE, print, relative=True),
        ValueError,
        "optimizer must have param_groups, whose own base lr the schedule is relative to, got <built-in function print>",
    ),
    Bad(
        lambda: S({"lr": CURVE}, SETTER),
        TypeError,
        "optimizer must have param_groups to take hyperparameters by name, got setter",
    ),
    Bad(lambda: S(CURVE, types.SimpleNamespace(param_groups=3)), TypeError, "optimizer.param_groups must be a list, got 3"),
    Bad(
        lambda: S(CURVE, types.SimpleNamespace(param_groups=[])),
        ValueError,
        "optimizer.param_groups must not be empty, got no group",
    ),
    Bad(lambda: S(CURVE, types.SimpleNamespace(param_groups=[3])), TypeError, "optimizer.param_groups[0] must be a dict, got 3"),
    Bad(
        lambda: S(CURVE, types.SimpleNamespace(param_groups=[{}])),
        ValueError,
        "optimizer.param_groups[0] must have the key 'lr', got an empty dict",
    ),
    Bad(
        lambda: S({"momentum": CURVE}, groups(0.1, eps=1e-8)),
        ValueError,
        "optimizer.param_groups[0] must have the key 'momentum', got 'lr', 'eps'",
    ),
    Bad(
        lambda: S({"betas": (CURVE, CURVE)}, groups(0.1, betas=0.9)),
        ValueError,
        "optimizer.param_groups[0]['betas'] must hold 2 values, got 0.9",
    ),
    Bad(
        lambda: S({"betas": (CURVE, CURVE)}, groups(0.1, betas=(0.9,))),
        ValueError,
        "optimizer.param_groups[0]['betas'] must hold 2 values, got (0.9,)",
    ),
    Bad(
        lambda: S({"betas": CURVE}, groups(0.1, betas=(0.9, 0.99))),
        ValueError,
        "optimizer.param_groups[0]['betas'] must hold one value, got (0.9, 0.99)",
    ),
    Bad(
        lambda: lrk.update_optimizer(TARGET.optimizer, {"lr": (1.0, 2.0)}),
        ValueError,
        "optimizer.param_groups[0]['lr'] must hold 2 values, got 0.5",
    ),
    Bad(
        lambda: S(CURVE, groups(NAN), relative=True),
        ValueError,
        "optimizer.param_groups[0]['initial_lr'] must be finite, got nan",
    ),
    Bad(
        lambda: S(CURVE, groups(0.1, lr_scale="1")),
        TypeError,
        "optimizer.param_groups[0]['lr_scale'] must be a real number, got '1'",
    ),
    Bad(
        lambda: S({"lr": {0: CURVE, "head": CURVE}}, groups(0.1, name="head")),
        ValueError,
        "schedule['lr'] must have one schedule for a group, got one for 0 and one for 'head'",
    ),
    Bad(
        lambda: S({"lr": {"body": CURVE}}, groups(0.1, name="head")),
        ValueError,
        "schedule['lr'] must have a schedule for group 0 ('head') or for None, all other groups",
    ),
    Bad(
        lambda: S({"lr": {0: CURVE}}, groups()),
        ValueError,
        "schedule['lr'] must have a schedule for group 1 or for None, all other groups",
    ),
    Bad(lambda: lrk.update_optimizer(groups(), {}), ValueError, "lr must name a hyperparameter, got an empty mapping"),
    Bad(lambda: lrk.update_optimizer(groups(), NAN), ValueError, "lr must be finite, got nan"),
    Bad(lambda: lrk.update_optimizer(groups(), {"lr": "1"}), TypeError, "lr must be a real number, got '1'"),
    # scheduler
    Bad(lambda: S(CURVE, step=-1), ValueError, "step must be >= 0, got -1"),
    Bad(lambda: S(CURVE, step=2**63), ValueError, "step must be < 2^63, got 9223372036854775808"),
    Bad(lambda: S(CURVE, relative=1), TypeError, "relative must be True or False, got 1"),  # type: ignore[arg-type]
    Bad(
        lambda: S(CURVE, relative=True),
        ValueError,
        "optimizer must be given where the schedule is relative to its groups, got None",
    ),
    Bad(
        lambda: lrk.CosinePlateauScheduler(groups(), 100, last_epoch=3),
        ValueError,
        "optimizer.param_groups[0] must have 'initial_lr' where last_epoch >= 0, got last_epoch 3",
    ),
    Bad(lambda: TARGET.seek(-1), ValueError, "step must be >= 0, got -1"),
    Bad(lambda: TARGET.seek(2**63), ValueError, "step must be < 2^63, got 9223372036854775808"),
    Bad(lambda: TARGET.seek(0.5), ValueError, "step must be a whole number, got 0.5"),
    Bad(lambda: TARGET.get_lr(True), TypeError, "step must be an integer, got True"),
    Bad(lambda: TARGET.extend(0), ValueError, "steps must be >= 1, got 0"),
    Bad(lambda: TARGET.reduce(0.0), ValueError, "factor must be > 0, got 0.0"),
    Bad(lambda: TARGET.start_decay(0), ValueError, "steps must be > 0, got 0"),
    Bad(lambda: TARGET.start_decay(1, floor=-1.0), ValueError, "floor must be >= 0, got -1.0"),
    Bad(lambda: TARGET.start_decay(1, floor=0.75), ValueError, "floor must be <= peak, got 0.75 > 0.5"),
    Bad(
        lambda: TARGET.start_decay(1, shape="round"),
        ValueError,
        "shape must be one of linear, cosine, 1-sqrt, sqrt, got 'round'",
    ),
    Bad(
        lambda: TARGET.load_state_dict(TARGET.state_dict(), "mine"),
        ValueError,
        "policy must be one of config, checkpoint, strict, got 'mine'",
    ),
    Bad(
        lambda: TARGET.load_state_dict(S(lrk.warmup_linear(1.0, 2, 7)).state_dict(), "strict"),
        ValueError,
        "state must be of the same schedule: "
        "segments[1].end is 6 here, 7 in the state; segments[2].begin is 6 here, 7 in the state",
    ),
    Bad(lambda: TARGET.load_state_dict(3), TypeError, "state must be a mapping, got 3"),  # type: ignore[arg-type]
    Bad(in_state(version=2), ValueError, "state must be of version 1, got 2"),
    Bad(in_state(version=1.0), ValueError, "state must be of version 1, got 1.0"),
    Bad(in_state(version=...), ValueError, "state must be of version 1, got None"),
    Bad(in_state(step=...), ValueError, f"state must have the keys {KEYS}: ['step'] are missing, [] unknown"),
    Bad(in_state(more=1), ValueError, f"state must have the keys {KEYS}: [] are missing, ['more'] unknown"),
    Bad(in_state(step=-1), ValueError, "state step must be >= 0, got -1"),
    Bad(in_state(step=2**63), ValueError, "state step must be < 2^63, got 9223372036854775808"),
    Bad(in_state(step=10**30), ValueError, f"state step must be < 2^63, got {10**30}"),
    Bad(in_state(step="3"), TypeError, "state step must be an integer, got '3'"),
    Bad(in_state(step=None), TypeError, "state step must be an integer, got None"),
    Bad(in_state(fingerprint="0"), ValueError, "state fingerprint must be that of its schedule, got '0'"),
    Bad(
        in_state(schedule=(CURVE * 2).to_dict()),
        ValueError,
        f"state fingerprint must be that of its schedule, got {CURVE.fingerprint!r:.57}...",
    ),
    # plateau
    Bad(lambda: lrk.ReduceOnPlateau(0.1), TypeError, "schedule must be a schedule, got 0.1"),  # type: ignore[arg-type]
    Bad(lambda: lrk.ReduceOnPlateau({"lr": CURVE}), TypeError, f"schedule must be a schedule, got {{'lr': {CURVE!r}}}"),  # type: ignore[arg-type]
    Bad(lambda: lrk.ReduceOnPlateau(CURVE, mode="low"), ValueError, "mode must be one of min, max, got 'low'"),
    Bad(lambda: lrk.ReduceOnPlateau(CURVE, threshold_mode="all"), ValueError, "threshold_mode must be one of rel, abs, got 'all'"),
    Bad(lambda: lrk.ReduceOnPlateau(CURVE, factor=1), ValueError, "factor must be < 1, got 1"),
    Bad(lambda: lrk.ReduceOnPlateau(CURVE, factor=0), ValueError, "factor must be > 0, got 0"),
    Bad(lambda: lrk.ReduceOnPlateau(CURVE, patience=-1), ValueError, "patience must be >= 0, got -1"),
    Bad(lambda: lrk.ReduceOnPlateau(CURVE, cooldown=0.5), ValueError, "cooldown must be a whole number, got 0.5"),
    Bad(lambda: lrk.ReduceOnPlateau(CURVE, threshold=-1e-4), ValueError, "threshold must be >= 0, got -0.0001"),
    Bad(lambda: lrk.ReduceOnPlateau(CURVE, min_lr=-1), ValueError, "min_lr must be >= 0, got -1"),
    Bad(lambda: lrk.ReduceOnPlateau(CURVE, eps=NAN), ValueError, "eps must be finite, got nan"),
    Bad(lambda: lrk.ReduceOnPlateau(CURVE).observe(NAN), ValueError, "metric must be finite, got nan"),
    Bad(lambda: lrk.ReduceOnPlateau(CURVE).observe(torch.tensor(NAN)), ValueError, "metric must be finite, got nan"),
    Bad(lambda: lrk.ReduceOnPlateau(CURVE).observe("1"), TypeError, "metric must be a real number, got '1'"),
    Bad(observed(None), ValueError, f"{PLATEAU_KEYS} None"),
    Bad(observed({"best": 1.0}), ValueError, f"{PLATEAU_KEYS} {{'best': 1.0}}"),
    Bad(observed({"best": NAN, "bad": 0, "cooling": 0}), ValueError, "state plateau best must be finite, got nan"),
    Bad(observed({"best": 1.0, "bad": -1, "cooling": 0}), ValueError, "state plateau bad must be >= 0, got -1"),
    Bad(observed({"best": 1.0, "bad": 0, "cooling": None}), TypeError, "state plateau cooling must be an integer, got None"),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.message[:60])
def test_what_is_refused_changes_nothing(bad: Bad) -> None:
    before = copy.deepcopy((TARGET.state_dict(), TARGET.optimizer.param_groups))
    with pytest.raises(bad.error, match=f"^{re.escape(bad.message)}$") as caught:
        bad.call()
    assert type(caught.value) is bad.error
    assert (TARGET.state_dict(), TARGET.optimizer.param_groups) == before


def raised(module: types.ModuleType) -> Iterator[Any]:
    """The patterns of the messages of all that a module raises."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            (said,) = node.exc.args
            parts = said.values if isinstance(said, ast.JoinedStr) else [said]
            yield "".join(re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".*" for part in parts)


@pytest.mark.parametrize("module", [replay, plan, optimizer_module, scheduler, plateau], ids=lambda module: module.__name__)
def test_every_raise_has_its_case(module: types.ModuleType) -> None:
    patterns = list(raised(module))
    assert patterns
    assert [p for p in patterns if not any(re.fullmatch(p, bad.message) for bad in BAD)] == []


SPOILED: dict[str, Callable[[Any], object]] = {
    "no groups": lambda optimizer: optimizer.param_groups.clear(),
    "no lr in the second": lambda optimizer: optimizer.param_groups[1].pop("lr"),
    "a group that is none": lambda optimizer: optimizer.param_groups.append(None),
    "a scale that is no number": lambda optimizer: optimizer.param_groups[1].update(lr_scale=NAN),
    "a base that is no number": lambda optimizer: optimizer.param_groups[1].update(initial_lr="x"),
}
CALLS: dict[str, Callable[[lrk.Scheduler], object]] = {
    "step": lambda made: made.step(),
    "seek": lambda made: made.seek(3),
    "hold": lambda made: made.hold(),
    "reduce": lambda made: made.reduce(0.5),
    "load": lambda made: made.load_state_dict(lrk.Scheduler(CURVE, step=3).state_dict()),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_spoiled_optimizer_stops_the_scheduler_where_it_is(
    call: Callable[[lrk.Scheduler], object], spoil: Callable[[Any], object]
) -> None:
    optimizer = groups(0.1, 0.2, 0.3)
    made = lrk.Scheduler(CURVE, optimizer, step=1, relative=True)
    spoil(optimizer)
    before = copy.deepcopy((made.state_dict(), optimizer.param_groups))
    with pytest.raises((ValueError, TypeError), match=r"^optimizer\.param_groups"):
        call(made)
    assert repr((made.state_dict(), optimizer.param_groups)) == repr(before)  # NaN equals nothing


# ---- plateaus ----


def test_a_plateau_by_hand() -> None:
    optimizer = groups(1.0, 0.5)
    made = lrk.ReduceOnPlateau(lrk.constant(1.0), optimizer, factor=0.5, patience=1, cooldown=2, relative=True)
    seen = [(made.observe(metric), made.step()) for metric in [3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 2.0, 2.0]]
    assert [reduced for reduced, _ in seen] == [False, False, True, False, False, False, True, False, False]
    assert [lr for _, lr in seen] == [1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.125]
    assert made.state_dict()["plateau"] == {"best": 2.0, "bad": 0, "cooling": 0}


def test_metrics_of_all_kinds() -> None:
    made = lrk.ReduceOnPlateau(lrk.constant(1.0), patience=0)
    metrics: list[Any] = [3, np.float32(2.0), np.array(1.0), torch.tensor(0.5), 0.5]
    assert [made.observe(metric) for metric in metrics] == [False, False, False, False, True]


@st.composite
def plateaus(draw: st.DrawFn) -> tuple[dict[str, Any], list[float]]:
    options = {
        "mode": draw(st.sampled_from(["min", "max"])),
        "threshold_mode": draw(st.sampled_from(["rel", "abs"])),
        "threshold": draw(st.sampled_from([0.0, 1e-4, 0.1, 0.5])),
        "factor": draw(st.sampled_from([0.1, 0.5, 0.9, 0.3])),
        "patience": draw(st.integers(0, 4)),
        "cooldown": draw(st.integers(0, 4)),
        "min_lr": draw(st.sampled_from([0.0, 1e-3, 0.2, 0.7, 3.0])),
        "eps": draw(st.sampled_from([0.0, 1e-8, 0.05])),
    }
    metric = st.sampled_from([1.0, 0.9, 0.5, 0.0, -0.5, 1.05]) | st.floats(-2.0, 2.0)
    return options, draw(st.lists(metric, min_size=10, max_size=60))


@given(plateaus(), st.sampled_from([1.0, 0.3, 0.7]))
@settings(max_examples=400)
def test_plateaus_are_torchs(drawn: tuple[dict[str, Any], list[float]], lr: float) -> None:
    options, metrics = drawn
    theirs = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    torchs = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **options)
    made = lrk.ReduceOnPlateau(lrk.constant(lr), **options)
    for metric in metrics:
        before = theirs.param_groups[0]["lr"]
        torchs.step(metric)
        after = theirs.param_groups[0]["lr"]
        reduced = before - after > 1e-12 * before  # with eps=0 torch takes the rounding of a product for a reduction
        assert made.observe(metric) == reduced
        assert made.get_lr() == pytest.approx(after, abs=1e-10)
        state = made.state_dict()["plateau"]
        assert (state["best"], state["bad"], state["cooling"]) == (torchs.best, torchs.num_bad_epochs, torchs.cooldown_counter)


@given(plateaus(), st.integers(0, 59), st.sampled_from([json, pickle]))
@settings(max_examples=100)
def test_a_plateau_is_resumed(drawn: tuple[dict[str, Any], list[float]], stop: int, kept: Any) -> None:
    options, metrics = drawn
    schedule = lrk.warmup_cosine(1.0, 5, 50)
    whole, parts = lrk.ReduceOnPlateau(schedule, **options), lrk.ReduceOnPlateau(schedule, **options)
    for k, metric in enumerate(metrics):
        if k == stop:
            state = kept.loads(kept.dumps(parts.state_dict()))
            parts = lrk.ReduceOnPlateau(schedule, **options)
            parts.load_state_dict(state)
        assert whole.observe(metric) == parts.observe(metric)
        assert whole.step() == parts.step()
    assert whole.state_dict() == parts.state_dict()


def test_a_decay_that_would_end_past_the_last_step() -> None:
    for at in (2**63 - 1, 2**63 - 4):
        scheduler = lrk.Scheduler(lrk.constant(0.5), step=at)
        with pytest.raises(ValueError, match=rf"^steps must end before step 2\^63, got 5 from step {at} on$"):
            scheduler.start_decay(5)
        assert (scheduler.get_lr(), scheduler.state_dict()["events"]) == (0.5, [])
    last = lrk.Scheduler(lrk.constant(0.5), step=2**63 - 6)
    last.start_decay(5)
    assert [last.step() for _ in range(5)] == [0.4, 0.3, 0.2, 0.1, 0.0]


@pytest.mark.parametrize("depth", [14, 15, 16])
def test_decisions_on_deeply_nested_schedules(depth: int) -> None:
    """What goes on later, and what is reduced, is one level deeper each."""
    curve = lrk.linear(1.0, 0.0, 100)
    for _ in range(depth):
        curve = curve * 0.5
    decisions: list[tuple[int, Callable[[lrk.Scheduler], object]]] = [
        (0, lambda scheduler: scheduler.start_decay(5)),
        (0, lambda scheduler: scheduler.hold()),
        (1, lambda scheduler: scheduler.extend(5)),
        (2, lambda scheduler: scheduler.reduce(0.5)),
    ]
    for levels, decide in decisions:
        scheduler = lrk.Scheduler(curve, step=3)
        if depth + levels <= 16:
            decide(scheduler)
            assert scheduler.to_schedule()(2) == curve(2)
        else:
            with pytest.raises(ValueError, match=r"^nesting depth must be <= 16, got 17$"):
                decide(scheduler)
            assert (scheduler.get_lr(), scheduler.state_dict()["events"]) == (curve(3), [])
