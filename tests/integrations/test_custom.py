"""Shapes of your own: what may be registered, the same bits by every way to ask, one identity, clear errors."""

import ctypes
import functools
import json
import math
import os
import pickle
import struct
import subprocess
import sys
import types
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import own
import pytest
import scipy
import torch
from numba import cfunc

import lrkernel as lrk
from lrkernel import custom

LAST = 2**63 - 1
ROOT = Path(__file__).resolve().parents[2]


def bits(values: npt.ArrayLike) -> list[int]:
    return [int(bits) for bits in np.atleast_1d(np.asarray(values, np.float64)).view(np.uint64).ravel()]


def raised_cosine(u: float) -> float:
    return (1.0 + math.cos(math.pi * u)) / 2.0


def down(u: float) -> float:
    return 1.0 - u


wave = lrk.shape(raised_cosine, name="raised cosine")


# ---- values ----


def test_it_is_the_formula() -> None:
    half = wave(1.0, 0.5, 4)
    assert half.values(6).tolist() == [1.0, 0.5 + 0.5 * raised_cosine(0.25), 0.75, 0.5 + 0.5 * raised_cosine(0.75), 0.5, 0.5]
    assert own.own(0.0, 2.0, 4).values(6).tolist() == [0.0, 0.3125, 1.0, 1.6875, 2.0, 2.0]
    assert own.own(-1.0, 1.0, 4).values(5).tolist() == [-1.0, -0.6875, 0.0, 0.6875, 1.0]
    assert own.own(1.5, 0.0, 4).length == 4
    assert own.own(0.25, 0.25, 4).end == 0


@pytest.mark.parametrize("make", [wave, own.own], ids=lambda make: make.name)
@pytest.mark.parametrize("ends", [(0.1, 0.0), (1e-7, 0.3), (1e300, -1e300), (-0.1, 0.7), (1.7e308, -1.7e308), (5e-324, 1.0)])
def test_ends_are_exact(make: custom.CustomShape, ends: tuple[float, float], level: str) -> None:
    for steps in (1, 2, 3, 255, 1000, 10**6 + 3, 2**40 + 1, 2**53 - 1, 12345.6):
        schedule = make(*ends, steps)
        at = [0, math.ceil(steps), math.ceil(steps) + 1, LAST]
        assert bits(schedule(at)) == bits([schedule(t) for t in at]) == bits([ends[0], ends[1], ends[1], ends[1]])


@pytest.mark.parametrize(
    "make",
    [
        wave,
        lrk.shape(numba.njit(lambda u: 1.0 / (1.0 + 3.0 * u) * (1.0 - u)), name="compiled"),
        lrk.shape(numba.njit(lambda u: math.cos(math.pi / 2 * u), fastmath=True), name="fast"),
        lrk.shape(lambda u: math.cos(math.pi / 2 * u), name="sampled", samples=100),
    ],
    ids=lambda make: make.name,
)
def test_the_same_bits_by_every_way(make: custom.CustomShape, level: str) -> None:
    alone = make(0.1, 0.003, 5000.5)
    for schedule in (alone, lrk.constant(0.25, 27.6).then(alone), (alone * alone).clip(hi=0.005).repeat().skip(77)):
        steps = np.arange(6000)
        want = bits([schedule(t) for t in range(6000)])
        assert bits(schedule.values(6000)) == want
        assert bits(schedule(steps)) == want
        assert bits(schedule(steps[::-1])) == want[::-1]
        assert bits(schedule.values(5999, -1, -7)) == want[::-7]
        assert [bit for block in schedule.blocks(0, 6000, 77) for bit in bits(block)] == want
        assert bits(schedule.values(6000, out=np.empty(12_000)[::2])) == want
        assert (schedule.values(6000, dtype=np.float32) == schedule.values(6000).astype(np.float32)).all()
        assert bits(numba.njit(lambda s: s.values(6000))(schedule)) == want
    long = make(0.1, 0.003, 10**6)
    assert bits(long.values(10**6, threads=2)) == bits(long.values(10**6, threads=1))
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: long.values(10**5), range(8)):
            assert bits(found) == bits(long.values(10**5))


