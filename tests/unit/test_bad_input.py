"""Bad input is refused before anything is written, in one line: argument, value, rule."""

import copy
import inspect
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

import lrkernel as lrk
from lrkernel import builders, shapes

NAN, INF = math.nan, math.inf
HUGE = 10**400  # an int that no float64 holds
SAME = object()
Error = type[ValueError] | type[TypeError]


class Bad:
    """A value, the error it must raise, and what the message must show (by default the value)."""

    def __init__(self, value: object, error: Error = ValueError, shown: object = SAME):
        self.value = value
        self.error = error
        self.shown = value if shown is SAME else shown

    def __repr__(self) -> str:
        text = repr(self.value)
        return text if len(text) < 50 else f"{text[:20]}..."


def refused(bad: Bad, argument: str, call: Callable[[], object]) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    message = str(caught.value)
    assert isinstance(caught.value, bad.error), message
    assert "\n" not in message
    assert argument in message
    shown = bad.shown
    if shown is not HUGE:
        forms = {str(shown), repr(shown)}
        if isinstance(shown, int) and not isinstance(shown, bool):
            forms.add(repr(float(shown)))
        assert any(form in message for form in forms), message


def types(*others: object) -> list[Bad]:
    return [Bad(value, TypeError) for value in (True, "0.1", 1j, *others)]


NOT_FINITE = [Bad(NAN), Bad(INF), Bad(-INF), Bad(HUGE)]
FINITE = [*NOT_FINITE, *types(None, [0.1], np.True_)]
POSITIVE = [*FINITE, Bad(0), Bad(-0.5), Bad(-1)]
DURATION = [*POSITIVE, Bad(2**53), Bad(1e300)]
WARMUP = [*FINITE, Bad(-1), Bad(-0.5), Bad(2**53)]
NOT_PERCENT = "0.1| |%|.%|5|abc|5 %| 5%|5% |5%%|+5%|-5%|-0%|1e1%|5/1%|1_0%|nan%|inf%|100.1%|101%|1.2.3%|\u0665%|\xb2%|0x5%|5%\n|"
WARMUP_OF_TOTAL = [
    *(bad for bad in WARMUP if not isinstance(bad.value, str)),
    *map(Bad, NOT_PERCENT.split("|")),
    Bad("9" * 5000 + "%", shown="999..."),
    Bad("1." + "0" * 5000 + "%", shown="000..."),
]


def without(value: object, bads: list[Bad]) -> list[Bad]:
    return [bad for bad in bads if bad.value is not value]


def inside(bads: list[Bad], *rest: float) -> list[Bad]:
    """Lists of which one element is bad."""
    return [Bad([*rest, bad.value], bad.error, shown=bad.shown) for bad in bads]


NOT_LISTS = [Bad(5, TypeError), Bad(None, TypeError)]
ELEMENTS = [Bad(NAN), Bad(INF), *types(None)]

