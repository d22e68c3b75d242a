"""Specs: what they say is what is built, and what they get wrong is told in one line."""

import inspect
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lrkernel as lrk
from lrkernel import spec

LINEAR = {"shape": "linear", "start": 1.0, "stop": 0.0, "steps": 100}
FLAT = {"shape": "constant", "value": 0.5}


def refusal(mapping: Any) -> str:
    """The one line with which `parse` refuses."""
    with pytest.raises((ValueError, TypeError)) as caught:
        spec.parse(mapping)
    line = str(caught.value)
    assert line.isprintable()
    assert 0 < len(line) <= 400
    return line


# ---- what a spec means ----


@pytest.mark.parametrize(
    ("mapping", "schedule"),
    [
        (LINEAR, lrk.linear(1.0, 0.0, 100)),
        (FLAT, lrk.constant(0.5)),
        ({**FLAT, "steps": 10}, lrk.constant(0.5, 10)),
        (
            {"shape": "cosine", "start": 1, "stop": 0, "steps": 9, "cycles": 1.5},
            lrk.cosine(1, 0, 9, cycles=1.5),
        ),
        (
            {"shape": "multistep", "start": 0.1, "milestones": [30, 60], "gamma": 0.1},
            lrk.multistep(0.1, [30, 60], 0.1),
        ),
        (
            {"shape": "piecewise_linear", "steps": [0, 10, 40], "values": [0.0, 1.0, 0.1]},
            lrk.piecewise_linear([0, 10, 40], [0.0, 1.0, 0.1]),
        ),
        ({"shape": "from_values", "array": [3.0, 2.0, 1.0]}, lrk.from_values([3.0, 2.0, 1.0])),
        (
            {"shape": "warmup_cosine", "peak": 1e-3, "warmup": 10, "total": 90, "floor": 1e-5},
            lrk.warmup_cosine(1e-3, 10, 90, floor=1e-5),
        ),
        (
            {"shape": "warmup_cosine", "peak": 1e-3, "warmup": "2.5%", "total": 1000},
            lrk.warmup_cosine(1e-3, 25, 1000),
        ),
        (
            {"shape": "wsd", "peak": 1, "warmup": 5, "stable": math.inf, "decay": 20},
            lrk.wsd(1, 5, math.inf, 20),
        ),
        (
            {"shape": "cosine_plateau", "peak": 1, "total": 1000, "plateaus": [[50, 20]]},
            lrk.cosine_plateau(1, 1000, plateaus=[(50, 20)]),
        ),
        ({"sequence": [LINEAR]}, lrk.linear(1.0, 0.0, 100)),
        ({"sequence": [LINEAR, FLAT]}, lrk.linear(1.0, 0.0, 100).then(lrk.constant(0.5))),
        (
            {"sequence": [LINEAR, FLAT], "at": [30]},
            lrk.sequence(lrk.linear(1.0, 0.0, 100), lrk.constant(0.5), at=[30]),
        ),
        (
            {"product": [LINEAR, {"shape": "step", "start": 1, "step_size": 10, "gamma": 0.5}]},
            lrk.linear(1.0, 0.0, 100) * lrk.step(1, 10, 0.5),
        ),
        (
            {"sequence": [{"sequence": [LINEAR, LINEAR]}, {"product": [FLAT, LINEAR]}]},
            lrk.sequence(
                lrk.linear(1.0, 0.0, 100),
                lrk.linear(1.0, 0.0, 100),
                lrk.constant(0.5) * lrk.linear(1.0, 0.0, 100),
            ),
        ),
    ],
)
def test_a_spec_is_the_call_it_spells(mapping: Any, schedule: lrk.Schedule) -> None:
    read = spec.parse(mapping)
    assert read.schedule == schedule
    assert read == (schedule, None, None, "step")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"scale": 0.5}, lambda s: s * 0.5),
        ({"scale": 2}, lambda s: s * 2),
        ({"divide": 3.0}, lambda s: s / 3.0),
        ({"offset": 0.25}, lambda s: s + 0.25),
        ({"clip": [0.2, 0.8]}, lambda s: s.clip(0.2, 0.8)),
        ({"clip": [0.2, math.inf]}, lambda s: s.clip(0.2, None)),
        ({"clip": [-math.inf, 0.8]}, lambda s: s.clip(None, 0.8)),
        ({"clip": [None, 0.8]}, lambda s: s.clip(None, 0.8)),
        ({"shift": 7}, lambda s: s.shift(7)),
        ({"cut": 40}, lambda s: s.cut(40)),
        ({"skip": 5}, lambda s: s.skip(5)),
        ({"stretch": 33}, lambda s: s.stretch(33)),
        ({"repeat": 3}, lambda s: s.repeat(3)),
        ({"repeat": "forever"}, lambda s: s.repeat()),
        ({"by_epoch": 50}, lambda s: s.by_epoch(50)),
    ],
)
def test_each_change_is_the_operation_of_its_name(change: dict[str, Any], expected: Callable[[lrk.Schedule], lrk.Schedule]) -> None:
    assert spec.parse({**LINEAR, "apply": [change]}).schedule == expected(lrk.linear(1.0, 0.0, 100))