def test_many_at_once_is_used_where_it_has_the_same_bits() -> None:
    codes = {one.name: one.code for one in custom._registered.values()}
    assert codes["raised cosine"].many
    assert codes["compiled"].many
    assert not codes["fast"].many

    @cfunc("void(CPointer(float64), int64, CPointer(float64))")
    def other(u: Any, n: Any, g: Any) -> None:
        for k in range(n):
            g[k] = (1.0 - u[k]) * (1.0 + 2.0**-52)

    plain = custom._compiled(down)
    assert custom._checked(plain).many
    assert not custom._checked(plain._replace(many=other.address or 0)).many


def test_algebra() -> None:
    curve = own.own(1.0, 0.5, 100)
    assert bits(curve.stretch(200)(100)) == bits(curve(50))
    assert bits(curve.cut(50)([49, 50, 51])) == bits([curve(49), curve(50), curve(50)])
    assert bits(curve.by_epoch(3)([5, 6])) == bits([curve(1), curve(2)])
    assert bits((curve * curve)(7)) == bits(curve(7) * curve(7))
    assert bits(curve.repeat()(1007)) == bits(curve(7))
    assert [phase.name for phase in lrk.constant(1.0, 3).then(wave(1.0, 0.0, 9)).phases()] == ["constant", "raised cosine"]
    assert lrk.sweep(wave, start=[0.1, 0.2], stop=0.0, steps=10).values(3).shape == (2, 3)


def test_samples_are_joined_by_lines() -> None:
    calls = []

    def g(u: float) -> float:
        calls.append(u)
        return [1.0 - u][0]

    ramp = lrk.shape(g, name="ramp of four", samples=4)
    assert calls == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert ramp(1.0, 0.0, 8).values(9).tolist() == [1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0.0]
    coarse = lrk.shape(lambda u: (1.0 - u) ** 2, name="coarse", samples=2)
    assert coarse(1.0, 0.0, 8).values(9).tolist() == [1.0, 0.8125, 0.625, 0.4375, 0.25, 0.1875, 0.125, 0.0625, 0.0]


# ---- pointers ----


def test_pointers_of_other_libraries() -> None:
    compiled = cfunc("float64(float64)")(down)
    want = lrk.linear(1.0, 0.5, 1000).values(1000)
    libm = ctypes.CDLL(None)
    libm.cos.restype, libm.cos.argtypes = ctypes.c_double, [ctypes.c_double]
    for name, fn in (
        ("numba's cfunc", compiled),
        ("ctypes", compiled.ctypes),
        ("low level", scipy.LowLevelCallable(compiled.ctypes)),
        ("capsule", tuple.__getitem__(scipy.LowLevelCallable(compiled.ctypes), 0)),
    ):
        curve = lrk.shape(fn, name=name)(1.0, 0.5, 1000)
        assert np.abs(curve.values(1000) - want).max() <= 2.0**-52
        assert bits(curve.values(1000)) == bits([curve(t) for t in range(1000)])
        assert lrk.shape(fn, name=name) == lrk.shape(name=name)  # the same address again
    with pytest.raises(ValueError, match=r"fn must be 0 at 1, got 0\.5403"):
        lrk.shape(libm.cos, name="cosine of one")


def test_a_pointer_with_data() -> None:
    @cfunc("float64(float64, CPointer(float64))")
    def g(u: Any, data: Any) -> Any:
        return 1.0 - u ** data[0]

    power = np.array([3.0])
    fn = scipy.LowLevelCallable(g.ctypes, power.ctypes.data_as(ctypes.c_void_p), signature="double (double, void *)")
    cubic = lrk.shape(fn, name="cubic")
    assert cubic(1.0, 0.0, 4).values(5).tolist() == [1.0, 1.0 - 0.25**3, 0.875, 1.0 - 0.75**3, 0.0]


CYTHON = """
from libc.math cimport cos, M_PI

cdef api double raised(double u) noexcept nogil:
    return (1.0 + cos(M_PI * u)) / 2.0

cdef api double two(double u, double v) noexcept nogil:
    return u + v
"""


