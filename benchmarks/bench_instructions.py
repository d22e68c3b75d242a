"""The budget of instructions.py is complete, and its comparison sees 2 percent; callgrind itself runs in .ci/run."""

import json

import pytest
from instructions import BUDGET, COMPILER, LEVELS, WAYS, differences, flags, written
from works import CURVES


def test_the_budget_has_one_line_for_every_curve_and_level() -> None:
    text = BUDGET.read_text("utf-8")
    budgets = json.loads(text)
    assert written(budgets) == text
    assert f"{COMPILER} x86_64" in budgets
    for budget in budgets.values():
        assert list(budget) == [f"{name} {level}" for name in CURVES for level in LEVELS]
        for row in budget.values():
            assert list(row) == list(WAYS)
            assert min(row.values()) > 0.1


def test_contraction_is_off() -> None:
    assert "-ffp-contract=off" in flags()


@pytest.mark.parametrize(
    ("got", "said"),
    [
        (10.0, []),
        (10.19, []),
        (9.81, []),
        (10.21, ["cosine v3, float32: 10.210 instructions per step, budget 10.000 (+2.1%)"]),
        (9.79, ["cosine v3, float32: 9.790 instructions per step, budget 10.000 (-2.1%)"]),
    ],
)
def test_two_percent(got: float, said: list[str]) -> None:
    row = dict.fromkeys(WAYS, 10.0)
    assert differences({"cosine v3": row}, {"cosine v3": {**row, "float32": got}}) == said


def test_missing_counts() -> None:
    said = ["a, float64: in the budget, but not counted", "b, float64: not in the budget"]
    assert differences({"a": {"float64": 1.0}}, {"b": {"float64": 1.0}}) == said
