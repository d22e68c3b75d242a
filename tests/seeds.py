"""seeds - the golden values of four published schedulers, and how near a curve must come to them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ulp import bits

import lrkernel as lrk

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "golden" / "seeds.json").read_text())["cases"]

# Not what the library does, on purpose: a cosine that rises again past its end, a second schedule
# on the global clock, a pi of five digits, a formula that a README prints and its code does not do.
CONTRAST = {
    "a_cosine_seed_unclamped",
    "a_chained_global",
    "b_cosine(pi=3.14159 as in the code)",
    "c_readme_V1_global(CONTRAST, not the code)",
}
PAST_END = "c_past_end"  # a plateau that leaves the run: an error here
RULED = [case for case in CASES if case["case"] not in {*CONTRAST, PAST_END}]


def asked(case: dict[str, Any], step: int) -> int:
    """System B reads step 0 of a warm-up as step 1."""
    config = case["config"]
    ramps = case["system"] == "B" and config["schedule"] != "constant" and config["warmup_steps"] > 0
    return max(step, 1) if ramps else step


def numbers(config: dict[str, Any]) -> set[float]:
    """The values that a configuration names: curves pass through them exactly."""
    named = {float(v) for v in config.values() if isinstance(v, float)} | {0.0}
    if "min_ratio" in config:
        named.add(config["base"] * config["min_ratio"])
    return named


def golden(row: dict[str, Any]) -> float:
    return float.fromhex(row["hex"])


def check(case: dict[str, Any], schedule: lrk.Schedule, at: Callable[[int], float]) -> None:
    """Each row within 4 * 2^-52 of the larger end of its segment; what the configuration names, exactly."""
    phases = schedule.phases()
    for row in case["rows"]:
        step, wanted = asked(case, row["step"]), golden(row)
        got = at(row["step"])
        inside = [phase for phase in phases if phase.start <= step]
        tolerance = 4 * 2.0**-52 * max(abs(inside[-1].first), abs(inside[-1].last), abs(wanted))
        assert abs(got - wanted) <= tolerance, f"step {step}: {got.hex()}, golden {row['hex']}"
        if wanted in numbers(case["config"]):
            assert bits([got]) == bits([wanted]), f"step {step}: {got.hex()}, golden {row['hex']}"
