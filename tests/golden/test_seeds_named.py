"""The golden values of four published schedulers, through the schedulers named after them, read from a parameter group."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from seeds import CASES, PAST_END, RULED, check

import lrkernel as lrk

pytestmark = pytest.mark.filterwarnings("ignore:current_step .* is past training_steps:UserWarning")

Make = Callable[[dict[str, Any], Any], lrk.Scheduler]


def warmup(strategy: str) -> Make:
    return lambda c, o: lrk.WarmupScheduler(c["target"], c["w"], strategy, c.get("initial"), optimizer=o)


def chained(main: Callable[[dict[str, Any]], lrk.Scheduler], target: str) -> Make:
    return lambda c, o: lrk.ChainedScheduler(lrk.WarmupScheduler(c[target], c["w"]), main(c), optimizer=o)


def plateau(c: dict[str, Any], optimizer: Any) -> lrk.Scheduler:
    return lrk.CosinePlateauScheduler(
        optimizer,
        c["total"],
        min_lr_ratio=c["min_ratio"],
        warmup_steps=c.get("warmup", 0),
        plateau_steps=[tuple(pair) for pair in c.get("plateaus", [])],
    )


NAMED: dict[str, Make] = {
    "a_step": lambda c, o: lrk.StepScheduler(c["base_lr"], c["step_size"], c["gamma"], optimizer=o),
    "a_cosine": lambda c, o: lrk.CosineScheduler(c["base_lr"], c["t_max"], c.get("eta_min", 0.0), optimizer=o),
    "a_warmup_linear": warmup("linear"),
    "a_warmup_quadratic": warmup("quadratic"),
    "a_warmup_geometric": warmup("geometric"),
    "a_warmup_geometric_explog": warmup("exponential"),
    "a_warmup_cosine": chained(lambda c: lrk.CosineScheduler(c["base_lr"], c["t_max"] - c["w"]), "base_lr"),
    "a_warmup_step": chained(lambda c: lrk.StepScheduler(c["base_lr"], c["step_size"], c["gamma"]), "base_lr"),
    "a_chained_relative": chained(lambda c: lrk.CosineScheduler(c["target"], c["total"]), "target"),
    "a_exponential": lambda c, o: lrk.Scheduler(lrk.exponential(c["base_lr"], c["gamma"]), o),
    "a_multistep": lambda c, o: lrk.Scheduler(lrk.multistep(c["base_lr"], c["milestones"], c["gamma"]), o),
    "b_scheduler": lambda c, o: lrk.WarmupDecayScheduler(o, **c),
    "c_lr": plateau,
    "d_wsd": lambda c, o: lrk.WSDScheduler(o, c["warmup"], c["stable"], c["decay"], c["peak"], c["lo"], c["kind"]),
    "d_restart": lambda c, o: lrk.CosineRestartScheduler(
        o, c["peak"], c["lo"], c["cycle_length"], c.get("cycle_mult", 1.0), c.get("warmup", 0)
    ),
}
STEPPED = 60_000  # as far as the steps are taken one by one


def optimizer_of(case: dict[str, Any]) -> Any:
    """One group, at the base lr where a scheduler begins from it."""
    return SimpleNamespace(param_groups=[{"lr": case["config"].get("base", 0.5)}])


def test_every_function_has_its_scheduler() -> None:
    assert set(NAMED) == {case["function"] for case in RULED}


@pytest.mark.parametrize("case", RULED, ids=lambda case: case["case"])
def test_rows_of_a_group(case: dict[str, Any]) -> None:
    optimizer = optimizer_of(case)
    scheduler = NAMED[case["function"]](case["config"], optimizer)
    go = scheduler.step if isinstance(scheduler, lrk.WarmupDecayScheduler) else scheduler.seek

    def at(step: int) -> float:
        go(step)
        lr: float = optimizer.param_groups[0]["lr"]
        return lr

    curve = scheduler.to_schedule()
    check(case, curve if case["system"] != "C" else curve * case["config"]["base"], at)


@pytest.mark.parametrize("case", RULED, ids=lambda case: case["case"])
def test_step_by_step_is_the_same(case: dict[str, Any]) -> None:
    optimizer, other = optimizer_of(case), optimizer_of(case)
    scheduler = NAMED[case["function"]](case["config"], optimizer)
    rows = {row["step"] for row in case["rows"] if 0 < row["step"] <= STEPPED}
    assert rows
    sought = NAMED[case["function"]](case["config"], other)
    for step in range(1, max(rows) + 1):
        scheduler.step()
        if step in rows:
            sought.seek(step)
            assert optimizer.param_groups[0]["lr"].hex() == other.param_groups[0]["lr"].hex()


def test_groups_keep_their_own_peak() -> None:
    first, second = (next(case for case in RULED if case["case"] == f"c_group{k}") for k in (0, 1))
    optimizer = SimpleNamespace(param_groups=[{"lr": 0.1}, {"lr": 0.01}])
    scheduler = plateau(first["config"], optimizer)
    for index, case in enumerate((first, second)):

        def at(step: int, index: int = index) -> float:
            scheduler.seek(step)
            lr: float = optimizer.param_groups[index]["lr"]
            return lr

        check(case, scheduler.to_schedule() * case["config"]["base"], at)


def test_a_plateau_past_the_end_is_an_error() -> None:
    (case,) = [case for case in CASES if case["case"] == PAST_END]
    with pytest.raises(ValueError, match="plateau_steps must end by 1000 steps"):
        plateau(case["config"], optimizer_of(case))


def test_restart_cycles_are_told() -> None:
    for case in (case for case in RULED if case["function"] == "d_restart"):
        scheduler = NAMED["d_restart"](case["config"], None)
        assert isinstance(scheduler, lrk.CosineRestartScheduler)
        for row in case["rows"]:
            told = {"cycle_idx": row["cycle_idx"], "step_in_cycle": row["step_in_cycle"], "cycle_length": row["cycle_len"]}
            assert scheduler.get_cycle_info(row["step"]) == told
