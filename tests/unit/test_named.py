"""The named schedulers: their numbers, their decisions, their errors, their states."""

import copy
import json
import math
import pickle
import re
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import lrkernel as lrk

NAN, INF = math.nan, math.inf


def optimizer_of(*lrs: float) -> Any:
    return SimpleNamespace(param_groups=[{"lr": lr} for lr in lrs])


def lr_of(optimizer: Any) -> Any:
    return optimizer.param_groups[0]["lr"]


# ---- the numbers of the sources' own tests ----


@pytest.mark.parametrize(
    ("scheduler", "values"),
    [
        (lrk.StepScheduler(1.0, 5), {0: 1.0, 4: 1.0, 5: 0.1, 9: 0.1, 10: 0.01, 15: 0.001}),
        (lrk.StepScheduler(1.0, 1, 0.5), {0: 1.0, 1: 0.5, 2: 0.25}),
        (lrk.StepScheduler(1.0, 1, 0.9), {2: 0.81}),
        (lrk.StepScheduler(1.0, 1, gamma=1), {0: 1.0, 1000: 1.0}),
        (lrk.StepScheduler(1.0, 1, 0.1), {10: 1e-10}),
        (lrk.StepScheduler(0.1, 30, 0.1), {0: 0.1, 29: 0.1, 30: 0.01, 60: 0.001}),
        (lrk.CosineScheduler(0.1, 100), {0: 0.1, 50: 0.05, 100: 0.0, 200: 0.0}),
        (lrk.CosineScheduler(1.0, 100), {50: 0.5}),
        (lrk.CosineScheduler(0.1, 100, 0.01), {0: 0.1, 100: 0.01, 101: 0.01}),
        (lrk.WarmupScheduler(1.0, 10), {0: 0.0, 1: 0.1, 5: 0.5, 10: 1.0, 11: 1.0}),
        (lrk.WarmupScheduler(1.0, 100), {25: 0.25, 50: 0.5, 75: 0.75}),
        (lrk.WarmupScheduler(1.0, 10000), {10: 0.001}),
        (lrk.WarmupScheduler(1.0, 1), {0: 0.0, 1: 1.0}),
        (lrk.WarmupScheduler(1.0, 0), {0: 1.0, 1: 1.0}),
        (lrk.WarmupScheduler(1.0, 4, "quadratic"), {0: 0.0, 1: 0.0625, 2: 0.25, 4: 1.0}),
        (lrk.WarmupScheduler(1.0, 4, "quadratic", 0.5), {0: 0.5, 2: 0.625, 4: 1.0}),
        (lrk.WarmupScheduler(1.0, 4, "linear", 0.5), {0: 0.5, 2: 0.75, 4: 1.0}),
        (lrk.WarmupScheduler(1.0, 3, "geometric"), {0: 0.001, 1: 0.01, 2: 0.1, 3: 1.0}),
        (lrk.WarmupScheduler(1.0, 2, "exponential", 0.25), {0: 0.25, 1: 0.5, 2: 1.0}),
        (
            lrk.ChainedScheduler(lrk.WarmupScheduler(0.1, 10), lrk.CosineScheduler(0.1, 90)),
            {0: 0, 5: 0.05, 9: 0.09, 10: 0.1, 100: 0},
        ),
        (
            lrk.ChainedScheduler(lrk.WarmupScheduler(0.1, 10), lrk.StepScheduler(0.1, 30)),
            {10: 0.1, 39: 0.1, 40: 0.01, 69: 0.01, 70: 0.001},
        ),
        (lrk.WSDScheduler(None, 2, 2, 4, 1.0), {0: 0, 1: 0.5, 2: 1, 4: 1, 5: 0.75, 7: 0.25, 8: 0, 9: 0}),
        (lrk.WSDScheduler(None, 2, 2, 4, 1.0, 0.2), {0: 0.2, 1: 0.6, 2: 1, 4: 1, 6: 0.6, 8: 0.2}),
        (lrk.WSDScheduler(None, 0, 0, 4, 1.0, decay_type="1-sqrt"), {0: 1.0, 1: 0.5, 4: 0.0}),
        (lrk.WSDScheduler(None, 0, 0, 4, 1.0, decay_type="sqrt"), {0: 1.0, 1: 0.5, 4: 0.0}),
        (lrk.WSDScheduler(None, 0, 0, 4, 1.0, decay_type="cosine"), {0: 1.0, 2: 0.5, 4: 0.0}),
        (lrk.WSDScheduler(None, 5, INF, 4, 1.0), {5: 1.0, 10**15: 1.0}),
        (
            lrk.CosineRestartScheduler(None, 1e-3, 1e-6, 10000, 2.0, 500),
            {0: 1e-6, 500: 1e-3, 10500: 1e-3, 30500: 1e-3, 70500: 1e-3},
        ),
        (lrk.CosineRestartScheduler(None, 1.0, 0.5), {0: 1.0, 5000: 0.75, 10000: 1.0}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, lrk.Scheduler) else None,
)
def test_values(scheduler: lrk.Scheduler, values: dict[int, float]) -> None:
    for step, value in values.items():
        assert scheduler.get_lr(step) == pytest.approx(value, rel=1e-15, abs=1e-16), step


def test_quarter_points_of_a_cosine() -> None:
    scheduler = lrk.CosineScheduler(0.1, 100)
    assert [round(scheduler.get_lr(step), 4) for step in (25, 75)] == [0.0854, 0.0146]


def test_warmups_reach_the_target_and_rise() -> None:
    for strategy in lrk.WarmupStrategy:
        values = lrk.WarmupScheduler(0.1, 1000, strategy).to_schedule().values(1001)
        assert values[-1] == 0.1
        assert (np.diff(values) > 0.0).all()
    linear = lrk.WarmupScheduler(1.0, 100).to_schedule().values(101)
    assert np.abs(np.diff(linear) - 0.01).max() < 1e-10


def test_strategies() -> None:
    members = lrk.WarmupStrategy.__members__
    assert members["EXPONENTIAL"] is members["GEOMETRIC"]
    for name, member in members.items():
        assert lrk.WarmupScheduler(1.0, 9, name.lower()).schedule == lrk.WarmupScheduler(1.0, 9, member).schedule


def test_epochs_are_steps() -> None:
    made = lrk.WarmupScheduler.from_epochs(0.1, 5, 200, "geometric", optimizer=(optimizer := optimizer_of(1.0)))
    assert made.schedule == lrk.WarmupScheduler(0.1, 1000, "geometric").schedule
    assert lr_of(optimizer) == 0.1 / 1000
    assert lrk.WarmupScheduler.from_epochs(0.1, 0.5, 200).schedule.length == 100


def test_a_warmup_is_complete_at_its_target() -> None:
    scheduler = lrk.WarmupScheduler(1.0, 3)
    assert [(scheduler.is_warmup_complete(), scheduler.step()) for _ in range(4)] == [
        (False, 1 / 3),
        (False, 2 / 3),
        (False, 1.0),
        (True, 1.0),
    ]
    assert lrk.WarmupScheduler(1.0, 0).is_warmup_complete()
    held = lrk.WarmupScheduler(1.0, 3)
    held.hold()
    held.seek(10)
    assert not held.is_warmup_complete()


def test_a_warmup_resumes_in_its_middle() -> None:
    first = lrk.WarmupScheduler(1.0, 10, "geometric", optimizer=optimizer_of(0.5))
    first.seek(4)
    second = lrk.WarmupScheduler(1.0, 10, "geometric", optimizer=(optimizer := optimizer_of(0.5)))
    assert second.load_state(json.loads(json.dumps(first.get_state()))) == []
    assert lr_of(optimizer) == first.get_lr()
    assert [second.step() for _ in range(8)] == [first.step() for _ in range(8)]


# ---- chains ----


def test_a_chain_takes_schedules_and_schedulers_without_their_optimizers_and_positions() -> None:
    used, mine = optimizer_of(0.5), optimizer_of(0.5)
    warmup, main = lrk.WarmupScheduler(1.0, 4, optimizer=used), lrk.CosineScheduler(1.0, 8, optimizer=used)
    warmup.seek(3)
    main.seek(5)
    chain = lrk.ChainedScheduler(warmup, main, optimizer=mine)
    assert chain.schedule == lrk.ChainedScheduler(lrk.linear(0.0, 1.0, 4), lrk.cosine(1.0, 0.0, 8)).schedule
    before = lr_of(used)
    assert [chain.step() for _ in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert lr_of(mine) == 1.0
    assert (lr_of(used), warmup.current_step, main.current_step) == (before, 3, 5)


def test_where_a_chain_switches() -> None:
    falling = lrk.linear(1.0, 0.5, 2)
    rising = lrk.linear(0.0, 1.0, 4)

    def values(*chain: Any) -> Any:
        return lrk.ChainedScheduler(*chain).schedule.values(7).tolist()

    assert values(rising, falling) == [0.0, 0.25, 0.5, 0.75, 1.0, 0.75, 0.5]
    assert values(lrk.warmup_constant(1.0, 4), falling) == [0.0, 0.25, 0.5, 0.75, 1.0, 0.75, 0.5]
    assert values(rising, falling, 5) == [0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 0.75]
    assert values(rising, falling, 2) == [0.0, 0.25, 1.0, 0.75, 0.5, 0.5, 0.5]
    assert values(lrk.WarmupScheduler(1.0, 0), falling) == values(rising, falling, 0) == [1.0, 0.75, *[0.5] * 5]


def test_a_chain_keeps_decisions() -> None:
    wsd = lrk.WSDScheduler(None, 2, 2, 2, 1.0)
    wsd.extend_stable_phase(3)
    chain = lrk.ChainedScheduler(wsd, lrk.constant(0.5))
    assert chain.schedule.values(10).tolist() == [0.0, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5]


# ---- warm-up and decay by absolute steps ----


def decaying(optimizer: Any, schedule: str = "cosine", total: int = 10, warmup: int = 4) -> lrk.WarmupDecayScheduler:
    return lrk.WarmupDecayScheduler(optimizer, schedule, total, warmup, 1.0, 0.25)


def test_nothing_is_written_before_the_first_step() -> None:
    for schedule in ("cosine", "linear"):
        scheduler = decaying(optimizer := optimizer_of(0.125), schedule)
        assert (lr_of(optimizer), scheduler.get_current_lr()) == (0.125, None)
        assert scheduler.step(1) == lr_of(optimizer) == scheduler.get_current_lr() == 0.25
    constant = decaying(optimizer := optimizer_of(0.125), "constant")
    assert lr_of(optimizer) == constant.get_current_lr() == 1.0


def test_step_0_is_step_1_of_the_ramp() -> None:
    scheduler = decaying(optimizer := optimizer_of(0.125))
    assert scheduler.step(0) == lr_of(optimizer) == scheduler.get_lr(1) == scheduler.get_lr(0) == 0.25
    assert [decaying(None, "linear", 8, 4).step(k) for k in range(9)] == [0.25, 0.25, 0.5, 0.75, 1.0, 0.8125, 0.625, 0.4375, 0.25]
    assert decaying(None, "linear", 8, 0).step(0) == 1.0
    assert decaying(None, "linear", 8, 1).step(0) == 1.0
    assert decaying(None, "constant").step(0) == 1.0


def test_a_ramp_up_to_the_end() -> None:
    scheduler = decaying(None, "linear", 4, 4)
    assert [scheduler.step(k) for k in range(5)] == [0.25, 0.25, 0.5, 0.75, 0.25]
    with pytest.warns(UserWarning, match="current_step 5"):
        assert scheduler.step(5) == 0.25


@pytest.mark.parametrize(("schedule", "last"), [("cosine", 0.25), ("linear", 0.25), ("constant", 1.0)])
def test_past_the_end_the_floor_is_written_with_one_warning(schedule: str, last: float) -> None:
    scheduler = decaying(optimizer := optimizer_of(0.125), schedule)
    scheduler.step(10)
    message = f"current_step 20 is past training_steps (10): the lr stays {last}"
    with pytest.warns(UserWarning, match=re.escape(message)) as caught:
        assert scheduler.step(20) == lr_of(optimizer) == last
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert scheduler.step(21) == last
        assert scheduler.step(4) == lr_of(optimizer) == 1.0
        assert scheduler.step() == scheduler.get_lr(5)


def test_a_run_that_is_held_is_not_past_its_end() -> None:
    scheduler = decaying(None, "linear")
    scheduler.step(5)
    scheduler.hold()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert scheduler.step(6) == scheduler.step(20) == scheduler.get_lr(5)
        scheduler.resume()
        scheduler.step(25)
    with pytest.warns(UserWarning, match=re.escape("current_step 26 is past training_steps (25): the lr stays 0.25")):
        scheduler.step()


def test_a_state_can_be_loaded_twice_and_steps_stay_absolute() -> None:
    first = decaying(optimizer_of(0.125))
    first.step(7)
    second = decaying(optimizer := optimizer_of(0.125))
    for _ in range(2):
        second.load_state_dict(first.state_dict())
        assert (second.current_step, lr_of(optimizer), second.get_current_lr()) == (7, first.get_lr(), first.get_lr())
    assert second.step(8) == first.step(8)
    fresh = decaying(optimizer)
    fresh.load_state_dict(decaying(None).state_dict())
    assert lr_of(optimizer) == fresh.get_current_lr() == 0.25


# ---- cosine plateau ----


def test_every_group_has_its_own_peak_and_one_curve() -> None:
    optimizer = optimizer_of(0.1, 0.01)
    scheduler = lrk.CosinePlateauScheduler(optimizer, 1000, None, 0.1, 100, [(50, 20)])
    assert [group["lr"] for group in optimizer.param_groups] == [0.0, 0.0]
    scheduler.seek(100)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.01]
    plateau = [(scheduler.seek(step), scheduler.get_last_lr())[1] for step in (550, 600, 729)]
    assert plateau[0] == plateau[1] == plateau[2]
    scheduler.seek(1000)
    assert scheduler.get_last_lr() == pytest.approx([0.01, 0.001], rel=1e-15)
    assert scheduler.get_lr(99) < 1.0 == scheduler.get_lr(100)


def test_a_given_base_lr_is_the_peak_of_the_warmup_too() -> None:
    optimizer = optimizer_of(0.1, 0.01)
    scheduler = lrk.CosinePlateauScheduler(optimizer, 1000, base_lr=0.5, warmup_steps=100)
    assert [scheduler.get_lr(step) for step in (0, 50, 100)] == [0.0, 0.25, 0.5]
    assert scheduler.seek(100) == 0.5
    assert scheduler.get_last_lr() == [0.5, 0.5]
    assert all("initial_lr" not in group for group in optimizer.param_groups)
    assert scheduler.schedule == lrk.CosinePlateauScheduler(optimizer, 1000, base_lr=0.5, warmup_steps="10%").schedule


def test_plateaus_without_time_between_hold_the_peak() -> None:
    scheduler = lrk.CosinePlateauScheduler(optimizer_of(0.1), 100, plateau_steps=[(0, 100)])
    assert scheduler.get_lr(0) == scheduler.get_lr(99) == scheduler.get_lr(100) == 1.0


def test_last_epoch_is_torchs() -> None:
    optimizer = optimizer_of(0.1)
    first = lrk.CosinePlateauScheduler(optimizer, 100, warmup_steps=10)
    for _ in range(30):
        first.step()
    again = lrk.CosinePlateauScheduler(optimizer, 100, warmup_steps=10, last_epoch=29)
    assert (again.current_step, lr_of(optimizer)) == (30, 0.1 * first.get_lr())
    with pytest.raises(
        ValueError, match=r"optimizer.param_groups\[0\] must have 'initial_lr' where last_epoch >= 0, got last_epoch 29"
    ):
        lrk.CosinePlateauScheduler(bare := optimizer_of(0.1), 100, last_epoch=29)
    assert bare.param_groups == [{"lr": 0.1}]
    assert lrk.CosinePlateauScheduler(optimizer_of(0.1), 100, 0.5, last_epoch=29).current_step == 30


# ---- warm-up, stable, decay ----


def test_phases() -> None:
    scheduler = lrk.WSDScheduler(None, 2, 3, 4, 1.0, 1.0)  # flat: phases are not told by the values
    assert [scheduler.get_phase(step) for step in range(11)] == [*["warmup"] * 2, *["stable"] * 3, *["decay"] * 6]
    assert scheduler.get_phase() == "warmup"
    assert lrk.WSDScheduler(None, 0, 3, 4, 1.0).get_phase() == "stable"
    assert lrk.WSDScheduler(None, 0, 0, 4, 1.0).get_phase() == "decay"
    assert lrk.WSDScheduler(None, 2, 0, 4, 1.0).get_phase(2) == "decay"
    assert lrk.WSDScheduler(None, 2, None, 4, 1.0).get_phase(2**62) == "stable"


@pytest.mark.parametrize("step", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("warmup", [2, 1.5])
def test_extending_makes_the_stable_phase_longer_wherever_it_is_decided(step: int, warmup: float) -> None:
    scheduler = lrk.WSDScheduler(None, warmup, 3, 4, 1.0, 0.25)
    before = scheduler.get_lr(step)
    scheduler.seek(step)
    assert scheduler.extend_stable_phase(5) == before
    longer = lrk.WSDScheduler(None, warmup, 8, 4, 1.0, 0.25)
    assert scheduler.to_schedule().values(20).tolist() == longer.to_schedule().values(20).tolist()
    assert [scheduler.get_phase(k) for k in range(20)] == [longer.get_phase(k) for k in range(20)]


def test_extending_again_and_without_a_stable_phase() -> None:
    scheduler = lrk.WSDScheduler(None, 2, 0, 2, 1.0)
    scheduler.extend_stable_phase(2)
    scheduler.extend_stable_phase(1)
    assert scheduler.to_schedule().values(8).tolist() == [0.0, 0.5, 1.0, 1.0, 1.0, 1.0, 0.5, 0.0]
    scheduler.seek(4)
    assert scheduler.get_phase() == "stable"
    scheduler.extend_stable_phase(1)
    assert scheduler.to_schedule().values(9).tolist() == [0.0, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.0]


@pytest.mark.parametrize("stable", [0, 0.25, 1])
@pytest.mark.parametrize("warmup", [0.5, 2.5, 2.3])
def test_extending_where_the_warmup_ends_between_two_steps(warmup: float, stable: float) -> None:
    scheduler = lrk.WSDScheduler(None, warmup, stable, 4, 1.0, 0.25)
    scheduler.extend_stable_phase(2)
    scheduler.extend_stable_phase(1)
    longer = lrk.WSDScheduler(None, warmup, stable + 3, 4, 1.0, 0.25)
    wanted = longer.to_schedule().values(14).tolist()
    assert scheduler.to_schedule().values(14).tolist() == pytest.approx(wanted, rel=1e-15)
    assert [scheduler.get_phase(k) for k in range(14)] == [longer.get_phase(k) for k in range(14)]
    first = math.ceil(warmup)
    assert scheduler.state_dict()["events"][0] == [first, "extend", {"steps": 2, "clock": warmup}]
    again = lrk.WSDScheduler(None, warmup, stable, 4, 1.0, 0.25)
    again.load_state_dict(json.loads(json.dumps(scheduler.state_dict())))
    assert again.to_schedule() == scheduler.to_schedule()
    assert scheduler.seek(first + 1) == 1.0
    scheduler.initialize_decay_phase(2)
    assert scheduler.to_schedule().values(first + 1, first + 5).tolist() == [1.0, 0.625, 0.25, 0.25]


def test_a_hold_in_the_warmup_keeps_what_was_planned() -> None:
    scheduler = lrk.WSDScheduler(None, 2, 1, 2, 1.0)
    scheduler.extend_stable_phase(2)
    scheduler.seek(1)
    scheduler.hold()
    with pytest.raises(ValueError, match=r"the clock must come to step 2 of the schedule"):
        scheduler.extend_stable_phase(1)
    scheduler.seek(4)
    assert (scheduler.get_phase(), scheduler.get_lr()) == ("warmup", 0.5)
    scheduler.resume()
    scheduler.extend_stable_phase(1)
    assert scheduler.to_schedule().values(12).tolist() == [0, 0.5, 0.5, 0.5, 0.5, 1, 1, 1, 1, 1, 0.5, 0]


def test_a_decay_starts_where_the_user_says() -> None:
    scheduler = lrk.WSDScheduler(optimizer := optimizer_of(0.5), 2, None, 4, 1.0, 0.5, "cosine")
    with pytest.raises(ValueError, match="initialize_decay_phase must come in the stable phase, got step 0: warmup"):
        scheduler.initialize_decay_phase()
    scheduler.seek(6)
    assert scheduler.initialize_decay_phase(2) == lr_of(optimizer) == 1.0
    assert [scheduler.step() for _ in range(3)] == [0.75, 0.5, 0.5]
    assert [scheduler.get_phase(step) for step in (1, 5, 6, 9)] == ["warmup", "stable", "decay", "decay"]
    with pytest.raises(ValueError, match="initialize_decay_phase must come in the stable phase, got step 9: decay"):
        scheduler.initialize_decay_phase(2)
    with pytest.raises(ValueError, match="extend_stable_phase must come before the decay, got step 9, which is in it"):
        scheduler.extend_stable_phase(1)
    assert scheduler.state_dict()["events"] == [[6, "decay", {"steps": 2, "floor": 0.5, "shape": "cosine"}]]


def test_a_decay_can_come_early_and_takes_the_constructors_steps() -> None:
    early = lrk.WSDScheduler(None, 1, 100, 4, 1.0)
    early.seek(2)
    early.initialize_decay_phase()
    assert early.to_schedule().values(8).tolist() == [0.0, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0]


@pytest.mark.parametrize("policy", ["config", "checkpoint", "strict"])
def test_decisions_survive_state_and_pickle(policy: str) -> None:
    first = lrk.WSDScheduler(None, 4, 10, 6, 1.0, 0.1)
    first.extend_stable_phase(5)
    first.seek(12)
    first.extend_stable_phase(3)
    first.seek(15)
    first.initialize_decay_phase(3)
    state = json.loads(json.dumps(first.state_dict()))
    config = (4, 10, 6, 1.0, 0.1) if policy != "checkpoint" else (1, 50, 9, 0.5)
    second = lrk.WSDScheduler(None, *config)
    assert bool(second.load_state_dict(state, policy)) == (policy == "checkpoint")
    for other in (second, pickle.loads(pickle.dumps(first)), copy.deepcopy(first)):
        assert other.to_schedule() == first.to_schedule()
        assert [other.get_phase(k) for k in range(25)] == [first.get_phase(k) for k in range(25)]
        assert other.state_dict() == first.state_dict()


def test_a_decay_after_a_checkpoint_is_the_checkpoints() -> None:
    for shape in ("linear", "cosine", "1-sqrt"):
        timed = lrk.WSDScheduler(None, 2, 10, 4, 1.0, 0.5, shape)
        state = timed.state_dict()
        for policy, floor in (("checkpoint", 0.5), ("config", 0.0)):
            other = lrk.WSDScheduler(None, 1, 20, 9, 1.0, 0.0, "linear" if shape == "cosine" else "cosine")
            other.load_state_dict(state, policy)
            other.seek(3)
            other.initialize_decay_phase()
            told = {"steps": 4, "floor": 0.5, "shape": shape}
            assert (other.state_dict()["events"] == [[3, "decay", told]]) == (policy == "checkpoint")
            assert other.to_schedule()(1000) == floor
    endless = lrk.WSDScheduler(None, 2, None, 4, 1.0, 0.5)
    other = lrk.WSDScheduler(None, 2, None, 8, 1.0, 0.0, "cosine")
    other.load_state_dict(endless.state_dict(), "checkpoint")
    other.seek(3)
    other.initialize_decay_phase()
    assert other.state_dict()["events"] == [[3, "decay", {"steps": 8, "floor": 0.5, "shape": "cosine"}]]


# ---- restarts ----


def test_cycles() -> None:
    scheduler = lrk.CosineRestartScheduler(None, 1.0, cycle_length=5, cycle_mult=1.5, warmup_steps=2)
    told = [tuple(scheduler.get_cycle_info(step).values()) for step in (0, 1, 2, 6, 7, 13, 14, 25, 41)]
    assert told == [(0, 0, 5), (0, 0, 5), (0, 0, 5), (0, 4, 5), (1, 0, 7), (1, 6, 7), (2, 0, 11), (3, 0, 16), (4, 0, 25)]
    assert list(scheduler.get_cycle_info()) == ["cycle_idx", "step_in_cycle", "cycle_length"]
    lengths = [3, 3, 3, 3, 4, 4, 5]
    slow = lrk.CosineRestartScheduler(None, 1.0, cycle_length=3, cycle_mult=1.1)
    assert [slow.get_cycle_info(sum(lengths[:k]))["cycle_length"] for k in range(7)] == lengths
    assert lrk.CosineRestartScheduler(None, 1.0, cycle_length=100, cycle_mult=1.15).get_cycle_info(100)["cycle_length"] == 114
    equal = lrk.CosineRestartScheduler(None, 1.0, cycle_length=10, warmup_steps=2.5)
    assert [tuple(equal.get_cycle_info(step).values()) for step in (2, 3, 12, 13, 10**12 + 3)] == [
        (0, 0, 10),
        (0, 0, 10),
        (0, 9, 10),
        (1, 0, 10),
        (10**11, 0, 10),
    ]


def test_cycles_follow_the_clock_and_the_checkpoint() -> None:
    first = lrk.CosineRestartScheduler(None, 1.0, cycle_length=10, cycle_mult=2.0)
    first.seek(15)
    first.reduce(0.5)
    first.extend(100)
    first.seek(120)
    assert first.get_cycle_info() == {"cycle_idx": 1, "step_in_cycle": 10, "cycle_length": 20}
    second = lrk.CosineRestartScheduler(None, 1.0, cycle_length=7)
    second.load_state_dict(first.state_dict(), "checkpoint")
    assert second.get_cycle_info() == first.get_cycle_info()


# ---- pickles ----

TEN_MILLION: list[Callable[[Any], lrk.Scheduler]] = [
    lambda o: lrk.StepScheduler(0.1, 10**6, optimizer=o),
    lambda o: lrk.CosineScheduler(0.1, 10**7, optimizer=o),
    lambda o: lrk.WarmupScheduler(0.1, 10**7, optimizer=o),
    lambda o: lrk.ChainedScheduler(lrk.WarmupScheduler(0.1, 10**6), lrk.CosineScheduler(0.1, 10**7), optimizer=o),
    lambda o: lrk.WarmupDecayScheduler(o, "cosine", 10**7, 10**6, 0.1, 0.01),
    lambda o: lrk.CosinePlateauScheduler(o, 10**7, None, 0.1, 10**6, [(50, 30), (85, 10)]),
    lambda o: lrk.WSDScheduler(o, 10**6, 8 * 10**6, 10**6, 0.1),
    lambda o: lrk.CosineRestartScheduler(o, 0.1, cycle_mult=2.0),
]


@pytest.mark.parametrize("make", TEN_MILLION)
def test_a_pickle_is_small_and_the_same_run(make: Callable[[Any], lrk.Scheduler]) -> None:
    scheduler = make(optimizer_of(0.1))
    scheduler.seek(5 * 10**6)
    data = pickle.dumps(scheduler)
    assert len(data) < 2048
    again = pickle.loads(data)
    assert type(again) is type(scheduler)
    assert (again.schedule, again.step(), again.get_last_lr()) == (scheduler.schedule, scheduler.step(), scheduler.get_last_lr())


def test_a_large_table_pickles_as_it_is() -> None:
    large = lrk.from_values(np.random.default_rng(1).random(200_000))
    data = pickle.dumps(large, protocol=5)
    assert len(data) < len(large.to_bytes()) + 200
    assert pickle.loads(data) == large


# ---- arguments ----

BAD: list[tuple[Callable[[], object], type[Exception], str]] = [
    (lambda: lrk.StepScheduler(0.0, 10), ValueError, "initial_lr must be > 0, got 0.0"),
    (lambda: lrk.StepScheduler(True, 10), TypeError, "initial_lr must be a real number, got True"),
    (lambda: lrk.StepScheduler(0.1, 0), ValueError, "step_size must be >= 1, got 0"),
    (lambda: lrk.StepScheduler(0.1, 2**53), ValueError, "step_size must be < 2^53, got 9007199254740992"),
    (lambda: lrk.StepScheduler(0.1, 10, 0), ValueError, "gamma must be > 0, got 0"),
    (lambda: lrk.StepScheduler(0.1, 10, 1.5), ValueError, "gamma must be <= 1, got 1.5"),
    (lambda: lrk.CosineScheduler(NAN, 10), ValueError, "initial_lr must be finite, got nan"),
    (lambda: lrk.CosineScheduler(0.1, 0), ValueError, "total_steps must be > 0, got 0"),
    (lambda: lrk.CosineScheduler(0.1, 10, -1), ValueError, "min_lr must be >= 0, got -1"),
    (lambda: lrk.CosineScheduler(0.1, 10, 0.2), ValueError, "min_lr must be <= initial_lr, got 0.2 > 0.1"),
    (
        lambda: lrk.CosineScheduler(0.1, 10, optimizer=3),
        TypeError,
        "optimizer must have param_groups or set_lr, or be callable, got 3",
    ),
    (lambda: lrk.WarmupScheduler(0, 10), ValueError, "target_lr must be > 0, got 0"),
    (lambda: lrk.WarmupScheduler(0, 10, "geometric"), ValueError, "target_lr must be > 0, got 0"),
    (lambda: lrk.WarmupScheduler(0.1, -5), ValueError, "warmup_steps must be >= 0, got -5"),
    (
        lambda: lrk.WarmupScheduler(0.1, 10, "cubic"),
        ValueError,
        "strategy must be one of linear, quadratic, geometric, exponential, got",
    ),
    (lambda: lrk.WarmupScheduler(0.1, 10, None), TypeError, "strategy must be a string, got None"),  # type: ignore[arg-type]
    (lambda: lrk.WarmupScheduler(0.1, 10, "linear", 0.2), ValueError, "initial_lr must be <= target_lr, got 0.2 > 0.1"),
    (
        lambda: lrk.WarmupScheduler(0.1, 10, "geometric", 0),
        ValueError,
        "initial_lr must be > 0 and < target_lr for a geometric warm-up",
    ),
    (lambda: lrk.WarmupScheduler(0.1, 10, "geometric", 0.1), ValueError, "initial_lr must be > 0 and < target_lr for a geometric"),
    (lambda: lrk.WarmupScheduler.from_epochs(0.1, -1, 5), ValueError, "warmup_epochs must be >= 0, got -1"),
    (lambda: lrk.WarmupScheduler.from_epochs(0.1, 1, 0), ValueError, "steps_per_epoch must be >= 1, got 0"),
    (lambda: lrk.ChainedScheduler(3, lrk.constant(1.0)), TypeError, "warmup must be a schedule, or a scheduler"),  # type: ignore[arg-type]
    (
        lambda: lrk.ChainedScheduler(lrk.constant(1.0), lrk.Scheduler({"lr": lrk.constant(1.0)})),
        TypeError,
        "main_scheduler must be a schedule, or a scheduler of the learning rate alone, got <Scheduler",
    ),
    (
        lambda: lrk.ChainedScheduler(lrk.constant(1.0), lrk.CosinePlateauScheduler(optimizer_of(0.1), 10)),
        ValueError,
        "main_scheduler must not be relative to the groups of its optimizer, got <CosinePlateauScheduler",
    ),
    (
        lambda: lrk.ChainedScheduler(lrk.exponential(1.0, 0.9), lrk.constant(1.0)),
        ValueError,
        "transition_step must be given for a warm-up that never ends, got exponential",
    ),
    (lambda: lrk.ChainedScheduler(lrk.constant(1.0), lrk.constant(1.0), -1), ValueError, "transition_step must be >= 0, got -1"),
    (
        lambda: lrk.WarmupDecayScheduler(None, "step", 10, 1, 1, 1),
        ValueError,
        "schedule must be one of cosine, linear, constant, got 'step'",
    ),
    (lambda: lrk.WarmupDecayScheduler(None, "linear", 0, 0, 1, 1), ValueError, "training_steps must be > 0, got 0"),
    (lambda: lrk.WarmupDecayScheduler(None, "linear", 9.5, 0, 1, 1), ValueError, "training_steps must be a whole number, got 9.5"),
    (lambda: lrk.WarmupDecayScheduler(None, "linear", 9, -1, 1, 1), ValueError, "warmup_steps must be >= 0, got -1"),
    (
        lambda: lrk.WarmupDecayScheduler(None, "linear", 9, 10, 1, 1),
        ValueError,
        "warmup_steps must be <= training_steps, got 10 > 9",
    ),
    (lambda: lrk.WarmupDecayScheduler(None, "linear", 9, 1, 0, 1), ValueError, "max_lr must be > 0, got 0"),
    (lambda: lrk.WarmupDecayScheduler(None, "linear", 9, 1, 1, 0), ValueError, "min_lr must be > 0, got 0"),
    (lambda: lrk.WarmupDecayScheduler(None, "linear", 9, 1, 1, 2), ValueError, "min_lr must be <= max_lr, got 2.0 > 1"),
    (lambda: decaying(None).step(-1), ValueError, "step must be >= 0, got -1"),
    (lambda: decaying(None).step(1.5), ValueError, "step must be a whole number, got 1.5"),
    (lambda: decaying(3).step(1), TypeError, "optimizer must have param_groups or set_lr, or be callable, got 3"),
    (lambda: lrk.CosinePlateauScheduler(None, 10), ValueError, "optimizer must be given where the schedule is relative"),
    (lambda: lrk.CosinePlateauScheduler(None, 0, 1.0), ValueError, "total_steps must be > 0, got 0"),
    (lambda: lrk.CosinePlateauScheduler(None, 10, -1.0), ValueError, "base_lr must be >= 0, got -1.0"),
    (lambda: lrk.CosinePlateauScheduler(None, 10, 1.0, -0.1), ValueError, "min_lr_ratio must be >= 0, got -0.1"),
    (lambda: lrk.CosinePlateauScheduler(None, 10, 1.0, 1.1), ValueError, "min_lr_ratio must be <= 1, got 1.1"),
    (lambda: lrk.CosinePlateauScheduler(None, 10, 1.0, 0, 11), ValueError, "warmup_steps must be <= total_steps, got 11 > 10"),
    (lambda: lrk.CosinePlateauScheduler(None, 10, 1.0, last_epoch=-2), ValueError, "last_epoch must be >= -1, got -2"),
    (lambda: paused([(150, 10)]), ValueError, "plateau_steps position must be in [0, 100] percent, got 150"),
    (lambda: paused([(10, 150)]), ValueError, "plateau_steps duration must be in [0, 100] percent, got 150"),
    (lambda: paused([(NAN, 10)]), ValueError, "plateau_steps position must be finite, got nan"),
    (lambda: paused([(50, 30), (60, 10)]), ValueError, "plateau_steps must not overlap, got steps 500 to 800 and one from 600"),
    (lambda: paused([(90, 20)]), ValueError, "plateau_steps must end by 1000 steps after the warm-up, got 1100"),
    (lambda: paused([5]), TypeError, "plateau_steps must be pairs (position, duration), got 5"),
    (lambda: paused("x"), TypeError, "plateau_steps must be a sequence of (position, duration), got 'x'"),
    (lambda: lrk.WSDScheduler(None, -1, 1, 1, 1), ValueError, "warmup_steps must be >= 0, got -1"),
    (lambda: lrk.WSDScheduler(None, 1, -1, 1, 1), ValueError, "stable_steps must be >= 0, got -1"),
    (lambda: lrk.WSDScheduler(None, 1, NAN, 1, 1), ValueError, "stable_steps must be finite, got nan"),
    (lambda: lrk.WSDScheduler(None, 1, "1", 1, 1), TypeError, "stable_steps must be a real number, "),  # type: ignore[arg-type]
    (lambda: lrk.WSDScheduler(None, 1, 1, 0, 1), ValueError, "decay_steps must be > 0, got 0"),
    (lambda: lrk.WSDScheduler(None, 1, 1, 1, 0), ValueError, "peak_lr must be > 0, got 0"),
    (lambda: lrk.WSDScheduler(None, 1, 1, 1, 1, 2), ValueError, "min_lr must be <= peak_lr, got 2 > 1"),
    (
        lambda: lrk.WSDScheduler(None, 1, 1, 1, 1, 0, "step"),
        ValueError,
        "decay_type must be one of linear, cosine, 1-sqrt, sqrt, got 'step'",
    ),
    (lambda: lrk.WSDScheduler(None, 1, 1, 1, 1).extend_stable_phase(0), ValueError, "n must be >= 1, got 0"),
    (lambda: lrk.WSDScheduler(None, 0, 1, 1, 1).initialize_decay_phase(0), ValueError, "decay_steps must be > 0, got 0"),
    (lambda: lrk.CosineRestartScheduler(None, 0), ValueError, "peak_lr must be > 0, got 0"),
    (lambda: lrk.CosineRestartScheduler(None, 1, 2), ValueError, "min_lr must be <= peak_lr, got 2 > 1"),
    (lambda: lrk.CosineRestartScheduler(None, 1, 0, 0), ValueError, "cycle_length must be > 0, got 0"),
    (lambda: lrk.CosineRestartScheduler(None, 1, 0, 0.5), ValueError, "cycle_length must be >= 1, got 0.5"),
    (lambda: lrk.CosineRestartScheduler(None, 1, 0, 10, 0), ValueError, "cycle_mult must be > 0, got 0"),
    (lambda: lrk.CosineRestartScheduler(None, 1, 0, 10, 0.5), ValueError, "cycle_mult must be 1 or >= 1.01, got 0.5"),
    (lambda: lrk.CosineRestartScheduler(None, 1, 0, 10, 1, -1), ValueError, "warmup_steps must be >= 0, got -1"),
]


def paused(plateaus: Any) -> lrk.CosinePlateauScheduler:
    return lrk.CosinePlateauScheduler(None, 1000, 1.0, plateau_steps=plateaus)


@pytest.mark.parametrize(("call", "error", "message"), BAD, ids=[message for _, _, message in BAD])
def test_bad_arguments(call: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        call()


@pytest.mark.parametrize(
    "make",
    [
        lambda o: lrk.CosineScheduler(0.1, 10, 0.2, optimizer=o),
        lambda o: lrk.WarmupDecayScheduler(o, "constant", 10, 11, 1.0, 0.5),
        lambda o: lrk.CosinePlateauScheduler(o, 10, plateau_steps=[(50, 30), (60, 10)]),
        lambda o: lrk.WSDScheduler(o, 1, 1, 1, 1.0, 2.0),
        lambda o: lrk.CosineRestartScheduler(o, 1.0, cycle_mult=0.5),
    ],
)
def test_nothing_is_written_on_an_error(make: Callable[[Any], object]) -> None:
    optimizer = optimizer_of(0.5)
    with pytest.raises(ValueError, match="must"):
        make(optimizer)
    assert optimizer.param_groups == [{"lr": 0.5}]


@pytest.mark.parametrize(
    ("scheduler", "other", "said"),
    [
        (lrk.WSDScheduler(None, 5, 10, 5, 1.0), lrk.StepScheduler(0.1, 5), "step"),
        (lrk.CosineRestartScheduler(None, 1.0), lrk.WSDScheduler(None, 5, 10, 5, 1.0), "constant, hold, linear"),
        (lrk.StepScheduler(0.1, 5), lrk.Scheduler({"lr": lrk.constant(1.0)}), "hyperparameters"),
    ],
)
def test_a_checkpoint_that_the_methods_could_not_read_is_refused(scheduler: lrk.Scheduler, other: lrk.Scheduler, said: str) -> None:
    before = scheduler.state_dict()
    message = f"^state schedule must be one of a {type(scheduler).__name__}, got {said}$"
    with pytest.raises(ValueError, match=message):
        scheduler.load_state_dict(other.state_dict(), policy="checkpoint")
    assert scheduler.state_dict() == before
    scheduler.load_state_dict(other.state_dict())  # its own schedule, the other's position