def test_changes_apply_in_order_and_at_any_depth() -> None:
    changes = [{"scale": 2.0}, {"offset": 1.0}]
    line = lrk.linear(1.0, 0.0, 100)
    assert spec.parse({**LINEAR, "apply": changes}).schedule == line * 2.0 + 1.0
    assert spec.parse({**LINEAR, "apply": changes[::-1]}).schedule == (line + 1.0) * 2.0
    nested = {"sequence": [{**LINEAR, "apply": changes}, LINEAR], "apply": [{"scale": 0.5}]}
    assert spec.parse(nested).schedule == (line * 2.0 + 1.0).then(line) * 0.5


def test_top_level_words() -> None:
    read = spec.parse({"product": [LINEAR], "title": "a run", "steps": 70, "unit": "token"})
    assert read == (lrk.linear(1.0, 0.0, 100), 70, "a run", "token")


def test_steps_belongs_to_a_shape_that_takes_it() -> None:
    assert spec.parse(LINEAR).steps is None
    assert spec.parse({"sequence": [FLAT], "steps": 100}).steps == 100
    open_ended = {"shape": "inverse_sqrt", "start": 1, "timescale": 10, "steps": 1e7}
    assert spec.parse(open_ended).steps == 10_000_000


def test_no_constructor_takes_the_words_of_a_spec() -> None:
    words = {"shape", "sequence", "product", "at", "apply", "name", "title", "unit"}
    names = [name for name in lrk.__all__ if inspect.isfunction(getattr(lrk, name))]
    for name in names:
        taken = inspect.signature(getattr(lrk, name)).parameters
        assert words.isdisjoint(taken) or name in ("sequence", "shape")  # which no spec calls
    assert len(names) >= 15


def test_every_primitive_and_builder_can_be_spelt() -> None:
    line = refusal({"shape": "?" * 50})
    for name in ("constant", "linear", "cosine", "polynomial", "power_ramp", "geometric"):
        assert name in line
    for name in ("exponential", "step", "multistep", "inverse_sqrt", "piecewise_constant"):
        assert name in line
    for name in ("piecewise_linear", "from_values", "warmup_cosine", "warmup_linear", "wsd"):
        assert name in line
    for name in ("warmup_constant", "cosine_restarts", "cosine_plateau"):
        assert name in line
    assert "use_level" not in line


@pytest.mark.parametrize(
    "schedule",
    [
        lrk.linear(1.0, 0.1, 100),
        lrk.warmup_cosine(1e-3, 10, 90.5) * 0.5,
        lrk.cosine_restarts(1.0, 10, 2.0).clip(0.1, 0.5),
        lrk.from_values([1.0, 0.5]).repeat(),
        lrk.step(1.0, 10, 0.1) * lrk.inverse_sqrt(1.0, 100),
    ],
)
def test_the_canonical_form_is_a_spec(schedule: lrk.Schedule, tmp_path: Path) -> None:
    path = tmp_path / "canonical.json"
    path.write_text(json.dumps(schedule.to_dict()))
    assert spec.load(path).schedule == schedule
    told = spec.parse({**schedule.to_dict(), "title": "t", "apply": [{"scale": 0.5}]})
    assert told.title == "t"
    assert told.schedule == schedule * 0.5
    assert spec.parse({"sequence": [schedule.to_dict()]}).schedule == schedule


