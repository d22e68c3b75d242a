"""Schedule.to_jax: the same curve and the same steps as the core, in 32 and 64 bits, under JAX's transformations and optax."""

import math
import sys
import time
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax
import own
import pytest
from hypothesis import event, given, settings
from properties.expressions import expressions, library, model

import lrkernel as lrk
from lrkernel.integrations import jax as face

LAST = 2**31 - 1
SMALLEST = float(np.finfo(np.float32).tiny)  # XLA's CPU code flushes what is smaller to 0

# What the docstring of to_jax promises, in units of 2^-24 (float32) and 2^-53 (float64) relative, and the power on top.
BOUND = 8.0

EXPRESSIONS = """
constant(0.1)
constant(0.3, 10.5)
linear(1.0, 0.0, 1000)
linear(1e-5, 1e-3, 777.7)
linear(1.0, 0.5, 10000000000)
cosine(1.0, 0.0, 10000000)
cosine(1.0, 0.1, 1000)
cosine(1e-6, 1e-3, 33.3)
cosine(0.0, 1.0, 1000, 3.5)
cosine(1.0, 0.0, 1000, 7.25)
cosine(1.0, 0.0, 1000, 2.5)
polynomial(1.0, 0.0, 10000000, 1.7)
polynomial(1.0, 0.1, 10000000, 2)
polynomial(0.1, 1.0, 1000, 2.5)
power_ramp(0.0, 1.0, 1000, 2)
power_ramp(1.0, 0.0, 10000000, 0.5)
power_ramp(1.0, 0.0, 1000000, 0.1)
geometric(1.0, 1e-6, 10000000)
geometric(1e-6, 1.0, 33.3)
exponential(0.1, 0.999)
exponential(0.1, 0.9999999, 1.7)
exponential(-0.1, 1.0001)
exponential(1e-30, 3.0)
exponential(1.0, 1e-300)
inverse_sqrt(0.1, 4000)
inverse_sqrt(0.1, 0.5)
step(0.1, 30, 0.9)
step(0.1, 33.3, 0.99)
step(-0.1, 1000000.7, 0.5)
step(1.0, 7, 1.0)
multistep(0.1, [100, 200.5], 0.1)
piecewise_constant([1.0, 0.5, -0.25], [10, 20.5])
piecewise_linear([5, 100, 1000.5], [0.1, 3.0, 0.0])
from_values([0.1, 0.5, 0.3])
from_values([0.1, 0.5, 0.3]).stretch(100)
from_values([0.1, 0.5, 0.3, 0.7, 0.9]).stretch(3)
warmup_cosine(1e-3, 1000, 10000, 1e-5)
warmup_linear(1e-3, 1000, 10000, 1e-5)
warmup_constant(1e-3, 1000)
wsd(1.0, 100, 800, 100.5, decay_shape="1-sqrt")
cosine_restarts(1.0, 100, warmup=7)
cosine_restarts(1.0, 100, mult=1.5)
cosine_plateau(1.0, 1000, 10, [(20, 10), (70, 20)], 0.1)
(warmup_cosine(1.0, 10, 100) * 0.5 + 0.1).clip(0.2, 0.5)
warmup_cosine(1.0, 10, 100) * linear(1.0, 0.5, 300) / 3
-(constant(0.5, 10.3).then(linear(1.0, 0.0, 33.25) * cosine(1.0, 0.5, 40)))
linear(1.0, 0.0, 50).repeat()
(linear(1.0, 0.0, 50).repeat(3).then(cosine(1.0, 0.0, 30)).repeat() * 2).cut(500)
linear(1.0, 0.0, 33.3).repeat(5)
(linear(1.0, 0.0, 33.3).repeat() * 0.5).cut(700)
constant(0.5, 10.3).then(linear(1.0, 0.0, 33.3).then(constant(0.1, 0.6)).repeat(50))
constant(0.5, 10.3).then(linear(1.0, 0.0, 33).repeat())
linear(1.0, 0.5, 10000000000).repeat()
constant(0.5, 10.3).then(step(1.0, 7.3, 0.9))
step(1.0, 2, 0.9).by_epoch(3.7)
constant(1.0, 5.5).then(cosine(1.0, 0.0, 10).by_epoch(33.3))
linear(1.0, 0.0, 10.5).by_epoch(7).repeat()
sequence(linear(0.0, 1.0, 10), constant(1.0), exponential(1.0, 0.9).by_epoch(2) * 0.5, at=[10, 20.5])
linear(1.0, 0.0, 1000).skip(300)
cosine(1.0, 0.0, 1000, 2.5).skip(30)
warmup_cosine(1.0, 100, 1000).skip(150)
step(1.0, 7.3, 0.9).skip(100)
linear(1.0, 0.0, 33.3).repeat(5).skip(50)
linear(1.0, 0.0, 33).repeat().skip(50)
constant(1.0, 5.5).then(cosine(1.0, 0.0, 10).by_epoch(33.3).skip(40))
exponential(1.0, 0.999).skip(100)
inverse_sqrt(1.0, 100).skip(77)
from_values([0.1, 0.2, 0.3, 0.4]).skip(2)
linear(1.0, 0.5, 10000000000).skip(5000000000)
""".strip().splitlines()


