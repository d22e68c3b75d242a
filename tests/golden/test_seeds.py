"""The golden values of four published schedulers, through the functions that stand for them."""

from collections.abc import Callable
from typing import Any

import pytest
from seeds import CASES, CONTRAST, PAST_END, RULED, asked, check, golden, numbers

import lrkernel as lrk


def plateau(c: dict[str, Any]) -> lrk.Schedule:
    plateaus = [tuple(pair) for pair in c.get("plateaus", [])]
    return lrk.cosine_plateau(c["base"], c["total"], c.get("warmup", 0), plateaus, c["min_ratio"])


def system_b(c: dict[str, Any]) -> lrk.Schedule:
    if c["schedule"] == "constant":
        return lrk.constant(c["max_lr"])
    build = {"cosine": lrk.warmup_cosine, "linear": lrk.warmup_linear}[c["schedule"]]
    return build(c["max_lr"], c["warmup_steps"], c["training_steps"], floor=c["min_lr"])


def system_d_wsd(c: dict[str, Any]) -> lrk.Schedule:
    shape = "1-sqrt" if c["kind"] == "sqrt" else c["kind"]
    lo = c["lo"]
    return lrk.wsd(c["peak"], c["warmup"], c["stable"], c["decay"], lo, init=lo, decay_shape=shape)


BUILD: dict[str, Callable[[dict[str, Any]], lrk.Schedule]] = {
    "a_step": lambda c: lrk.step(c["base_lr"], c["step_size"], c["gamma"]),
    "a_cosine": lambda c: lrk.cosine(c["base_lr"], c.get("eta_min", 0.0), c["t_max"]),
    "a_warmup_linear": lambda c: lrk.linear(c.get("initial", 0.0), c["target"], c["w"]),
    "a_warmup_quadratic": lambda c: lrk.power_ramp(0.0, c["target"], c["w"], 2),
    "a_warmup_geometric": lambda c: lrk.geometric(c["target"] / 1000, c["target"], c["w"]),
    "a_warmup_geometric_explog": lambda c: lrk.geometric(c["target"] / 1000, c["target"], c["w"]),
    "a_warmup_cosine": lambda c: lrk.warmup_cosine(c["base_lr"], c["w"], c["t_max"]),
    "a_warmup_step": lambda c: lrk.linear(0.0, c["base_lr"], c["w"]).then(lrk.step(c["base_lr"], c["step_size"], c["gamma"])),
    "a_chained_relative": lambda c: lrk.linear(0.0, c["target"], c["w"]).then(lrk.cosine(c["target"], 0.0, c["total"])),
    "a_exponential": lambda c: lrk.exponential(c["base_lr"], c["gamma"]),
    "a_multistep": lambda c: lrk.multistep(c["base_lr"], c["milestones"], c["gamma"]),
    "b_scheduler": system_b,
    "c_lr": plateau,
    "d_wsd": system_d_wsd,
    "d_restart": lambda c: lrk.cosine_restarts(c["peak"], c["cycle_length"], c.get("cycle_mult", 1.0), c["lo"], c.get("warmup", 0)),
}


def test_every_case_is_here() -> None:
    assert len(CASES) == 41
    assert len(RULED) == 36
    assert {case["case"] for case in CASES} >= {*CONTRAST, PAST_END}
    assert {case["function"] for case in RULED} == set(BUILD)
    exact = [row for c in RULED for row in c["rows"] if golden(row) in numbers(c["config"])]
    assert len(exact) >= 90


@pytest.mark.parametrize("case", RULED, ids=lambda case: case["case"])
def test_rows(case: dict[str, Any], level: str) -> None:
    schedule = BUILD[case["function"]](case["config"])
    check(case, schedule, lambda step: schedule(asked(case, step)))


@pytest.mark.parametrize("case", [case for case in RULED if case["system"] == "C"], ids=lambda c: c["case"])
def test_plateau_segments(case: dict[str, Any]) -> None:
    """The phases after the warm-up are the segments of system C, but for plateaus of no length."""
    config = case["config"]
    phases = [p for p in plateau(config).phases() if p.start >= config.get("warmup", 0)]
    segments = [s for s in case["segments_absolute"] if s["start"] < s["end"]]
    for phase, segment in zip(phases, segments, strict=True):
        assert (phase.start, phase.stop) == (segment["start"], segment["end"])
        assert phase.first == pytest.approx(segment["lr_start"], rel=4 * 2.0**-52)
        assert phase.last >= segment["lr_end"] * (1 - 4 * 2.0**-52)


def test_a_plateau_past_the_end_is_an_error() -> None:
    (case,) = [case for case in CASES if case["case"] == PAST_END]
    with pytest.raises(ValueError, match="plateaus"):
        plateau(case["config"])


def test_restart_cycles() -> None:
    """Each row's cycle starts at the peak exactly where the source system says."""
    for case in (case for case in RULED if case["function"] == "d_restart"):
        schedule = BUILD["d_restart"](case["config"])
        for row in case["rows"]:
            first = row["step"] - row["step_in_cycle"]
            if row["step"] >= case["config"].get("warmup", 0):
                assert schedule(first) == case["config"]["peak"]
                assert schedule(first + row["cycle_len"]) == case["config"]["peak"]