# What is wrong for each argument, by its name; by constructor and name where the rules differ.
WRONG: dict[str, list[Bad]] = {
    "value": FINITE,
    "start": FINITE,
    "stop": FINITE,
    "steps": DURATION,
    "constant.steps": without(None, DURATION),
    "cycles": POSITIVE,
    "power": POSITIVE,
    "gamma": POSITIVE,
    "every": DURATION,
    "step_size": DURATION,
    "timescale": POSITIVE,
    "geometric.start": [*FINITE, Bad(0.0), Bad(-1.0)],
    "geometric.stop": [*FINITE, Bad(0.0), Bad(-1.0)],
    "milestones": [*NOT_LISTS, Bad("ab", TypeError), *inside([*ELEMENTS, Bad(-1), Bad(HUGE)], 5)],
    "piecewise_constant.values": [
        *NOT_LISTS,
        *inside(ELEMENTS, 1.0, 2.0),
        Bad([], shown=0),
        Bad([1.0], shown=1),
    ],
    "boundaries": [
        *NOT_LISTS,
        *inside([*ELEMENTS, Bad(HUGE)], 5),
        *inside([Bad(-1)]),
        Bad([10, 5], shown=5),
        Bad([5, 6, 7], shown=3),
    ],
    "piecewise_linear.steps": [
        *NOT_LISTS,
        *inside([*ELEMENTS, Bad(HUGE)], 0, 5),
        Bad([-1, 5, 10], shown=-1),
        Bad([0, 5, 5], shown=5),
        Bad([0, 10, 5], shown=5),
        Bad([]),
    ],
    "piecewise_linear.values": [
        *NOT_LISTS,
        *inside(ELEMENTS, 1.0, 2.0),
        Bad([], shown=0),
        Bad([1.0, 2.0], shown=2),
    ],
    "array": [
        Bad([]),
        Bad([[1.0, 2.0]], shown=""),
        Bad(5.0, shown=""),
        Bad([0.1, NAN], shown=NAN),
        Bad([0.1, INF], shown=INF),
        Bad(None, TypeError),
        Bad("ab", TypeError),
        Bad(["a", "b"], TypeError, shown=""),
        Bad([True, False], TypeError, shown=""),
        Bad([1j], TypeError, shown=""),
        Bad([None], TypeError, shown=""),
    ],
    "peak": [*FINITE, Bad(-0.1)],
    "floor": [*FINITE, Bad(-0.1), Bad(0.6)],
    "init": [*FINITE, Bad(-0.1), Bad(0.6)],
    "cosine_restarts.init": [*without(None, FINITE), Bad(-0.1), Bad(0.6)],
    "warmup": WARMUP,
    "warmup_cosine.warmup": WARMUP_OF_TOTAL,
    "warmup_linear.warmup": WARMUP_OF_TOTAL,
    "cosine_plateau.warmup": WARMUP_OF_TOTAL,
    "total": [*DURATION, Bad(9)],  # the warm-up has 10 steps
    "stable": [Bad(NAN), Bad(-INF), Bad(HUGE), Bad(-1), Bad(2**53), *types([1])],
    "decay": DURATION,
    "decay_shape": [
        Bad("cos"),
        Bad(""),
        Bad("Linear"),
        Bad(None, TypeError),
        Bad(3, TypeError),
        Bad(True, TypeError),
        Bad(["linear"], TypeError),
    ],
    "period": [*DURATION, Bad(0.5)],
    "mult": [*FINITE, Bad(0), Bad(-1), Bad(0.5), Bad(0.99), Bad(1.005)],
    "floor_ratio": [*FINITE, Bad(-0.1), Bad(1.1)],
    "plateaus": [
        *NOT_LISTS,
        Bad("ab", TypeError),
        Bad([5], TypeError, shown=5),
        Bad([(50,)], TypeError, shown=(50,)),
        Bad([(50, 10, 3)], TypeError, shown=(50, 10, 3)),
        Bad([(-1, 10)], shown=-1),
        Bad([(50, -1)], shown=-1),
        Bad([(101, 1)], shown=101),
        Bad([(50, 101)], shown=101),
        Bad([(90, 20)], shown=""),
        Bad([(50, 30), (60, 10)], shown=""),
        Bad([(60, 10), (50, 30)], shown=""),
        Bad([(NAN, 10)], shown=NAN),
        Bad([(50, INF)], shown=INF),
        Bad([("50", 10)], TypeError, shown="50"),
        Bad([(True, 10)], TypeError, shown=True),
        Bad([(50, None)], TypeError, shown=None),
    ],
}

# A call of every constructor that is right, to be spoilt one argument at a time.
RIGHT: dict[str, dict[str, Any]] = {
    "constant": {"value": 0.1, "steps": 10},
    "linear": {"start": 0.1, "stop": 0.2, "steps": 10},
    "cosine": {"start": 0.1, "stop": 0.2, "steps": 10, "cycles": 1.5},
    "polynomial": {"start": 0.1, "stop": 0.2, "steps": 10, "power": 2.0},
    "power_ramp": {"start": 0.1, "stop": 0.2, "steps": 10, "power": 2.0},
    "geometric": {"start": 0.1, "stop": 0.2, "steps": 10},
    "exponential": {"start": 0.1, "gamma": 0.9, "every": 10},
    "step": {"start": 0.1, "step_size": 10, "gamma": 0.9},
    "multistep": {"start": 0.1, "milestones": [5, 10], "gamma": 0.9},
    "inverse_sqrt": {"start": 0.1, "timescale": 10},
    "piecewise_constant": {"values": [1.0, 2.0, 3.0], "boundaries": [5, 10]},
    "piecewise_linear": {"steps": [0, 5, 10], "values": [1.0, 2.0, 3.0]},
    "from_values": {"array": [1.0, 2.0, 3.0]},
    "warmup_cosine": {"peak": 0.5, "warmup": 10, "total": 100, "floor": 0.1, "init": 0.1},
    "warmup_linear": {"peak": 0.5, "warmup": 10, "total": 100, "floor": 0.1, "init": 0.1},
    "warmup_constant": {"peak": 0.5, "warmup": 10, "init": 0.1},
    "wsd": {
        "peak": 0.5,
        "warmup": 10,
        "stable": 20,
        "decay": 30,
        "floor": 0.1,
        "init": 0.1,
        "decay_shape": "linear",
    },
    "cosine_restarts": {
        "peak": 0.5,
        "period": 10,
        "mult": 2.0,
        "floor": 0.1,
        "warmup": 10,
        "init": 0.1,
    },
    "cosine_plateau": {
        "peak": 0.5,
        "total": 100,
        "warmup": 10,
        "plateaus": [(50, 30), (85, 10)],
        "floor_ratio": 0.1,
    },
}