# ---- files ----

TOML = """
title = "warm up, then decay"  # a comment
steps = 120
unit = "token"
sequence = [
  { shape = "linear", start = 0, stop = 1, steps = 20 },
  { shape = "cosine", start = 1, stop = 0.1, steps = 100.0 },
]
apply = [{ scale = 3e-4 }, { clip = [1e-6, inf] }]
"""


def test_toml_and_json_say_the_same(tmp_path: Path) -> None:
    tomlfile, jsonfile = tmp_path / "a.toml", tmp_path / "a.json"
    tomlfile.write_text(TOML)
    jsonfile.write_text(
        """{"title": "warm up, then decay", "steps": 120, "unit": "token", "sequence": [
        {"shape": "linear", "start": 0, "stop": 1, "steps": 20},
        {"shape": "cosine", "start": 1, "stop": 0.1, "steps": 100}],
        "apply": [{"scale": 3e-4}, {"clip": [1e-6, null]}]}"""
    )
    read = spec.load(tomlfile)
    assert read == spec.load(jsonfile) == spec.load(str(jsonfile))
    assert read[1:] == (120, "warm up, then decay", "token")
    line = lrk.linear(0, 1, 20).then(lrk.cosine(1, 0.1, 100))
    assert read.schedule == (line * 3e-4).clip(1e-6, None)


