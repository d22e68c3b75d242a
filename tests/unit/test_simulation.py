"""Laws, bounds and searches: small values, shapes, every refusal."""

import dataclasses
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import lrkernel as lrk
from lrkernel import simulation
from lrkernel.simulation import Annealing, MultiPower, PowerLaw, kernel_sum, last_iterate_bound, optimal_peak, optimize

MULTI = MultiPower(L0=2.0, A=1.0, alpha=1.0, B=10.0, C=2.0, beta=1.0, gamma=0.0)
ANNEALING = Annealing(L0=2.0, A=1.0, alpha=1.0, C=0.5, decay=0.5)
DOWN = lrk.linear(0.4, 0.0, 4)  # 0.4, 0.3, 0.2, 0.1, 0


# ---- laws by eye ----


def test_multi_power_by_eye() -> None:
    assert MULTI.predict(lrk.constant(0.5), 3) == 2.5
    # S = 0.4 + 0.3; one fall of 0.1, behind which the sum is 0.3: 1 - 1 / (1 + 2 * 0.3) = 3/8
    assert MULTI.predict(DOWN, 1) == pytest.approx(2.0 + 1.0 / 0.7 - 10.0 * 0.1 * 0.375, rel=1e-15)
    rising = lrk.linear(0.1, 0.2, 1)
    assert MULTI.predict(rising, 1) == pytest.approx(2.0 + 1.0 / 0.3 + 10.0 * 0.1 * (1.0 - 1.0 / 1.4), rel=1e-15)
    assert MULTI.predict(DOWN, 1, area_before=0.3) == pytest.approx(3.0 - 10.0 * 0.1 * 0.375, rel=1e-15)


def test_annealing_by_eye() -> None:
    assert ANNEALING.predict(lrk.constant(0.5), 3) == 2.5
    # momenta 0.1 and 0.5 * 0.1 + 0.1
    assert ANNEALING.predict(DOWN, 2) == pytest.approx(2.0 + 1.0 / 0.9 - 0.5 * 0.25, rel=1e-15)
    assert ANNEALING.predict(DOWN, 2, area_before=0.1) == pytest.approx(3.0 - 0.5 * 0.25, rel=1e-15)


def test_a_schedule_that_reaches_0_has_the_limit() -> None:
    law = dataclasses.replace(MULTI, gamma=0.5)
    near = law.predict(lrk.from_values([0.4, 1e-280, 0.2]), 2)
    assert law.predict(lrk.from_values([0.4, 0.0, 0.2]), 2) == pytest.approx(near, rel=1e-13)
    assert law.predict(lrk.from_values([0.4, 0.0]), 1) == pytest.approx(2.0 + 1.0 / 0.4 - 10.0 * 0.4, rel=1e-15)
    assert MULTI.predict(lrk.from_values([0.4, 0.0]), 1) == pytest.approx(4.5, rel=1e-15)  # without the power no limit: 1 - 1
    flat = lrk.from_values([0.4, 0.0, 0.0, 0.0])
    assert law.predict(flat, 3) == law.predict(flat, 1)
    steps = np.arange(60_000)
    for one in (law, direct_law()):
        for schedule in (lrk.warmup_cosine(3e-4, 100, 50_000), lrk.wsd(3e-4, 100, 40_000, 9900, decay_shape="1-sqrt")):
            losses = one.predict(schedule, steps[1::500])
            assert np.isfinite(losses).all()


def direct_law() -> MultiPower:
    return MultiPower(L0=3.0, A=0.5, alpha=0.5, B=400.0, C=2.0, beta=0.6, gamma=0.65)


def test_nothing_learnt_is_an_infinite_loss() -> None:
    assert MULTI.predict(lrk.linear(0.0, 1.0, 10), 0) == math.inf
    assert ANNEALING.predict(lrk.constant(0.0), 100) == math.inf
    assert dataclasses.replace(MULTI, A=0.0).predict(lrk.constant(0.0), 9) == 2.0
    assert dataclasses.replace(MULTI, alpha=0.0).predict(lrk.constant(0.0), 9) == 3.0