def constructors() -> dict[str, Callable[..., lrk.Schedule]]:
    """Every public function of the two rooms that hold them."""
    return {name: getattr(module, name) for module in (shapes, builders) for name in module.__all__}


def spoilt() -> Iterator[Any]:
    for name, function in constructors().items():
        for argument in inspect.signature(function).parameters:
            for bad in WRONG.get(f"{name}.{argument}", WRONG.get(argument, [])):
                yield pytest.param(name, argument, bad, id=f"{name}-{argument}-{bad!r}")


@pytest.mark.parametrize(("name", "argument", "bad"), list(spoilt()))
def test_constructors(name: str, argument: str, bad: Bad) -> None:
    arguments = {**RIGHT[name], argument: bad.value}
    before = repr(arguments)
    refused(bad, argument, lambda: constructors()[name](**arguments))
    assert repr(arguments) == before


def test_every_argument_of_every_constructor_is_spoilt() -> None:
    names = constructors()
    assert set(names) == set(RIGHT)
    for name, function in names.items():
        parameters = inspect.signature(function).parameters
        assert set(parameters) == set(RIGHT[name])
        for argument in parameters:
            assert WRONG.get(f"{name}.{argument}", WRONG.get(argument)), f"{name}.{argument}"
        assert isinstance(function(**RIGHT[name]), lrk.Schedule)
        assert getattr(lrk, name) is function


def test_a_percentage_needs_a_total() -> None:
    calls: list[tuple[str, Callable[[Any], object]]] = [
        ("warmup", lambda text: lrk.warmup_constant(0.5, text)),
        ("warmup", lambda text: lrk.wsd(0.5, text, 20, 30)),
        ("stable", lambda text: lrk.wsd(0.5, 10, text, 30)),
        ("decay", lambda text: lrk.wsd(0.5, 10, 20, text)),
        ("warmup", lambda text: lrk.cosine_restarts(0.5, 10, warmup=text)),
        ("total", lambda text: lrk.warmup_cosine(0.5, 10, text)),
        ("steps", lambda text: lrk.linear(1.0, 0.0, text)),
        ("step", lambda text: CURVE.cut(text)),
    ]
    for name, call in calls:
        with pytest.raises(TypeError, match=rf"^{name} must be a real number, for a percentage needs a total, got '5%'$"):
            call("5%")
    with pytest.raises(ValueError, match=r"^warmup must be steps or a percentage of total from \"0%\" to \"100%\", got '5 %%'$"):
        lrk.warmup_cosine(0.5, "5 %%", 100)


@pytest.mark.parametrize(
    ("text", "total", "steps"),
    [
        ("5%", 1000, 50),
        ("5%", 10.0, 0.5),
        ("2.5%", 1000, 25),
        ("5.0%", 33907, 1695.35),
        ("0%", 1000, 0),
        ("000%", 1000, 0),
        ("100%", 1000, 1000),
        ("100.00%", 33907.3, 33907.3),
        (".5%", 1000, 5),
        ("5.%", 1000, 50),
        ("0.7%", 7000, 49),  # 7000 * 0.7 / 100 is 48.99999999999999 in float64
        ("33.3%", 2**53 - 1, 2999397351828750),
        ("0." + "3" * 400 + "%", 300, 1),
    ],
)
def test_a_percentage_is_of_the_total(text: str, total: float, steps: float) -> None:
    for make in (lrk.warmup_cosine, lrk.warmup_linear):
        schedule = make(0.5, text, total, floor=0.1)
        assert schedule == make(0.5, steps, total, floor=0.1)
        assert type(schedule.phases()[0].stop) is type(make(0.5, steps, total).phases()[0].stop)
    plateau = lrk.cosine_plateau(0.5, total, warmup=text, plateaus=[(50, 30)])
    assert plateau == lrk.cosine_plateau(0.5, total, warmup=steps, plateaus=[(50, 30)])