def test_a_function_of_cython(tmp_path: Path) -> None:
    (tmp_path / "shapes_of_mine.pyx").write_text(CYTHON)
    command = [sys.executable, "-m", "Cython.Build.Cythonize", "-3", "-i", "shapes_of_mine.pyx"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    sys.path.insert(0, str(tmp_path))
    try:
        import shapes_of_mine  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(tmp_path))
    curve = lrk.shape(shapes_of_mine.__pyx_capi__["raised"], name="of Cython")(1.0, 0.1, 1000)
    assert np.abs(curve.values(1001) - wave(1.0, 0.1, 1000).values(1001)).max() <= 2.0**-52
    assert bits(curve.values(1000, threads=2)) == bits([curve(t) for t in range(1000)])
    with pytest.raises(TypeError, match=r"fn must be a function double \(double\), got double \(double, double\)"):
        lrk.shape(shapes_of_mine.__pyx_capi__["two"], name="two")


# ---- identity ----


def test_written_forms() -> None:
    schedule = lrk.linear(0.0, 0.1, 10).then(wave(0.1, 0.01, 90.5) * 2.0).then(own.own(0.02, 0.0, 50).named("cooldown"))
    assert eval(repr(schedule), vars(lrk).copy()) == schedule
    assert repr(wave(0.1, 0.0, 100)) == "shape(name='raised cosine')(0.1, 0.0, 100)"
    form = json.loads(json.dumps(schedule.to_dict()))
    assert form["segments"][2]["name"] == "own"
    assert lrk.Schedule.from_dict(form) == schedule
    again = lrk.Schedule.from_bytes(schedule.to_bytes())
    assert (again, again.phases()) == (schedule, schedule.phases())
    assert pickle.loads(pickle.dumps(schedule)) == schedule
    assert pickle.loads(pickle.dumps(wave)) == wave
    assert wave(0.1, 0.0, 100).to_dict()["segments"][0] == {
        "begin": 0,
        "end": 100,
        "name": "raised cosine",
        "shape": "custom",
        "start": "0x1.999999999999ap-4",
        "stop": "0x0.0p+0",
    }
    assert wave(0.1, 0.0, 100) != own.own(0.1, 0.0, 100)
    assert wave(0.1, 0.0, 100).fingerprint != own.own(0.1, 0.0, 100).fingerprint
    assert {wave, lrk.shape(name="raised cosine")} == {wave}


def test_bytes_hold_names_and_no_addresses() -> None:
    schedule = own.own(1.0, 0.0, 10)
    assert b"own" in schedule.to_bytes()
    code = next(one.code for one in custom._registered.values() if one.name == "own")
    for address in (code.plain, code.many):
        assert address.to_bytes(8, "little") not in schedule.to_bytes()


OTHER = """
import pickle, sys
import lrkernel as lrk
from pathlib import Path
form, data, stored = pickle.loads(Path("saved").read_bytes())
for load in (lambda: lrk.Schedule.from_dict(form), lambda: lrk.Schedule.from_bytes(data), lambda: pickle.loads(stored)):
    try:
        load()
    except ValueError as error:
        print(error)
lrk.shape(lambda u: 1.0 - u * u * (3.0 - 2.0 * u), name="own")
for load in (lambda: lrk.Schedule.from_dict(form), lambda: lrk.Schedule.from_bytes(data), lambda: pickle.loads(stored)):
    print(load().fingerprint, load()(3).hex())
"""


def test_another_process_needs_the_function_and_says_so(tmp_path: Path) -> None:
    schedule = lrk.constant(1.0, 2).then(own.own(1.0, 0.0, 10))
    (tmp_path / "saved").write_bytes(pickle.dumps((schedule.to_dict(), schedule.to_bytes(), pickle.dumps(schedule))))
    run = subprocess.run([sys.executable, "-c", OTHER], cwd=tmp_path, capture_output=True, text=True, check=True)
    lines = run.stdout.splitlines()
    assert lines[0] == "segments[1].name must be registered: call lrkernel.shape(fn, name='own') with its function first"
    assert lines[1:3] == ["shape must be registered: call lrkernel.shape(fn, name='own') with its function first"] * 2
    assert lines[3:] == [f"{schedule.fingerprint} {schedule(3).hex()}"] * 3