@pytest.mark.parametrize("name", ["spec", "spec.txt", "spec.TOML", "spec.conf.toml"])
def test_any_other_name_is_read_by_its_first_brace(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text('shape = "constant"\nvalue = 1')
    assert spec.load(path).schedule == lrk.constant(1)
    if "toml" not in name.lower():
        path.write_text(' \n{"shape": "constant", "value": 1}')
        assert spec.load(path).schedule == lrk.constant(1)


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "notepad.toml"
    path.write_bytes(b'\xef\xbb\xbfshape = "constant"\r\nvalue = 1\r\n')
    assert spec.load(path).schedule == lrk.constant(1)


@pytest.mark.parametrize(
    ("name", "data", "rule"),
    [
        ("a.toml", b"", "the file is empty"),
        ("a.json", b" \n\t", "the file is empty"),
        ("a.toml", b"# nothing but a comment", "needs one of shape, sequence, product or "),
        ("a.json", b"{}", "needs one of shape, sequence, product or "),
        ("a.toml", b"\x89PNG\r\n", "not UTF-8 text, byte 0 is 0x89"),
        ("a.toml", b'title = "\xff"', "not UTF-8 text, byte 9 is 0xff"),
        ("a.json", "{}".encode("utf-16"), "not UTF-8 text, byte 0 is 0xff"),
        ("a.toml", b"shape = ", "not TOML: "),
        ("a.toml", b'shape = "linear"\nshape = "cosine"', "not TOML: "),
        ("a.toml", b"a = 1e999", "not TOML: 1e999 is beyond float64"),
        ("a.toml", b"\0\0\0", "not TOML: "),
        ("a.toml", b"a = [" + b"9" * 5000 + b"]", "not TOML: "),
        ("a.toml", b"a = " + b"[" * 100_000, "nested too deeply"),
        ("a.json", b'{"shape": ', "not JSON: "),
        ("a.json", b'{"shape": "linear"} {}', "not JSON: "),
        ("a.json", b"{'shape': 1}", "not JSON: "),
        ("a.json", b'{"apply": [], "apply": []}', 'not JSON: key "apply" is given twice'),
        ("a.json", b'{"value": NaN}', "not JSON: NaN is not a JSON number"),
        ("a.json", b'{"value": -Infinity}', "not JSON: -Infinity is not a JSON number"),
        ("a.json", b'{"value": 1e999}', "not JSON: 1e999 is beyond float64"),
        ("a.json", b'{"value": ' + b"9" * 5000 + b"}", "not JSON: "),
        ("a.json", b'{"a":' * 100_000, "nested too deeply"),
        ("a.json", b"[]", "must be a table of keys, got []"),
        ("a.json", b"null", "must be a table of keys, got null"),
        ("a.json", b'"shape"', 'must be a table of keys, got "shape"'),
        ("a.json", b'{"product": [' * 300 + b"1", "not JSON: "),
        ("a.json", b'{"sequence": [' * 5000 + b"1" + b"]}" * 5000, "nested too deeply"),
    ],
)
def test_a_bad_file_is_named_in_one_line(name: str, data: bytes, rule: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises((ValueError, TypeError)) as caught:
        spec.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert rule in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_file_that_cannot_be_read_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"):
        spec.load(tmp_path / "absent.toml")
    with pytest.raises(IsADirectoryError):
        spec.load(tmp_path)


# ---- what is refused ----


@pytest.mark.parametrize(
    ("mapping", "line"),
    [
        ({"shape": "cosin"}, 'shape: unknown shape "cosin", did you mean "cosine"?'),
        ({"shape": 3}, "shape: must be a string, got 3"),
        ({"shape": ["linear"]}, "shape: must be a string, got ['linear']"),
        ({"shpae": "linear"}, 'shpae: unknown key, did you mean "shape"?'),
        ({"sequences": [LINEAR]}, 'sequences: unknown key, did you mean "sequence"?'),
        ({**LINEAR, "stpes": 3}, 'stpes: unknown key, did you mean "steps"?'),
        ({**LINEAR, "titel": "x"}, 'titel: unknown key, did you mean "title"?'),
        ({**LINEAR, "a b": 1}, '"a b": unknown key, known are shape, start, stop, steps, '),
        ({**FLAT, "at": [3]}, "at: unknown key"),
        ({"shape": "linear", "start": 1}, "stop: missing, linear needs start, stop and steps"),
        ({**LINEAR, "sequence": [FLAT]}, "sequence: cannot stand beside shape"),
        ({"sequence": [FLAT], "product": [FLAT]}, "product: cannot stand beside sequence"),
        ({"sequence": []}, "sequence: needs at least one part, got []"),
        ({"product": []}, "product: needs at least one part, got []"),
        ({"sequence": LINEAR}, "sequence: must be a list, got {"),
        ({"sequence": "linear"}, 'sequence: must be a list, got "linear"'),
        ({"sequence": [1]}, "sequence[0]: must be a table of keys, got 1"),
        ({"sequence": [LINEAR, FLAT], "at": 30}, "at: must be a list, got 30"),
        ({"sequence": [FLAT, {**FLAT, "title": "x"}]}, "sequence[1].title: unknown key"),
        ({"sequence": [FLAT, {"shape": "liner"}]}, "sequence[1].shape: unknown shape"),
        ({"sequence": [{"product": [{"shape": 1}]}]}, "sequence[0].product[0].shape: must be"),
        ({**LINEAR, "apply": {"scale": 1}}, "apply: must be a list, got {"),
        ({**LINEAR, "apply": [1]}, "apply[0]: must be a table of keys, got 1"),
        ({**LINEAR, "apply": [{}]}, "apply[0]: must be one of scale, "),
        ({**LINEAR, "apply": [{"scale": 1, "offset": 1}]}, "apply[0]: must be one of scale, "),
        (
            {**LINEAR, "apply": [{"scale": 2}, {"scael": 1}]},
            'apply[1].scael: unknown key, did you mean "scale"?',
        ),
        ({**LINEAR, "apply": [{"scale": "2"}]}, 'apply[0].scale: must be a number, got "2"'),
        ({**LINEAR, "apply": [{"offset": True}]}, "apply[0].offset: must be a number, got true"),
        ({**LINEAR, "apply": [{"divide": None}]}, "apply[0].divide: must be a number, got null"),
        ({**LINEAR, "apply": [{"clip": 1.0}]}, "apply[0].clip: must be [low, high], got 1.0"),
        ({**LINEAR, "apply": [{"clip": [1.0]}]}, "apply[0].clip: must be [low, high], got [1.0]"),
        ({**LINEAR, "apply": [{"clip": [2, 1]}]}, "apply[0].clip: "),
        ({**LINEAR, "apply": [{"repeat": "ever"}]}, "apply[0].repeat: must be a count or"),
        ({**LINEAR, "apply": [{"repeat": None}]}, "apply[0].repeat: must be a count or"),
        ({**LINEAR, "apply": [{"repeat": 0}]}, "apply[0].repeat: "),
        ({**FLAT, "apply": [{"repeat": 2}]}, "apply[0].repeat: "),
        ({**FLAT, "apply": [{"stretch": 2}]}, "apply[0].stretch: "),
        ({**FLAT, "apply": [{"cut": -1}]}, "apply[0].cut: "),
        ({**FLAT, "apply": [{"skip": -1}]}, "apply[0].skip: n must be >= 0, got -1"),
        ({**LINEAR, "apply": [{"skip": 100}]}, "apply[0].skip: n must be < the length (100), got 100"),
        ({**FLAT, "apply": [{"by_epoch": 0}]}, "apply[0].by_epoch: "),
        ({**LINEAR, "title": 3}, "title: must be a string, got 3"),
        ({**LINEAR, "unit": None}, "unit: must be a string, got null"),
        ({"product": [FLAT], "steps": 0}, "steps: must be a whole number from 1 to 2**63, got 0"),
        ({"product": [FLAT], "steps": -5}, "steps: must be a whole number"),
        ({"product": [FLAT], "steps": 3.5}, "steps: must be a whole number"),
        ({"product": [FLAT], "steps": math.nan}, "steps: must be a whole number"),
        ({"product": [FLAT], "steps": math.inf}, "steps: must be a whole number"),
        ({"product": [FLAT], "steps": 2**63 + 1}, "steps: must be a whole number"),
        ({"product": [FLAT], "steps": True}, "steps: must be a whole number, got true"),
        ({"product": [FLAT], "steps": "9"}, 'steps: must be a whole number, got "9"'),
        ({"sequence": [FLAT, LINEAR]}, "length"),
        ({"sequence": [LINEAR, {**LINEAR, "steps": -5}]}, "sequence[1]: steps must be "),
        ({**LINEAR, "start": math.nan}, "start must be "),
        ({**LINEAR, "start": "1"}, "start must be "),
        ({**LINEAR, "steps": "5%"}, "steps must be a real number, for a percentage needs a total, got '5%'"),
        (
            {"sequence": [{"shape": "warmup_linear", "peak": 1, "warmup": "5", "total": 9}]},
            'sequence[0]: warmup must be steps or a percentage of total from "0%" to "100%", got \'5\'',
        ),
        ({**LINEAR, "start": True}, "start must be "),
        ({**LINEAR, "start": None}, "start must be "),
        ({**LINEAR, "start": 10**400}, "start must be "),
        ({1: 2}, "keys must be strings, got 1"),
        ({"sequence": [{None: 2}]}, "sequence[0]: keys must be strings, got null"),
    ],
)
def test_a_bad_spec_is_told_by_key_value_and_rule(mapping: Any, line: str) -> None:
    assert line in refusal(mapping)


@pytest.mark.parametrize("mapping", [None, 1, "shape", [LINEAR], {1, 2}])
def test_a_spec_is_a_mapping(mapping: Any) -> None:
    assert refusal(mapping).startswith("must be a table of keys, got ")


def test_type_errors_stay_type_errors(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"apply\[0\].scale"):
        spec.parse({**LINEAR, "apply": [{"scale": "x"}]})
    path = tmp_path / "a.json"
    path.write_text(json.dumps({**LINEAR, "start": "x"}))
    with pytest.raises(TypeError, match=r"a\.json: start must be"):
        spec.load(path)


def test_a_line_stays_one_line_whatever_it_quotes() -> None:
    assert refusal({"\n\x1b[31m": 1, **FLAT}).startswith('"\\n\\u001b[31m": unknown key')
    assert "..." in refusal({"shape": "x" * 10**6})
    assert "..." in refusal({"sequence": "x" * 10**6})
    assert len(refusal({**LINEAR, "apply": [{"clip": list(range(10**6))}]})) < 200
    assert refusal({"\ud800" * 500: 1, **FLAT}).endswith("...")


# ---- whatever is thrown at it ----


def outcome(mapping: Any) -> str:
    """The line of the refusal, or the values of a few steps."""
    try:
        schedule = spec.parse(mapping).schedule
    except (ValueError, TypeError) as error:
        return str(error)
    return f"a schedule: {schedule([0, 1, 1000, 2**63 - 1]).tolist()}"


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["linear", "cosine", "step", "wsd", "warmup_cosine", "constant", "forever"])
)
CHANGES = ["scale", "offset", "divide", "clip", "shift", "cut", "skip", "stretch", "repeat", "by_epoch"]
KINDS = ["shape", "sequence", "product", "segments", "format", "version"]
BESIDE = ["at", "apply", "name", "title", "steps", "unit"]
WORDS = st.sampled_from([*CHANGES, *KINDS, *BESIDE, "start", "stop", "value", "peak", "warmup", "total"])
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=3), inner, max_size=5),
    max_leaves=20,
)