@pytest.mark.parametrize("name", RIGHT)
def test_arguments_that_miss_or_are_unknown(name: str) -> None:
    function = constructors()[name]
    needed = [p.name for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    for argument in needed:
        arguments = {k: v for k, v in RIGHT[name].items() if k != argument}
        with pytest.raises(TypeError, match=argument):
            function(**arguments)
    with pytest.raises(TypeError, match="colour"):
        function(**RIGHT[name], colour=1)


WRONG_TOGETHER: list[tuple[str, Callable[[], object], str]] = [
    ("both signs", lambda: lrk.geometric(-0.1, 0.2, 10), "-0.1|0.2"),
    ("warm-up longer than the run", lambda: lrk.warmup_cosine(0.5, 101, 100), "101"),
    ("warm-up longer than the run", lambda: lrk.warmup_linear(0.5, 100.5, 100), "100.5"),
    ("warm-up longer than the run", lambda: lrk.cosine_plateau(0.5, 100, 101), "101"),
    ("floor above the peak", lambda: lrk.wsd(0.5, 1, 2, 3, floor=0.500001), "0.500001"),
    ("start above the peak", lambda: lrk.warmup_constant(0.5, 10, init=0.75), "0.75"),
    ("too many values", lambda: lrk.piecewise_constant([1.0, 2.0], [5, 6]), "values|boundaries"),
    ("too few values", lambda: lrk.piecewise_linear([0, 5], [1.0]), "values|steps"),
    ("sum past int64", lambda: lrk.constant(1, 2**52).by_epoch(2**52), "."),
    ("nothing in a row", lambda: lrk.sequence(), "empty|at least one|schedule"),
]


@pytest.mark.parametrize(("what", "call", "match"), WRONG_TOGETHER)
def test_arguments_that_do_not_go_together(what: str, call: Callable[[], object], match: str) -> None:
    with pytest.raises(ValueError, match=match) as caught:
        call()
    assert "\n" not in str(caught.value), what


# ---- evaluation ----

CURVE = lrk.warmup_cosine(0.5, 10, 100)

STEPS = [
    *types(None, np.True_, "ab", b"3", object()),
    Bad(3.5),
    Bad(NAN),
    Bad(INF),
    Bad(-1),
    Bad(-1.0),
    Bad(2**63),
    Bad(2.0**63),
    Bad(-(2**63)),
    Bad(HUGE),
    Bad(np.int64(-1), shown=-1),
    Bad(np.uint64(2**63), shown=2**63),
    Bad(np.float64(3.5), shown=3.5),
    Bad([3, 3.5], shown=3.5),
    Bad([3, NAN], shown=NAN),
    Bad([3.0, INF], shown=INF),
    Bad([3, -1], shown=-1),
    Bad([3.0, -1.0], shown=-1.0),
    Bad([2**63], shown=2**63),
    Bad([1, 2.0**63], shown=2.0**63),
    Bad([2**70], shown=2**70),
    Bad([True, False], TypeError, shown=""),
    Bad(np.array([1, True], dtype=object), TypeError, shown=True),
    Bad(np.array([1, "2"], dtype=object), TypeError, shown="2"),
    Bad(np.array([1, 3.5], dtype=object), shown=3.5),
    Bad(["1", "2"], TypeError, shown=""),
    Bad([1j], TypeError, shown=""),
    Bad([None], TypeError, shown=""),
    Bad(np.array(["2020-01-01"], dtype="M8[D]"), TypeError, shown=""),
    Bad([[3, 4], [5, -1]], shown=-1),
]


@pytest.mark.parametrize("bad", STEPS, ids=repr)
def test_steps(bad: Bad) -> None:
    step: Any = bad.value
    refused(bad, "step", lambda: CURVE(step))


WHOLE = [*types(None, np.True_), Bad(2.5), Bad(NAN), Bad(INF)]
WRONG_IN_VALUES: dict[str, list[Bad]] = {
    "start": [*WHOLE, Bad(-1), Bad(-5.0)],
    "stop": [*WHOLE, Bad(2**63 + 1), Bad(HUGE)],
    "stride": [*without(None, WHOLE), Bad(0)],
    "dtype": [
        Bad(int, shown="int"),
        Bad("float16", shown="float16"),
        Bad(np.longdouble, shown=""),
        Bad(complex, shown="complex"),
        Bad(object, shown="object"),
        Bad(">f8", shown=">f8"),
    ],
    "threads": [Bad(0), Bad(-1), Bad(1.5), Bad(NAN), Bad(True, TypeError), Bad("2", TypeError)],
}


@pytest.mark.parametrize(("argument", "bad"), [(name, bad) for name, bads in WRONG_IN_VALUES.items() for bad in bads], ids=str)
def test_values(argument: str, bad: Bad) -> None:
    arguments: dict[str, Any] = {"start": 3, "stop": 8, "stride": 1, argument: bad.value}
    positional = [arguments.pop(name) for name in ("start", "stop", "stride")]
    out = np.full(5, 7.0)
    if argument != "dtype":
        arguments["out"] = out
    refused(bad, argument, lambda: CURVE.values(*positional, **arguments))
    assert (out == 7.0).all()


@pytest.mark.parametrize("dtype", ["nonsense", 5, [1, 2]])
def test_dtype_that_is_none(dtype: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        CURVE.values(5, dtype=dtype)


def read_only() -> np.ndarray:
    out = np.full(5, 7.0)
    out.flags.writeable = False
    return out


WRONG_OUT: dict[str, tuple[Error, Callable[[], Any]]] = {
    "read-only": (ValueError, read_only),
    "too long": (ValueError, lambda: np.full(6, 7.0)),
    "too short": (ValueError, lambda: np.full(4, 7.0)),
    "empty": (ValueError, lambda: np.empty(0)),
    "no axis": (ValueError, lambda: np.array(7.0)),
    "a row": (ValueError, lambda: np.full((1, 5), 7.0)),
    "a column": (ValueError, lambda: np.full((5, 1), 7.0)),
    "overlapping rows": (ValueError, lambda: as_strided(np.full(9, 7.0), (5, 5), (8, 8))),
    "all in one place": (ValueError, lambda: as_strided(np.full(1, 7.0), (5,), (0,))),
    "overlapping": (ValueError, lambda: as_strided(np.full(5, 7.0), (5,), (4,))),
    "other byte order": (ValueError, lambda: np.full(5, 7.0, dtype=">f8")),
    "integers": (ValueError, lambda: np.full(5, 7)),
    "half": (ValueError, lambda: np.full(5, 7, dtype=np.float16)),
    "complex": (ValueError, lambda: np.full(5, 7, dtype=np.complex128)),
    "objects": (ValueError, lambda: np.full(5, 7, dtype=object)),
    "a list": (TypeError, lambda: [7.0] * 5),
    "a number": (TypeError, lambda: 7.0),
    "bytes of no whole number of values": (ValueError, lambda: bytearray(39)),
}


@pytest.mark.parametrize("threads", [None, 1, 2])
@pytest.mark.parametrize("what", WRONG_OUT)
def test_out(what: str, threads: int | None) -> None:
    error, make = WRONG_OUT[what]
    out = make()
    before = copy.deepcopy(np.asarray(out))
    with pytest.raises((ValueError, TypeError), match="out") as caught:
        CURVE.values(20, 25, out=out, threads=threads)
    assert isinstance(caught.value, error)
    assert "\n" not in str(caught.value)
    assert (np.asarray(out) == before).all()


def test_out_that_disagrees_with_dtype() -> None:
    out = np.full(5, 7.0)
    with pytest.raises(ValueError, match=r"out|dtype"):
        CURVE.values(5, dtype=np.float32, out=out)
    assert (out == 7.0).all()


def test_out_in_the_fields_of_packed_records() -> None:
    """Strides that are no multiple of the item: written where they are, never beside."""
    records = np.zeros(5, dtype=[("a", "f8"), ("b", "f4")])
    records["b"] = 7.0
    for threads in (1, 2):
        records["a"] = 0.0
        CURVE.values(20, 25, out=records["a"], threads=threads)
        assert records["a"].tolist() == CURVE.values(20, 25).tolist()
        assert (records["b"] == 7.0).all()


def test_values_needs_a_stop() -> None:
    for arguments in ((), (1, 2, 3, 4)):
        with pytest.raises(TypeError):
            CURVE.values(*arguments)
    with pytest.raises(TypeError, match="colour"):
        CURVE.values(5, colour=1)  # type: ignore[call-arg]


# ---- algebra ----

WRONG_CALLS: dict[str, list[Bad]] = {
    "cut(step)": [*POSITIVE, Bad(2**63), Bad(1e300)],
    "shift(n)": WARMUP,
    "skip(n)": [*FINITE, Bad(-1), Bad(0.5), Bad(-0.5), Bad(2**53), Bad(1e300), Bad(100), Bad(101.0)],
    "stretch(new_total)": DURATION,
    "repeat(times)": [
        *without(None, FINITE),
        Bad(0),
        Bad(-1),
        Bad(1.5),
    ],
    "by_epoch(steps_per_epoch)": [*FINITE, Bad(0), Bad(-1), Bad(0.5), Bad(0.999)],
    "clip(lo)": [Bad(NAN), *types([0.1]), Bad(0.9)],
    "clip(hi)": [Bad(NAN), *types([0.1]), Bad(-0.9)],
    "then(other)": [Bad(5, TypeError), Bad(None, TypeError), Bad("linear", TypeError)],
}


@pytest.mark.parametrize(("where", "bad"), [(where, bad) for where, bads in WRONG_CALLS.items() for bad in bads], ids=str)
def test_operations(where: str, bad: Bad) -> None:
    method, argument = where.rstrip(")").split("(")
    assert argument in inspect.signature(getattr(lrk.Schedule, method)).parameters
    arguments = {"lo": 0.1, "hi": 0.8} if method == "clip" else {}
    arguments[argument] = bad.value  # type: ignore[assignment]
    refused(bad, argument, lambda: getattr(CURVE, method)(**arguments))


@pytest.mark.parametrize("number", [NAN, INF, -INF, HUGE, True, "2", None, 1j, [2.0]])
def test_arithmetic(number: Any) -> None:
    operations: list[Callable[[], object]] = [
        lambda: CURVE * number,
        lambda: number * CURVE,
        lambda: CURVE / number,
        lambda: CURVE + number,
        lambda: number + CURVE,
        lambda: CURVE - number,
    ]
    for operation in operations:
        error = ValueError if number is HUGE or type(number) is float else TypeError
        with pytest.raises(error) as caught:
            operation()
        assert "\n" not in str(caught.value)


def test_skip_names_the_length() -> None:
    with pytest.raises(ValueError, match=r"^n must be < the length \(100\), got 100$"):
        CURVE.skip(100)
    with pytest.raises(ValueError, match=r"^n must be < the length \(10\.5\), got 11\.0$"):
        lrk.linear(1.0, 0.0, 10.5).skip(11.0)
    with pytest.raises(ValueError, match=r"^n must be a whole number, got 2\.5$"):
        CURVE.skip(2.5)
    with pytest.raises(ValueError, match=r"^n must be < 2\^53, got 9007199254740992$"):
        lrk.constant(1.0).skip(2**53)


def test_more_arithmetic() -> None:
    with pytest.raises(ValueError, match="0"):
        CURVE / 0
    anything: Any = CURVE
    operations: list[Callable[[], object]] = [
        lambda: anything + anything,
        lambda: anything / anything,
        lambda: 1 / anything,
    ]
    for operation in operations:
        with pytest.raises(TypeError):
            operation()


OPEN = [
    lrk.constant(1.0),
    lrk.exponential(1.0, 0.9),
    lrk.step(1.0, 10, 0.9),
    lrk.multistep(1.0, [5], 0.9),
    lrk.inverse_sqrt(1.0, 10),
    lrk.piecewise_constant([1.0, 2.0], [5]),
    lrk.warmup_constant(1.0, 10),
    lrk.wsd(1.0, 10, None, 10),
    lrk.cosine_restarts(1.0, 10),
    lrk.cosine_restarts(1.0, 10, 2.0),
    CURVE.repeat(),
    CURVE * lrk.constant(1.0),
]


@pytest.mark.parametrize("schedule", OPEN, ids=repr)
def test_open_ended_where_a_length_is_needed(schedule: lrk.Schedule) -> None:
    assert schedule.length is None
    calls: list[Callable[[], object]] = [
        lambda: schedule.then(CURVE),
        lambda: lrk.sequence(CURVE, schedule, CURVE),
        lambda: schedule.repeat(),
        lambda: schedule.repeat(3),
        lambda: schedule.stretch(100),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"length|open|end") as caught:
            call()
        assert "\n" not in str(caught.value)
    assert lrk.sequence(schedule, CURVE, at=[5])(5) == CURVE(0)


@pytest.mark.parametrize(
    "bad",
    [
        Bad([], shown=""),
        Bad([5], shown=""),
        Bad([5, 6, 7], shown=""),
        Bad([6, 5], shown=""),
        Bad([5, NAN], shown=NAN),
        Bad([5, INF], shown=INF),
        Bad([-1, 5], shown=-1),
        Bad([5, HUGE], shown=HUGE),
        Bad([5, True], TypeError, shown=True),
        Bad([5, "6"], TypeError, shown="6"),
        Bad([5, None], TypeError, shown=None),
        Bad(5, TypeError),
        Bad("ab", TypeError),
    ],
    ids=repr,
)
def test_at(bad: Bad) -> None:
    at: Any = bad.value
    refused(bad, "at", lambda: lrk.sequence(CURVE, CURVE, CURVE, at=at))


@pytest.mark.parametrize("part", [5, None, "linear", [CURVE], lrk.linear])
def test_parts_that_are_no_schedules(part: Any) -> None:
    for parts in ((CURVE, part), (part, CURVE), (part,)):
        with pytest.raises(TypeError):
            lrk.sequence(*parts)


def test_nesting_has_a_limit() -> None:
    schedule = CURVE
    for _ in range(16):
        schedule = schedule * 2.0
    assert schedule(10) == 2.0**15
    with pytest.raises(ValueError, match="16") as caught:
        schedule * 2.0
    assert "\n" not in str(caught.value)


# ---- forms ----


@pytest.mark.parametrize("data", [None, 5, "x", [], {}, {"version": 1}, {"format": "other"}])
def test_from_dict(data: Any) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        lrk.Schedule.from_dict(data)
    assert "\n" not in str(caught.value)


def corrupted(data: Any, path: tuple[object, ...] = ()) -> Iterator[tuple[tuple[object, ...], Any]]:
    """A nested form with each value replaced by what cannot be right, keys dropped or added."""
    if isinstance(data, dict):
        for key in data:
            yield (*path, key), {k: v for k, v in data.items() if k != key}
            for inner_path, value in corrupted(data[key], (*path, key)):
                yield inner_path, {**data, key: value}
        yield (*path, "colour"), {**data, "colour": 1}
    elif isinstance(data, list):
        for i, item in enumerate(data):
            for inner_path, value in corrupted(item, (*path, i)):
                yield inner_path, [*data[:i], value, *data[i + 1 :]]
    else:
        yield path, {"no": "such"}
        yield path, "no such"
        yield path, -12345


def outcome(data: Any) -> lrk.Schedule | None:
    """What a form gives: another schedule, or an error of the two kinds in one line."""
    try:
        return lrk.Schedule.from_dict(data)
    except (ValueError, TypeError) as error:
        lines = str(error).splitlines()
    return None if len(lines) == 1 else lrk.constant(len(lines))


def test_from_dict_with_any_part_corrupted() -> None:
    """Never the same schedule in silence, never an error of another kind."""
    schedules = [
        CURVE,
        lrk.step(0.1, 30, 0.5) * 0.5,
        lrk.cosine(1, 0.5, 10, 1.5).repeat(3).clip(0.1, 0.9) * lrk.from_values([1.0, 2.0]),
        CURVE.skip(20).then(lrk.inverse_sqrt(1.0, 10).skip(5)),
    ]
    for schedule in schedules:
        data = json.loads(json.dumps(schedule.to_dict()))
        count = 0
        for path, broken in corrupted(data):
            count += 1
            assert outcome(broken) != schedule, path
        assert count >= 10


@pytest.mark.parametrize("n", [0, -1, 101, 2**53, "inf", "nan", "-0x1.0p-3", "0x1.9400000000000p+6", None, 1.5, "5", [5], True])
def test_from_dict_checks_what_is_skipped(n: object) -> None:
    data = CURVE.skip(20).to_dict()
    data["segments"][0]["n"] = n
    with pytest.raises((ValueError, TypeError), match=r"n must be ") as caught:
        lrk.Schedule.from_dict(data)
    assert "\n" not in str(caught.value)


def test_from_dict_of_skips_that_the_method_does_not_make() -> None:
    """A real n (after a stretch) and a skip of a skip keep their form; the expression does not hide it."""
    inner = CURVE.skip(20).to_dict()["segments"]
    real, double = CURVE.skip(20).to_dict(), CURVE.skip(20).to_dict()
    real["segments"][0]["n"] = "0x1.4800000000000p+4"
    double["segments"] = [{"shape": "skip", "begin": 0, "n": 5, "end": 75, "of": [inner]}, {"shape": "hold", "begin": 75}]
    for data, value in ((real, None), (double, CURVE(25))):
        schedule = lrk.Schedule.from_dict(data)
        assert schedule.to_dict() == data
        assert eval(repr(schedule), vars(lrk).copy()) == schedule
        assert lrk.Schedule.from_bytes(schedule.to_bytes()) == schedule
        assert value is None or schedule(0) == value
    assert lrk.Schedule.from_dict(double) != CURVE.skip(25)


@pytest.mark.parametrize("data", [None, 5, "x", [1], b"", b"x", b"lrk", bytes(64)])
def test_from_bytes(data: Any) -> None:
    error = ValueError if isinstance(data, bytes) else TypeError
    with pytest.raises(error) as caught:
        lrk.Schedule.from_bytes(data)
    assert "\n" not in str(caught.value)


def test_from_bytes_with_any_byte_corrupted() -> None:
    blob = (CURVE.skip(5) * lrk.from_values([1.0, 2.0])).to_bytes()
    for i in range(len(blob)):
        for broken in (blob[:i], blob[:i] + bytes([blob[i] ^ 0x41]) + blob[i + 1 :]):
            with pytest.raises(ValueError, match="data"):
                lrk.Schedule.from_bytes(broken)
    with pytest.raises(ValueError, match="data"):
        lrk.Schedule.from_bytes(blob + b"\0")


@pytest.mark.parametrize("name", ["avx9", "", "BASELINE", 5, True, b"baseline"])
def test_use_level(name: Any) -> None:
    before = lrk._core.level()
    with pytest.raises(ValueError if isinstance(name, str) else TypeError, match="level"):
        lrk.use_level(name)
    assert lrk._core.level() == before


# ---- and what is legal stays legal ----

LEGAL: list[Callable[[], lrk.Schedule]] = [
    lambda: lrk.linear(1.7e308, -1.7e308, 10),
    lambda: lrk.linear(np.float32(0.5), np.int64(1), np.int32(10)),
    lambda: lrk.linear(5e-324, -5e-324, 2**53 - 1),
    lambda: lrk.linear(0, 0, 1e-300),
    lambda: lrk.cosine(-1, 1, 0.5, cycles=1e6),
    lambda: lrk.polynomial(1, 0, 10, 1e-10),
    lambda: lrk.power_ramp(1, 0, 10, 1000),
    lambda: lrk.geometric(-1e-300, -1e300, 10),
    lambda: lrk.exponential(-1, 5e-324),
    lambda: lrk.exponential(0, 1e308, every=1e-3),
    lambda: lrk.step(1, 0.5, 1e308),
    lambda: lrk.multistep(1, [], 0.5),
    lambda: lrk.multistep(1, [0, 0, 5.5, 3], 0.5),
    lambda: lrk.multistep(1, np.array([5, 3]), 0.5),
    lambda: lrk.inverse_sqrt(-1, 1e-300),
    lambda: lrk.piecewise_constant([1], []),
    lambda: lrk.piecewise_constant((1, 2), (5,)),
    lambda: lrk.piecewise_linear([3, 7.5], [1, 2]),
    lambda: lrk.from_values((1, 2)),
    lambda: lrk.from_values(np.arange(5, dtype=np.int8)),
    lambda: lrk.from_values(np.arange(5.0)[::-2]),
    lambda: lrk.warmup_cosine(0.5, 0, 10, floor=0.5, init=0.5),
    lambda: lrk.warmup_cosine(0.5, 10, 10),
    lambda: lrk.warmup_cosine(0.5, 0.25, 10.75),
    lambda: lrk.wsd(0.5, 0, 0, 1),
    lambda: lrk.wsd(0.5, 10, math.inf, 1),
    lambda: lrk.cosine_restarts(0.5, 1),
    lambda: lrk.cosine_restarts(0.5, 10.5, 1.01),
    lambda: lrk.cosine_restarts(0.5, 2**53 - 1, 3),
    lambda: lrk.cosine_plateau(0.5, 100, plateaus=[(20, 30), (50, 10), (0, 5)]),
    lambda: lrk.cosine_plateau(0.5, 100, plateaus=[(50, 0)]),
    lambda: lrk.cosine_plateau(0.5, 100, plateaus=[(0, 100)]),
    lambda: lrk.cosine_plateau(0.5, 100, floor_ratio=1),
    lambda: CURVE.cut(1000),
    lambda: CURVE.cut(0.5),
    lambda: CURVE.shift(0),
    lambda: CURVE.shift(2.5),
    lambda: CURVE.skip(0),
    lambda: CURVE.skip(99),
    lambda: CURVE.skip(5.0),
    lambda: CURVE.skip(np.int32(5)),
    lambda: lrk.linear(1.0, 0.0, 10.5).skip(10),
    lambda: lrk.inverse_sqrt(1.0, 10).skip(2**53 - 1),
    lambda: CURVE.stretch(1),
    lambda: CURVE.repeat(1),
    lambda: CURVE.repeat(2.0),
    lambda: CURVE.by_epoch(1),
    lambda: CURVE.by_epoch(1.5),
    lambda: CURVE.clip(hi=0.3),
    lambda: CURVE.clip(lo=0.3),
    lambda: CURVE.clip(0.3, 0.3),
    lambda: CURVE * 0,
    lambda: CURVE * np.float32(2),
    lambda: lrk.sequence(CURVE, CURVE, CURVE, at=[5, 5]),
    lambda: lrk.sequence(CURVE, CURVE, at=(0,)),
    lambda: lrk.sequence(CURVE, CURVE, at=[10**6]),
]


@pytest.mark.parametrize("make", LEGAL)
def test_legal_values(make: Callable[[], lrk.Schedule]) -> None:
    schedule = make()
    assert isinstance(schedule, lrk.Schedule)
    values = schedule.values(200)
    assert not np.isnan(values).any()
    assert values.tolist() == [schedule(t) for t in range(200)]


def test_legal_steps_and_ranges() -> None:
    assert CURVE(3.0) == CURVE(3) == CURVE(np.uint8(3)) == CURVE(np.array(3)) == CURVE(np.float32(3))
    scalars: list[object] = [CURVE(3), CURVE(np.array(3)), CURVE(3.0), CURVE(np.int8(3))]
    assert {type(value) for value in scalars} == {float}
    assert CURVE([]).shape == (0,)
    assert CURVE(np.zeros((2, 0), dtype=int)).shape == (2, 0)
    assert CURVE(np.array([3.0, 4.0])).tolist() == CURVE([3, 4]).tolist()
    for empty in (CURVE.values(0), CURVE.values(5, 3), CURVE.values(5, -1), CURVE.values(3, 5, -1)):
        assert empty.shape == (0,)
    assert CURVE.values(2**63 - 1, 2**63).shape == (1,)
    assert CURVE.values(np.int64(3), 8.0, np.int8(2)).tolist() == CURVE([3, 5, 7]).tolist()
    for dtype in (np.float32, "float32", "f4", np.dtype("f4")):
        assert CURVE.values(5, dtype=dtype).dtype == np.float32
    one: Any = np.int64(1)
    assert CURVE.values(5, threads=one).tolist() == CURVE.values(5).tolist()