@pytest.mark.parametrize("law", [MULTI, ANNEALING], ids=lambda law: law.name)
def test_shapes_of_predictions(law: simulation.Law) -> None:
    batch = lrk.sweep(lrk.linear, start=[0.4, 0.8, 1.0], stop=0.0, steps=[[4], [400]])
    assert type(law.predict(DOWN, 2)) is float
    assert type(law.predict(DOWN, np.int32(2))) is float
    assert law.predict(DOWN, [2]).shape == (1,)
    assert law.predict(DOWN, []).shape == (0,)
    assert law.predict(DOWN, [[1, 2], [2, 1], [3, 3]]).shape == (3, 2)
    assert law.predict(batch, 3).shape == (2, 3)
    many = law.predict(batch, [[1, 2, 3, 300]])
    assert many.shape == (2, 3, 1, 4)
    assert many[0, 0, 0, 1] == law.predict(DOWN, 2)
    for threads in (1, 2, 7):
        assert np.array_equal(law.predict(batch, np.arange(1, 100), threads=threads), law.predict(batch, np.arange(1, 100)))
    assert [law.predict(schedule, 50) for schedule in batch.schedules] == law.predict(batch, 50).ravel().tolist()


def test_an_array_is_its_values() -> None:
    curve = lrk.warmup_cosine(3e-4, 200, 5000, floor=1e-5)
    array = lrk.from_values(curve.values(5000))
    for law in (direct_law(), ANNEALING):
        assert np.allclose(law.predict(curve, range(1, 5000, 37)), law.predict(array, range(1, 5000, 37)), rtol=1e-13, atol=0.0)