def test_bytes_whose_names_are_others() -> None:
    raw = own.own(1.0, 0.0, 10).to_bytes()
    at = raw.rindex(b"own")

    def sealed(name: bytes) -> bytes:
        body = raw[:at] + name + raw[at + len(name) : -4]
        return body + struct.pack("<I", zlib.crc32(body))

    lrk.shape(down, name="dwn")
    with pytest.raises(ValueError, match=r"data must hold the names of its shapes, got \['dwn'\]"):
        lrk.Schedule.from_bytes(sealed(b"dwn"))
    with pytest.raises(ValueError, match="shape must be registered: call lrkernel"):
        lrk.Schedule.from_bytes(sealed(b"two"))
    assert lrk.Schedule.from_bytes(sealed(b"own")) == own.own(1.0, 0.0, 10)


def test_registering_again() -> None:
    again = lrk.shape(raised_cosine, name="raised cosine")
    assert again == wave
    made: Callable[[float], Callable[[float], float]] = lambda power: lambda u: (1.0 - u) ** power  # noqa: E731
    lrk.shape(made(2.0), name="closed")
    assert lrk.shape(made(2.0), name="closed") == lrk.shape(name="closed")
    for fn, samples in ((made(3.0), None), (down, None), (made(2.0), 10), (numba.njit(made(2.0), fastmath=True), None)):
        with pytest.raises(ValueError, match="name must not be registered for another function, got 'closed'"):
            lrk.shape(fn, name="closed", samples=samples)
    assert lrk.shape(name="closed")(1.0, 0.0, 4)(2) == 0.25


# ---- errors ----