@pytest.fixture(params=["float32", "float64"])
def real(request: pytest.FixtureRequest) -> Iterator[np.dtype[Any]]:
    """The float type of JAX for the duration of a test."""
    with jax.enable_x64(request.param == "float64"):
        yield np.dtype(request.param)


def sample(schedule: lrk.Schedule, last: int) -> npt.NDArray[np.int64]:
    """The first steps, those around every boundary, random ones, the last 1000 before the end, the last of all."""
    rng = np.random.default_rng(0)
    begins = schedule.segments["begin"].tolist()[:100]
    stop = min(schedule.end or 3000, last - 2)
    chosen = [range(2000), range(last - 3, last), rng.integers(0, stop + 1, 2000).tolist(), range(max(stop - 1000, 0), stop + 3)]
    chosen += [range(max(begin - 3, 0), begin + 4) for begin in begins]
    return np.unique([step for steps in chosen for step in steps if step <= last])


def units(got: Any, want: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Relative errors in units of 2^-24 or 2^-53, without what is below the normal numbers."""
    array = np.asarray(got)
    unit = 2.0**-24 if array.dtype == np.float32 else 2.0**-53
    with np.errstate(over="ignore"):
        rounded = want.astype(array.dtype)
    infinite = np.isinf(rounded)
    assert (array[infinite] == rounded[infinite]).all()
    want, array = want[~infinite], array[~infinite]
    tiny = float(np.finfo(array.dtype).tiny)
    error = np.maximum(np.abs(array.astype(np.float64) - want) - tiny, 0.0)
    return np.asarray(error / np.maximum(np.abs(want), tiny) / unit)


def test_every_shape_has_its_formula() -> None:
    assert list(face.FORMULAS) == [shape.name for shape in lrk.SHAPES if shape.kind != "called"]


def test_a_shape_of_your_own_is_refused() -> None:
    for schedule in (own.own(1.0, 0.0, 10), lrk.constant(1.0, 5).then(own.own(1.0, 0.0, 10)) * 0.5):
        with pytest.raises(ValueError, match=r"to_jax must have formulas to trace, got a shape of your own: use jax\."):
            schedule.to_jax()


def test_every_shape_and_constructor_is_measured() -> None:
    shapes = {int(shape) for expression in EXPRESSIONS for shape in library(expression).segments["shape"]}
    assert shapes == {shape.id for shape in lrk.SHAPES if shape.kind != "called"}
    made = [name for name in (*lrk.shapes.__all__, *lrk.builders.__all__) if not any(f"{name}(" in text for text in EXPRESSIONS)]
    assert not made


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_the_curve_is_that_of_the_core(expression: str, real: np.dtype[Any]) -> None:
    schedule = library(expression)
    steps = sample(schedule, int(np.iinfo(np.int32 if real == np.float32 else np.int64).max))
    got = schedule.to_jax()(jnp.asarray(steps))
    assert got.dtype == real
    assert got.shape == steps.shape
    powers = schedule.segments["param"][np.isin(schedule.segments["shape"], [5, 6])]
    bound = (BOUND + powers.max(initial=0.0)) * (2 if "*" in expression else 1)  # two factors, two errors
    assert units(got, schedule(steps)).max(initial=0.0) <= bound


@pytest.mark.parametrize("ends", [(1.0, -1.0), (-0.1, 0.7)])
@pytest.mark.parametrize("shape", ["linear({}, {}, 1000)", "cosine({}, {}, 1000)", "polynomial({}, {}, 1000, 2)"])
def test_across_zero_the_larger_end_counts(shape: str, ends: tuple[float, float], real: np.dtype[Any]) -> None:
    schedule = library(shape.format(*ends))
    steps = np.arange(1002)
    error = np.abs(np.asarray(schedule.to_jax()(steps)).astype(np.float64) - schedule(steps))
    assert error.max() <= BOUND * max(map(abs, ends)) * (2.0**-24 if real == np.float32 else 2.0**-53)


@settings(max_examples=40)
@given(expressions.filter(lambda expression: "shape(" not in expression))
def test_random_schedules_are_those_of_the_oracle(expression: str) -> None:
    schedule, exact = library(expression), model(expression)
    try:
        function = schedule.to_jax()
    except ValueError as refusal:
        event(str(refusal))  # pinned below
        return
    steps = np.unique(np.clip(sample(schedule, LAST)[::40], 0, LAST))
    for step, value in zip(steps.tolist(), np.asarray(function(steps)).tolist(), strict=True):
        point = exact.at(step)
        # The oracle bounds the error of float64 in ulp: 2^29 of them are one of float32; twice for `8 + power` units. To it a
        # constant has none.
        assert abs(schedule(step) - value) <= point.error * 2**30 + abs(value) * 2**-22 + SMALLEST * 100, (
            step,
            schedule(step),
            value,
        )


def test_the_last_steps_of_a_long_cosine_are_not_lost() -> None:
    schedule = lrk.cosine(1.0, 0.0, 10**7)
    steps = np.arange(10**7 - 1000, 10**7)
    values = np.asarray(schedule.to_jax()(steps))
    assert (values > 0.0).all()
    assert (np.diff(values) < 0.0).all()
    assert units(values, schedule(steps)).max() <= BOUND
    lost = optax.cosine_decay_schedule(1.0, 10**7)(jnp.asarray(steps))
    assert int((lost == 0.0).sum()) > 500  # what float32 arithmetic on the step makes of it


# ---- steps ----

EXACT = [  # values that float32 holds: to be equal, at every step
    "from_values([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).repeat().by_epoch({})",
    "constant(9.0, 10.3).then(from_values([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).repeat().by_epoch({}))",
]
PERIODS = [1, 2, 30, 2.5, 33.3, 1.0000000001, 1e6 / 3, 7.1, 123456.789, 1e9 + 0.7]


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("pattern", EXACT)
def test_stairs_begin_at_the_step_of_the_core(pattern: str, period: float, real: np.dtype[Any]) -> None:
    schedule = library(pattern.format(period))
    last = LAST if real == np.float32 else 2**63 - 1
    rng = np.random.default_rng(1)
    begins = [math.ceil(k * period) for k in range(1, 50)]
    begins += [math.ceil(k * period) + 10 for k in rng.integers(1, int(last / period), 500).tolist()]
    steps = np.unique([min(max(begin + late, 0), last) for begin in begins for late in (-2, -1, 0, 1, 2)])
    assert np.array_equal(np.asarray(schedule.to_jax()(steps)), schedule(steps))
    assert len(set(schedule(steps).tolist())) > 2


def test_ends_are_exact() -> None:
    schedule = lrk.warmup_cosine(peak=0.75, warmup=1000, total=10**7, floor=0.125, init=0.25)
    assert schedule.to_jax()([0, 1000, 10**7, 10**9]).tolist() == [0.25, 0.75, 0.125, 0.125]


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "uint8", "uint16", "uint32"])
def test_any_integer_dtype(dtype: str) -> None:
    schedule = lrk.cosine(1.0, 0.25, 100)
    steps = jnp.arange(120, dtype=dtype)
    assert units(schedule.to_jax()(steps), schedule(range(120))).max() <= BOUND


def test_64_bit_steps() -> None:
    schedule = lrk.linear(1.0, 0.0, 2**40).then(lrk.linear(1.0, 0.5, 100))
    with jax.enable_x64(True):
        function = schedule.to_jax()
        for dtype in ("int64", "uint64"):
            assert jax.jit(function)(jnp.asarray([2**39, 2**40 + 50], dtype)).tolist() == [0.5, 0.75]
        assert function(2**40 + 50).dtype == np.float64
        assert float(function(2**63 - 1)) == 0.5
    assert function(5).dtype == np.float32  # the same function, where 64 bits are off again
    with pytest.raises(ValueError, match=r"^step must be <= 2147483647 where JAX has no 64 bits, got 2147483648$"):
        function(2**31)


def test_past_the_end_and_below_zero_it_holds() -> None:
    function = lrk.linear(1.0, 0.5, 10).to_jax()
    assert jax.jit(function)(jnp.asarray([-7, -1, 0, 10, 11, LAST])).tolist() == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5]
    assert jax.jit(function)(jnp.uint32(2**32 - 1)).tolist() == 0.5


@pytest.mark.parametrize("shape", [(), (1,), (0,), (3, 4), (2, 1, 5)])
def test_any_shape(shape: tuple[int, ...]) -> None:
    schedule = lrk.warmup_cosine(1.0, 5, 20)
    steps = np.arange(math.prod(shape)).reshape(shape)
    got = schedule.to_jax()(steps)
    assert got.shape == shape
    assert units(got, np.asarray(schedule(steps))).max(initial=0.0) <= BOUND


@pytest.mark.parametrize("step", [3, 3.0, np.int64(3), np.uint8(3), [3], jnp.int32(3)])
def test_concrete_steps(step: Any) -> None:
    assert float(np.ravel(lrk.linear(1.0, 0.0, 4).to_jax()(step))[0]) == 0.25


@pytest.mark.parametrize(
    ("step", "error", "message"),
    [
        (-5, ValueError, "^step must be >= 0, got -5$"),
        ([1, -5], ValueError, "^step must be >= 0, got -5$"),
        (3.5, ValueError, "^step must be a whole number, got 3.5$"),
        (2**31, ValueError, "^step must be <= 2147483647 where JAX has no 64 bits, got 2147483648$"),
        (True, TypeError, "^step must be an integer or an array of integers, got True$"),
        ("a", TypeError, "^step must be an integer or an array of integers, got 'a'$"),
        (jnp.float32(3), TypeError, r"^step must be an integer or an array of integers, got Array\(3., dtype=float32\)$"),
    ],
)
def test_steps_that_are_none(step: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        lrk.linear(1.0, 0.0, 4).to_jax()(step)


# ---- what cannot be exact ----


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("linear(1.0, 0.0, 33.3).repeat()", "^repeat must have a period of whole steps, or at most 65536 rows in all its cycles"),
        ("step(1.0, 0.7, 0.9)", "^step must have stairs of at least one step to run in JAX, got stairs of 0.7 steps$"),
        ("linear(1e300, 0.0, 5)", r"^linear must have values within float32 to run in JAX, got 1e\+300$"),
        ("linear(1.0, 0.0, 5) * 1e-300", "^scale must have values within float32 to run in JAX, got 1e-300$"),
        ("from_values([1e39])", r"^values must have values within float32 to run in JAX, got 1e\+39$"),
    ],
)
def test_it_refuses_what_it_cannot_do(expression: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        library(expression).to_jax()


def test_without_jax_it_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(ImportError, match=r'^to_jax needs jax: pip install "lrkernel\[jax\]"$'):
        lrk.constant(1.0).to_jax()


# ---- transformations ----


def test_jit_vmap_and_scan_give_the_same() -> None:
    schedule = lrk.warmup_cosine(1.0, 10, 100, floor=0.01) * lrk.step(1.0, 7, 0.5)
    function = schedule.to_jax()
    steps = jnp.arange(120)
    want = function(steps)
    assert jnp.array_equal(jax.jit(function)(steps), want)
    assert jnp.allclose(jax.vmap(function)(steps), want, rtol=2e-7)
    assert jnp.allclose(jax.jit(jax.vmap(jax.vmap(function)))(steps.reshape(12, 10)), want.reshape(12, 10), rtol=2e-7)
    _, scanned = jax.lax.scan(lambda t, _: (t + 1, function(t)), jnp.int32(0), length=120)
    assert jnp.allclose(scanned, want, rtol=2e-7)


def test_an_outer_gradient_goes_past_it() -> None:
    function = lrk.cosine(1.0, 0.0, 10).to_jax()
    slope = jax.grad(lambda w, step: jnp.sum(w * function(step)))(jnp.ones(3), jnp.int32(10))
    assert slope.tolist() == [0.0, 0.0, 0.0]
    assert jax.jit(jax.grad(lambda w, step: w * w * function(step)))(jnp.float32(3.0), jnp.int32(0)) == 6.0


def size(schedule: lrk.Schedule) -> int:
    """How many operations a compiled schedule has."""

    def count(jaxpr: Any) -> int:
        inner = (value for equation in jaxpr.eqns for value in equation.params.values())
        return len(jaxpr.eqns) + sum(count(value.jaxpr) for value in inner if hasattr(value, "jaxpr"))

    return count(jax.make_jaxpr(schedule.to_jax())(jnp.int32(0)).jaxpr)


def test_many_segments_cost_a_longer_look_up_and_nothing_else() -> None:
    parts = [lrk.linear(1.0, 0.5, 10), lrk.cosine(0.5, 0.1, 10), lrk.polynomial(0.1, 0.5, 10, 2), lrk.geometric(0.5, 1.0, 10)]
    few, many = lrk.sequence(*parts), lrk.sequence(*parts * 2500)
    assert len(many.segments) > 10_000
    look_up = size(lrk.sequence(*parts * 2)) - size(few)
    assert look_up > 0
    assert size(many) - size(few) <= 12 * look_up
    start = time.perf_counter()
    function = many.to_jax()
    steps = np.random.default_rng(0).integers(0, 100_000, 1000)
    assert units(function(steps), many(steps)).max() <= BOUND + 2
    assert time.perf_counter() - start < 30.0  # measured: 2 s


# ---- optax ----


warm = optax.warmup_cosine_decay_schedule(init_value=0.0, peak_value=1e-3, warmup_steps=100, decay_steps=1000, end_value=1e-5)
CURVES = [
    (lrk.warmup_cosine(1e-3, 100, 1000, floor=1e-5), warm),
    (
        lrk.linear(0.0, 1.0, 50).then(lrk.cosine(1.0, 0.0, 200)),
        optax.join_schedules([optax.linear_schedule(0.0, 1.0, 50), optax.cosine_decay_schedule(1.0, 200)], [50]),
    ),
    (lrk.exponential(0.1, 0.9, 30), optax.exponential_decay(0.1, 30, 0.9)),
    (lrk.step(0.1, 30, 0.9), optax.exponential_decay(0.1, 30, 0.9, staircase=True)),
    (lrk.multistep(0.1, [50, 150], 0.1), optax.piecewise_constant_schedule(0.1, {50: 0.1, 150: 0.1})),
    (lrk.polynomial(1.0, 0.1, 200, 2), optax.polynomial_schedule(1.0, 0.1, 2, 200)),
]


@pytest.mark.parametrize(("ours", "theirs"), CURVES)
def test_curves_are_those_of_optax(ours: lrk.Schedule, theirs: Any) -> None:
    steps = jnp.arange(1100)
    assert jnp.allclose(ours.to_jax()(steps), jax.vmap(theirs)(steps), rtol=2e-5, atol=1e-7 * ours.values(1100).max())


def data() -> tuple[jax.Array, jax.Array]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 3)).astype(np.float32)
    return jnp.asarray(x), jnp.asarray(x @ np.array([1.0, -2.0, 0.5], np.float32))


def loss(w: jax.Array) -> jax.Array:
    x, y = data()
    return jnp.mean((x @ w - y) ** 2)


def trained(optimizer: Any, rates: Any = None) -> jax.Array:
    """40 steps; with `rates`, the learning rate is given by hand."""
    w = jnp.zeros(3)
    state = optimizer.init(w)

    @jax.jit
    def update(w: jax.Array, state: Any) -> tuple[jax.Array, Any]:
        updates, state = optimizer.update(jax.grad(loss)(w), state, w)
        return jnp.asarray(optax.apply_updates(w, updates)), state

    for t in range(40):
        if rates is not None:
            state.hyperparams["learning_rate"] = jnp.float32(rates(t))
        w, state = update(w, state)
    return w


def test_training_is_that_with_rates_given_by_hand() -> None:
    schedule = lrk.warmup_cosine(0.3, 5, 40, floor=0.01)
    by_hand = trained(optax.inject_hyperparams(optax.adamw)(learning_rate=0.0), schedule)
    assert float(loss(by_hand)) < 0.1
    for optimizer in (
        optax.adamw(learning_rate=schedule.to_jax()),
        optax.inject_hyperparams(optax.adamw)(learning_rate=schedule.to_jax()),
        optax.chain(optax.scale_by_adam(), optax.add_decayed_weights(1e-4), optax.scale_by_schedule((-schedule).to_jax())),
    ):
        assert jnp.allclose(trained(optimizer), by_hand, rtol=1e-5)
    assert not jnp.allclose(trained(optax.adamw(learning_rate=0.3)), by_hand, rtol=1e-5)