@pytest.mark.parametrize(
    ("schedule", "steps", "error", "message"),
    [
        (lrk.linear(0.1, -0.1, 10), 9, ValueError, r"^schedule must be >= 0 at every step, got linear\(0.1, -0.1, 10\)$"),
        (lrk.linear(-0.1, 0.1, 10), [1], ValueError, "^schedule must be >= 0 at every step, got linear"),
        (lrk.constant(1e308), 10**9, ValueError, r"^schedule must have sums within float64, got constant\(1e\+308\)$"),
        (lrk.constant(1e308), [2, 10], ValueError, r"^schedule must have sums within float64, got constant\(1e\+308\)$"),
        (DOWN, -1, ValueError, "^step must be >= 0, got -1$"),
        (DOWN, 2.5, ValueError, "^step must be a whole number, got 2.5$"),
        (DOWN, 2**63 - 1, ValueError, r"^steps must be >= 0 and < 2\^63 - 1, got 9223372036854775807$"),
        (DOWN, True, TypeError, "^step must be an integer or an array of integers, got True$"),
        ([0.1, 0.2], 1, TypeError, r"^schedule must be a schedule or a batch of schedules, got \[0.1, 0.2\]$"),
    ],
)
def test_refusals_of_predict(schedule: Any, steps: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        MULTI.predict(schedule, steps)


def test_refusals_of_areas() -> None:
    with pytest.raises(ValueError, match=r"^area_before must be >= 0, got -1$"):
        MULTI.predict(DOWN, 1, area_before=-1)
    with pytest.raises(ValueError, match=r"^threads must be >= 1, got 0$"):
        MULTI.predict(DOWN, 1, threads=0)


# ---- laws as objects ----


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"L0": math.nan}, ValueError, "^L0 must be finite, got nan$"),
        ({"A": -1.0}, ValueError, "^A must be >= 0, got -1.0$"),
        ({"C": 0}, ValueError, "^C must be > 0, got 0$"),
        ({"beta": "0.5"}, TypeError, "^beta must be a real number, got '0.5'$"),
        ({"gamma": True}, TypeError, "^gamma must be a real number, got True$"),
    ],
)
def test_refusals_of_multi_power(change: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        dataclasses.replace(MULTI, **change)


@pytest.mark.parametrize("decay", [0.0, 1.0, 1.5, -0.5])
def test_refusals_of_annealing(decay: float) -> None:
    with pytest.raises(ValueError, match=f"^decay must be > 0 and < 1, got {decay}$"):
        dataclasses.replace(ANNEALING, decay=decay)


@pytest.mark.parametrize("law", [MULTI, ANNEALING], ids=lambda law: law.name)
def test_a_law_is_a_value(law: Any) -> None:
    assert simulation.law_from_dict(law.to_dict()) == law == eval(repr(law))
    assert hash(type(law).from_dict(law.to_dict())) == hash(law)
    with pytest.raises(dataclasses.FrozenInstanceError):
        law.L0 = 1.0
    assert type(dataclasses.replace(law, L0=np.float32(2.0)).L0) is float


@pytest.mark.parametrize(
    ("mapping", "error", "message"),
    [
        ({}, ValueError, "^law must be one of multi-power, annealing, got none$"),
        ({"law": "power"}, ValueError, "^law must be one of multi-power, annealing, got 'power'$"),
        ({"law": 3}, TypeError, "^law must be a string, got 3$"),
        ([], TypeError, r"^law must be a mapping, got \[\]$"),
        ({"law": "annealing", "Lo": 1.0}, ValueError, "^parameters of annealing must be L0, A, alpha, C, decay, got 'Lo'$"),
        ({"law": "annealing", "L0": 1.0}, ValueError, "^A must be given for annealing, got law, L0$"),
        (ANNEALING.to_dict() | {"decay": 2}, ValueError, "^decay must be > 0 and < 1, got 2$"),
    ],
)
def test_refusals_of_mappings(mapping: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        simulation.law_from_dict(mapping)


def test_another_law_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^law must be 'multi-power', got 'annealing'$"):
        MultiPower.from_dict(ANNEALING.to_dict())


def test_files_of_laws(tmp_path: Path) -> None:
    path = tmp_path / "LAW.toml"
    path.write_text("\n".join(f"{key} = {value!r}" for key, value in MULTI.to_dict().items()), "utf-8")
    assert simulation.load_law(path) == MULTI
    for text, message in (("law = ", "Invalid value"), ('law = "x"', "law must be one of"), ("L0 = 1", "law must be one of")):
        path.write_text(text, "utf-8")
        with pytest.raises(ValueError, match=rf"LAW\.toml: {message}"):
            simulation.load_law(path)
    path.write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"LAW\.toml: 'utf-8'"):
        simulation.load_law(path)
    with pytest.raises(OSError, match="absent"):
        simulation.load_law(tmp_path / "absent.toml")


# ---- bounds ----


def test_bounds_by_eye() -> None:
    assert last_iterate_bound(lrk.constant(0.5), 1) == 0.5 / 0.5 + 0.5 * 0.5
    assert last_iterate_bound(lrk.constant(0.5), 2, distance=2.0) == 4.0 / 2.0 + 0.5 * (0.5 + 0.5)
    assert last_iterate_bound(lrk.constant(0.5), 2, gradient_norm=3.0) == 0.5 + 4.5
    assert last_iterate_bound(lrk.constant(0.5), 2, gradient_norm=[0.0, 2.0]) == 0.5 + 1.0
    assert last_iterate_bound(lrk.constant(0.5), 2, gradient_norm=PowerLaw(1.0, 0.5)) == pytest.approx(0.5 + 0.75, rel=1e-15)
    best = optimal_peak(lrk.constant(1.0), 2)
    assert best == (0.5, 1.0)


def test_a_last_step_of_0_bounds_nothing() -> None:
    assert last_iterate_bound(DOWN, 5) == math.inf
    assert last_iterate_bound(DOWN, 4) < math.inf
    assert last_iterate_bound(lrk.constant(0.0), 3) == math.inf
    assert last_iterate_bound(lrk.from_values([0.5, 0.0, 0.5]), 3) == pytest.approx(0.5 + 0.5 * (0.5 + 0.5), rel=1e-15)
    assert optimal_peak(DOWN, 5) == (0.0, math.inf)


def test_shapes_of_bounds() -> None:
    batch = lrk.sweep(lrk.constant, value=[0.5, 0.25])
    assert last_iterate_bound(batch, [[1, 2, 3]]).shape == (2, 1, 3)
    assert last_iterate_bound(batch, [1, 2], gradient_norm=np.ones(2)).tolist() == last_iterate_bound(batch, [1, 2]).tolist()
    assert optimal_peak(batch, 2).peak.tolist() == [1.0, 2.0]
    assert type(optimal_peak(DOWN, 2).bound) is float


@pytest.mark.parametrize("norm", [0.0, PowerLaw(0.0, -0.5), np.zeros(5)], ids=str)
def test_bounds_without_gradients_are_those_of_the_distance(norm: Any) -> None:
    assert last_iterate_bound(lrk.linear(1.0, 0.0, 4), 5, gradient_norm=norm) == 1.0 / (2.0 * 2.5)  # the last step is 0
    assert last_iterate_bound(lrk.linear(1.0, 0.0, 4), 4, gradient_norm=norm) == 1.0 / (2.0 * 2.5)
    assert optimal_peak(lrk.linear(1.0, 0.0, 4), 5, gradient_norm=norm) == (math.inf, 0.0)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"steps": 0}, ValueError, r"^steps must be >= 1 and < 2\^63 - 1, got 0$"),
        ({"distance": 0.0}, ValueError, "^distance must be > 0, got 0.0$"),
        ({"gradient_norm": -1.0}, ValueError, "^gradient_norm must be >= 0, got -1.0$"),
        ({"gradient_norm": "1"}, TypeError, "^gradient_norm must be a real number, got '1'$"),
        ({"gradient_norm": [1.0, -1.0, 1.0]}, ValueError, "^gradient_norm must be >= 0, got -1.0$"),
        ({"gradient_norm": [1.0, math.nan, 1.0]}, ValueError, "^gradient_norm must be finite, got nan$"),
        ({"gradient_norm": ["a"]}, TypeError, r"^gradient_norm must be real numbers, got \['a'\]$"),
        ({"gradient_norm": [1.0]}, ValueError, r"^gradient_norm must have one number for each of 3 steps, got the shape \(1,\)$"),
        ({"gradient_norm": PowerLaw(-1.0, 0.0)}, ValueError, "^gradient_norm must be >= 0, got -1.0$"),
        ({"gradient_norm": PowerLaw(1.0, math.inf)}, ValueError, "^gradient_norm.power must be finite, got inf$"),
        ({"schedule": lrk.linear(1.0, -1.0, 3)}, ValueError, "^schedule must be >= 0 at every step"),
    ],
)
def test_refusals_of_bounds(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    whole: dict[str, Any] = {"schedule": DOWN, "steps": 3} | arguments
    for function in (last_iterate_bound, optimal_peak):
        with pytest.raises(error, match=message):
            function(**whole)


# ---- kernels of one's own ----


def test_kernel_sums_in_torch_and_jax_have_gradients() -> None:
    run = lrk.warmup_cosine(1.0, 100, 10_000, floor=0.1)
    plain = kernel_sum(run, 9999, lambda lr: lr**2.0, lambda s: np.exp(-0.5 * s))
    assert type(plain) is float
    power = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    found = kernel_sum(run, 9999, lambda lr: lr**power, lambda s: torch.exp(-0.5 * s), convert=torch.from_numpy)
    assert float(found.detach()) == pytest.approx(plain, rel=1e-14)
    found.backward()
    with jax.enable_x64(True):

        def of_power(x: Any) -> Any:
            return kernel_sum(run, 9999, lambda lr: lr**x, lambda s: jnp.exp(-0.5 * s), convert=jnp.asarray)

        slope = jax.grad(of_power)(2.0)
    assert power.grad is not None
    assert float(slope) == pytest.approx(float(power.grad), rel=1e-12)


# ---- searches ----


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"law": "multi"}, TypeError, "^law must be a loss law, got 'multi'$"),
        ({"peak": 0.0}, ValueError, "^peak must be > 0, got 0.0$"),
        ({"steps": 0}, ValueError, "^steps must be >= 1, got 0$"),
        ({"warmup": -1}, ValueError, "^warmup must be >= 0, got -1$"),
        ({"warmup": 99}, ValueError, "^warmup must be < steps - 1, got 99$"),
        ({"warmup_counts": "half"}, ValueError, "^warmup_counts must be one of fully, area, got 'half'$"),
        ({"floor": 0.5}, ValueError, "^floor must be < peak, got 0.5$"),
        ({"knots": 3}, ValueError, "^knots must be >= 4, got 3$"),
        ({"family": "cosine"}, ValueError, "^family must be one of free, wsd, got 'cosine'$"),
        ({"bounds": {"decay": (1, 2)}}, ValueError, "^bounds must be left out where family is a name, got "),
        ({"family": lrk.cosine}, ValueError, "^bounds must name the arguments of family, got None$"),
        ({"family": lrk.cosine, "bounds": {"x": 3}}, TypeError, r"^bounds\['x'\] must be \(low, high\), got 3$"),
        ({"family": lrk.cosine, "bounds": {"x": (3, 3)}}, ValueError, r"^bounds\['x'\] must rise, got \(3, 3\)$"),
        ({"family": lambda x: x, "bounds": {"x": (1, 3)}}, TypeError, "^family must return a schedule, got 1.0$"),
    ],
)
def test_refusals_of_optimize(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    whole: dict[str, Any] = {"law": MULTI, "peak": 0.5, "steps": 100} | arguments
    with pytest.raises(error, match=message):
        optimize(**whole)


@pytest.mark.parametrize("warmup_counts", ["fully", "area"])
@pytest.mark.parametrize("family", ["free", "wsd"])
@pytest.mark.parametrize("law", [direct_law(), Annealing(3.0, 0.5, 0.5, 0.8, 0.99)], ids=lambda law: law.name)
def test_what_optimize_returns(law: simulation.Law, family: str, warmup_counts: str) -> None:
    best = optimize(law, peak=1e-3, steps=3000, warmup=300, family=family, floor=1e-5, warmup_counts=warmup_counts)
    whole = law.predict(best.schedule, 2999)
    curve = law.predict(lrk.from_values(best.schedule.values(300, 3000)), 2699, area_before=0.15)
    assert best.loss == pytest.approx(whole if warmup_counts == "fully" else curve, rel=1e-13)
    values = best.schedule.values(3000)
    assert values[:301].tolist() == pytest.approx((1e-3 * np.arange(301) / 300).tolist(), rel=1e-14)
    assert (np.diff(values[300:]) <= 0.0).all()
    assert values[300:].min() >= 1e-5
    others = [lrk.warmup_cosine(1e-3, 300, 3000, floor=1e-5), lrk.wsd(1e-3, 300, 2200, 500, floor=1e-5)]
    if warmup_counts == "fully":
        assert best.loss < min(law.predict(other, 2999) for other in others)


def test_a_family_of_ones_own() -> None:
    def half(decay: float) -> lrk.Schedule:
        return lrk.wsd(1e-3, 100, 1900 - decay, decay)

    best = optimize(direct_law(), peak=1e-3, steps=2000, family=half, bounds={"decay": (1, 1900)})
    assert best.schedule == half(**best.parameters)
    losses = [direct_law().predict(half(decay), 1999) for decay in range(1, 1900, 10)]
    assert best.loss <= min(losses) + 1e-9


# ---- fits ----

RUNS = [lrk.warmup_cosine(3e-4, 200, n, floor=3e-5) for n in (2000, 6000)] + [lrk.wsd(3e-4, 200, 4000, n) for n in (500, 1500)]
STEPS = [np.arange(400, int(run.length or 0), 150) for run in RUNS]


@pytest.mark.parametrize("law", [direct_law(), Annealing(3.0, 0.5, 0.5, 0.8, 0.99)], ids=lambda law: law.name)
def test_a_fit_finds_the_law_behind_exact_losses(law: Any) -> None:
    curves: list[Any] = [(run, steps, law.predict(run, steps)) for run, steps in zip(RUNS, STEPS, strict=True)]
    curves[1] = (RUNS[1].values(6000), *curves[1][1:])
    found = type(law).fit(iter(curves))
    for run, steps, losses in curves[2:]:
        assert np.abs(found.predict(run, steps) - losses).max() < 1e-5
    again = type(law).fit(curves, start=law, huber=1e-2, progress=True)
    assert np.abs(again.predict(RUNS[0], STEPS[0]) - curves[0][2]).max() < 1e-6


@pytest.mark.parametrize(
    ("curves", "error", "message"),
    [
        (3, TypeError, "^curves must be a sequence of curves, got 3$"),
        ([], ValueError, "^curves must have at least 7 points, got 0$"),
        ([(DOWN, [1, 2], [2.0, 1.0])], ValueError, "^curves must have at least 7 points, got 2$"),
        ([DOWN], TypeError, r"^curves\[0\] must be a schedule or array, steps and losses, got linear"),
        ([(DOWN, [1, 2], [2.0])], ValueError, r"^curves\[0\] must have one loss for each step, got the shapes \(2,\) and \(1,\)$"),
        ([(DOWN, [1], [0.0])], ValueError, r"^curves\[0\] must have losses > 0, got 0.0$"),
        ([(DOWN, [1], ["x"])], TypeError, r"^curves\[0\] must have real numbers as losses, got \['x'\]$"),
        ([(DOWN, [-1], [1.0])], ValueError, "^step must be >= 0, got -1$"),
    ],
)
def test_refusals_of_fit(curves: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        MultiPower.fit(curves)


def test_more_refusals_of_fit() -> None:
    curves = [(DOWN, [1] * 9, [2.0] * 9)]
    with pytest.raises(ValueError, match=r"^huber must be > 0, got 0$"):
        MultiPower.fit(curves, huber=0)
    with pytest.raises(TypeError, match=r"^start must be MultiPower, got Annealing"):
        MultiPower.fit(curves, start=ANNEALING)  # type: ignore[arg-type]


# ---- imports ----


def test_scipy_is_loaded_by_what_needs_it_and_named_where_it_is_missing() -> None:
    code = (
        "import sys; sys.modules['scipy'] = None; sys.modules['scipy.optimize'] = None\n"
        "import lrkernel as lrk; assert 'lrkernel.simulation' not in sys.modules\n"
        "from lrkernel.simulation import *\n"
        "law = Annealing(3.0, 0.5, 0.5, 0.8, 0.99); law.predict(lrk.constant(0.1), 5)\n"
        "for call in (lambda: law.fit([(lrk.constant(0.1), range(9), [3.0] * 9)]), lambda: optimize(law, peak=1.0, steps=9)):\n"
        "    try: call()\n"
        "    except ImportError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        'fitting a law needs SciPy: pip install "lrkernel[simulation]"',
        'optimize needs SciPy: pip install "lrkernel[simulation]"',
    ]


def test_every_public_name_has_an_example() -> None:
    for name in simulation.__all__:
        thing: Callable[..., Any] = getattr(simulation, name)
        assert thing.__doc__, name
        assert name in {"Law", "OptimalPeak", "Optimum"} or ">>>" in thing.__doc__, name