@pytest.mark.parametrize(
    ("fn", "name", "samples", "error", "message"),
    [
        (down, "", None, ValueError, "name must be text without NUL and not empty, got ''"),
        (down, 3, None, TypeError, "name must be a string, got 3"),
        (None, "nobody's", None, ValueError, r'name must be registered: call lrkernel.shape\(fn, name="nobody\'s"\)'),
        (3, "bad", None, TypeError, "fn must be a function, got 3"),
        (3, "bad", 4, TypeError, "fn must be a function to be sampled, got 3"),
        (down, "bad", 0, ValueError, "samples must be >= 1, got 0"),
        (down, "bad", 1.5, ValueError, r"samples must be a whole number, got 1\.5"),
        (down, "bad", 2**25, ValueError, r"samples must be <= 2\^24, got 33554432"),
        (lambda u: 1.0 - u / 2, "bad", None, ValueError, r"fn must be 0 at 1, got 0\.5"),
        (lambda u: u, "bad", None, ValueError, r"fn must be 1 at 0, got 0\.0"),
        (lambda u: 1.0 - u + 1e-9, "bad", 8, ValueError, r"fn must be 1 at 0, got 1\.000000001"),
        (lambda u: (1.0 - u) / (1.0 - 2.0 * u), "bad", None, ValueError, r"fn must be finite from 0 to 1, got inf at 0\.5"),
        (lambda u: math.sqrt(1.0 - 2.0 * u) if u < 1.0 else 0.0, "bad", None, ValueError, "fn must be finite from 0 to 1, got nan"),
        (lambda u: math.nan, "bad", 4, ValueError, "fn must be finite, got nan"),
        (lambda u: "much", "bad", 4, TypeError, "fn must be a real number, got 'much'"),
        (lambda u: {}[u], "bad", None, TypeError, r"fn must be a function that numba compiles, or be sampled \(samples=4096\)"),
        (lambda u, v: u, "bad", None, TypeError, "fn must be a function that numba compiles"),
        (ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_double)(int), "bad", None, TypeError, "fn must have restype c_double"),
        (
            ctypes.CFUNCTYPE(ctypes.c_double)(float),
            "bad",
            None,
            TypeError,
            r"fn must have restype c_double and argtypes \[c_double\]",
        ),
        (
            np.cos,
            "bad",
            None,
            TypeError,
            r"fn must be a function that numba compiles, or be sampled \(samples=4096\), got <ufunc 'cos'>",
        ),
        (
            functools.partial(down),
            "bad",
            None,
            TypeError,
            r"fn must be a function that numba compiles, or be sampled .* got functools",
        ),
        (
            np.vectorize(down),
            "bad",
            None,
            TypeError,
            r"fn must be a function that numba compiles, or be sampled .* got <numpy.vector",
        ),
        (lrk._core.C_API, "bad", None, TypeError, r"fn must be a function double \(double\), got lrkernel\._core\.C_API"),
    ],
)
def test_what_is_refused(fn: Any, name: Any, samples: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        lrk.shape(fn, name=name, samples=samples)
    with pytest.raises(ValueError, match="name must be registered"):
        lrk.shape(name="bad")


def test_what_a_function_raises_is_raised_when_it_is_registered() -> None:
    def g(u: float) -> float:
        if u == 0.25:
            raise RuntimeError("a quarter")
        return 1.0 - u

    with pytest.raises(RuntimeError, match="a quarter"):
        lrk.shape(g, name="raises")
    with pytest.raises(ValueError, match="name must be registered"):
        lrk.shape(name="raises")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((math.nan, 0.0, 10), ValueError, "start must be finite, got nan"),
        ((1.0, "0", 10), TypeError, "stop must be a real number, got '0'"),
        ((1.0, 0.0, 0), ValueError, "steps must be > 0, got 0"),
        ((1.0, 0.0, 2**53), ValueError, r"steps must be < 2\^53, got 9007199254740992"),
    ],
)
def test_bad_arguments_of_the_constructor(arguments: tuple[Any, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        wave(*arguments)


def test_a_canonical_form_without_a_name() -> None:
    form = own.own(1.0, 0.0, 10).to_dict()
    del form["segments"][0]["name"]
    with pytest.raises(ValueError, match=r"segments\[0\] must have the key 'name'"):
        lrk.Schedule.from_dict(form)
    form["segments"][0]["name"] = 3
    with pytest.raises(TypeError, match=r"segments\[0\]\.name must be a string, got 3"):
        lrk.Schedule.from_dict(form)


def test_without_numba_python_functions_are_sampled_or_refused() -> None:
    code = (
        "import sys\nsys.modules['numba'] = None\nimport lrkernel as lrk\n"
        "print(lrk.shape(lambda u: 1.0 - u, name='sampled', samples=4)(1.0, 0.0, 8)(3))\n"
        "try:\n    lrk.shape(lambda u: 1.0 - u, name='compiled')\nexcept ImportError as error:\n    print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ))
    said = 'shape of a Python function needs numba: pip install "lrkernel[numba]", or sample it: samples=4096'
    assert run.stdout.splitlines() == ["0.625", said]


class Power:
    def __init__(self, power: float):
        self.power = power

    def g(self, u: float) -> float:
        return float((1.0 - u) ** self.power)


def test_a_bound_method_is_the_function_of_its_object() -> None:
    lrk.shape(Power(2.0).g, name="bound power", samples=16)
    with pytest.raises(ValueError, match=r"^name must not be registered for another function, got 'bound power'$"):
        lrk.shape(Power(3.0).g, name="bound power", samples=16)


def test_samples_need_a_function() -> None:
    with pytest.raises(ValueError, match=r"^samples must not be given without fn, got 16$"):
        lrk.shape(name="bound power", samples=16)


def test_a_sampled_function_may_register_another() -> None:
    def outer(u: float) -> float:
        lrk.shape(raised_cosine, name="inner wave", samples=4)
        return 1.0 - u

    assert lrk.shape(outer, name="outer line", samples=4)(1.0, 0.0, 10)(5) == 0.5


def test_constants_of_other_kinds_are_other_functions() -> None:
    lrk.shape(lambda u: 1.0 - u**3, name="whole power", samples=8)
    with pytest.raises(ValueError, match=r"^name must not be registered for another function, got 'whole power'$"):
        lrk.shape(lambda u: 1.0 - u**3.0, name="whole power", samples=8)


def test_a_null_pointer() -> None:
    with pytest.raises(ValueError, match=r"^fn must point to a function, got NULL$"):
        lrk.shape(ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(0), name="null")


def test_what_a_function_raises_later_is_nan_for_that_step() -> None:
    def g(u: float) -> float:
        if 0.3 < u < 0.3001:
            raise ValueError("not here")
        return 1.0 - u

    curve = lrk.shape(g, name="with a hole")(1.0, 0.0, 100_000)
    want = np.flatnonzero(np.isnan([curve(t) for t in range(29_000, 32_000)]))
    assert want.tolist() == list(range(1001, 1010))
    assert np.flatnonzero(np.isnan(curve.values(29_000, 32_000))).tolist() == want.tolist()
    assert np.flatnonzero(np.isnan(curve(np.arange(29_000, 32_000)[::-1])[::-1])).tolist() == want.tolist()
    assert curve.values(29_000, 32_000)[1500] == curve(30_500)


def test_names_of_numpy() -> None:
    made = lrk.shape(down, name=np.str_("a name of NumPy"))
    assert type(made.name) is str
    assert lrk.shape(name=np.str_("a name of NumPy")) == made == lrk.shape(name="a name of NumPy")
    assert json.loads(json.dumps(made(1.0, 0.0, 4).to_dict()))["segments"][0]["name"] == "a name of NumPy"


def test_functions_that_are_only_sampled() -> None:
    half = functools.partial(lambda power, u: (1.0 - u) ** power, 2.0)
    for name, fn in (("partial", half), ("vectorized", np.vectorize(lambda u: 1.0 - u)), ("ufunc", np.frompyfunc(down, 1, 1))):
        assert lrk.shape(fn, name=name, samples=4)(1.0, 0.0, 4)(2) in (0.25, 0.5)
    again = functools.partial(lambda power, u: (1.0 - u) ** power, 2.0)
    assert lrk.shape(again, name="partial", samples=4) == lrk.shape(name="partial")
    other = functools.partial(lambda power, u: (1.0 - u) ** power, 3.0)
    with pytest.raises(ValueError, match="name must not be registered for another function, got 'partial'"):
        lrk.shape(other, name="partial", samples=4)


CELL = """
import numba, numpy as np
LEVELS = np.array([1.0, {level}])

@numba.njit
def helper(u):
    return {power} * u - u

def g(u):
    square = lambda x: x * x
    return LEVELS[0] - square(helper(u)) * settings.scale
"""


def cell(lines: int = 0, power: float = 2.0, level: float = 3.0, scale: float = 1.0) -> Callable[[float], float]:
    """What a cell of a notebook defines when it runs again: the same code elsewhere, or other code."""
    known: dict[str, Any] = {"settings": types.ModuleType("settings")}
    known["settings"].scale = scale
    exec("\n" * lines + CELL.format(power=power, level=level), known)
    found: Callable[[float], float] = known["g"]
    return found


def test_a_cell_that_runs_again() -> None:
    module = cell().__globals__["settings"]

    def again(**changed: Any) -> Callable[[float], float]:
        fn = cell(**changed)
        module.scale = changed.get("scale", 1.0)
        fn.__globals__["settings"] = module
        return fn

    first = lrk.shape(again(), name="of a cell")
    assert first(1.0, 0.0, 4)(2) == 0.75
    assert lrk.shape(again(lines=7), name="of a cell") == first
    for changed in ({"power": 2.5}, {"level": 4.0}, {"scale": 1.0 + 2.0**-52}, {"scale": 1}):
        with pytest.raises(ValueError, match="name must not be registered for another function, got 'of a cell'"):
            lrk.shape(again(**changed), name="of a cell")


def test_a_function_that_calls_itself() -> None:
    code = "def g(u):\n    return 1.0 - u if u < 2.0 else g(u - 1.0)\n"
    for _ in range(2):
        known: dict[str, Any] = {}
        exec(code, known)
        assert lrk.shape(known["g"], name="calls itself", samples=4) == lrk.shape(name="calls itself")


def test_a_function_that_many_call_is_looked_into_once() -> None:
    """By every path to it that took time without end: 2^40 paths here."""

    def nested(depth: int) -> Callable[[float], float]:
        fn: Callable[[float], float] = lambda u: 1.0 - u  # noqa: E731
        for _ in range(depth):
            fn = (lambda inner: lambda u: inner(u) if u < 0.5 else 0.0 + inner(u))(fn)
        return fn

    first = lrk.shape(nested(40), name="nested", samples=4)
    assert lrk.shape(nested(40), name="nested", samples=4) == first
    with pytest.raises(ValueError, match="name must not be registered for another function, got 'nested'"):
        lrk.shape(nested(39), name="nested", samples=4)


def test_tensors_that_a_function_holds() -> None:
    def made() -> Callable[[float], float]:
        ends = torch.tensor([1.0, 0.0])
        return lambda u: float(ends[0]) - u

    held = made()
    assert lrk.shape(held, name="tensors", samples=4) == lrk.shape(held, name="tensors", samples=4)
    with pytest.raises(ValueError, match="name must not be registered for another function, got 'tensors'"):
        lrk.shape(made(), name="tensors", samples=4)