@settings(deadline=None, max_examples=400)
@given(ANYTHING)
def test_random_json_is_a_schedule_or_one_line(value: Any) -> None:
    line = outcome(value)
    assert line
    assert line.isprintable()


NUMBERS = st.one_of(
    st.integers(-3, 100),
    st.sampled_from([0.0, -0.0, 1e-320, 1e308, math.inf, math.nan, 2**53, 2**63, 10**30, 0.5, 3.5]),
    st.none(),
    st.booleans(),
    st.sampled_from(["x", "5%", "150%"]),
    st.lists(st.integers(-2, 9) | st.floats(), max_size=4),
)
ONE_CHANGE = st.dictionaries(
    st.sampled_from(CHANGES),
    NUMBERS | st.just("forever"),
    min_size=1,
    max_size=1,
)


LISTS = ("steps", "values", "boundaries", "milestones", "array")


def plausible(name: str, key: str) -> st.SearchStrategy[Any]:
    """What this argument of this constructor usually takes."""
    if key in LISTS and name in ("piecewise_linear", "piecewise_constant", "multistep", "from_values"):
        size = 3 if (name, key) == ("piecewise_constant", "values") else 2
        return st.lists(st.integers(0, 99), min_size=size, max_size=size, unique=True).map(sorted)
    if key in ("plateaus", "decay_shape"):
        return st.just([[50, 20]] if key == "plateaus" else "1-sqrt")
    return st.integers(50, 99) if key in ("peak", "total") else st.integers(1, 9)


@st.composite
def nearly(draw: st.DrawFn) -> dict[str, Any]:
    """A spec with the right keys and values that may be wrong."""
    name = draw(st.sampled_from(sorted(spec._constructors())))
    table: dict[str, Any] = {"shape": name}
    for key, optional in spec._parameters(name).items():
        if not optional or draw(st.booleans()):
            table[key] = draw(st.one_of(plausible(name, key), plausible(name, key), NUMBERS))
    if draw(st.booleans()):
        table["apply"] = draw(st.lists(ONE_CHANGE, max_size=3))
    return table


@settings(deadline=None, max_examples=400)
@given(st.lists(nearly(), min_size=1, max_size=3), st.sampled_from(["sequence", "product"]))
def test_right_keys_with_wrong_values_are_a_schedule_or_one_line(parts: Any, kind: str) -> None:
    line = outcome({kind: parts} if len(parts) > 1 else parts[0])
    assert line
    assert line.isprintable()


def test_the_strategy_spreads() -> None:
    met: dict[bool, set[str]] = {True: set(), False: set()}

    @settings(deadline=None, max_examples=400)
    @given(nearly())
    def meet(table: dict[str, Any]) -> None:
        met[outcome(table).startswith("a schedule: ")].add(table["shape"])

    meet()
    assert len(met[True]) >= 10
    assert len(met[False]) >= 16
