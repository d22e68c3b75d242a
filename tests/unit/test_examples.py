"""Every spec in examples/ loads, cites its source and gives the numbers that the source states.

The generic tests run over the folder, so a new file is tested by being there. Expected values come
from the formulas of the sources, in rational or 60-digit arithmetic, never from the library.
"""

import json
import math
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import mpmath
import numpy as np
import pytest

import lrkernel as lrk
from lrkernel import spec

FOLDER = Path(__file__).resolve().parents[2] / "examples"
FILES = sorted(FOLDER.glob("*.toml"))
EXACT = mpmath.mp.clone()
EXACT.dps = 60

every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def schedule_of(stem: str) -> lrk.Schedule:
    return spec.load(FOLDER / f"{stem}.toml").schedule


def real(x: float | Fraction) -> mpmath.mpf:
    """The exact value of a float or fraction, to 60 digits."""
    x = Fraction(x)
    return EXACT.mpf(x.numerator) / x.denominator


def line(start: float, stop: float, u: Fraction) -> mpmath.mpf:
    return real(Fraction(start) + (Fraction(stop) - Fraction(start)) * u)


def half_cosine(start: float, stop: float, u: Fraction) -> mpmath.mpf:
    return real(stop) + (real(start) - real(stop)) * EXACT.cos(EXACT.pi * real(u) / 2) ** 2


def assert_close(s: lrk.Schedule, wanted: Iterable[tuple[int, mpmath.mpf]]) -> None:
    """s(step) is within 1e-15 of the wanted value, relative to it, at each of the steps."""
    pairs = list(wanted)
    assert pairs
    for step, value in pairs:
        got = s(step)
        assert abs(real(got) - value) <= 1e-15 * abs(value), (step, got, float(value))


def first_at(s: lrk.Schedule, value: float, stop: int) -> int:
    """The first step below `stop` whose value is `value`, bit for bit."""
    hits = np.flatnonzero(s.values(stop) == value)
    assert hits.size
    return int(hits[0])


def owned(boundary: float | Fraction) -> int:
    """The first integer step at or after a boundary."""
    return math.ceil(boundary)


# --- every file -----------------------------------------------------------------------------------


def test_the_folder_and_its_table_name_the_same_files() -> None:
    table = re.findall(r"^\| `([^`]+\.toml)` \|", (FOLDER / "README.md").read_text("utf-8"), re.MULTILINE)
    assert len(FILES) >= 9
    assert sorted(table) == [path.name for path in FILES]


@every_file
def test_cites_its_source(path: Path) -> None:
    head = path.read_text("utf-8").partition("\n\n")[0]
    assert all(row.startswith("#") for row in head.splitlines())
    prose = re.sub(r"\n#\s*", " ", head)
    assert re.match(r"# Source: .*?\((19|20)\d\d\), ", prose)
    assert re.search(r"arXiv:\d{4}\.\d{5}\b|https://", prose)
    assert " states" in prose
    assert "In steps: " in prose


@every_file
def test_states_its_steps_and_title(path: Path) -> None:
    raw = tomllib.loads(path.read_text("utf-8"))
    run = spec.load(path)
    assert isinstance(raw["steps"], int)
    assert run.steps == raw["steps"]
    assert run.title == raw["title"]
    length = run.schedule.length
    assert length is None or math.ceil(length) == run.steps
    row = next(r for r in (FOLDER / "README.md").read_text().splitlines() if path.name in r)
    assert f"| {run.steps:,} |" in row


@every_file
def test_phases_tile_the_run(path: Path) -> None:
    run = spec.load(path)
    s = run.schedule
    phases = s.phases()
    assert phases[0].start == 0
    for before, after in pairwise(phases):
        assert before.stop == after.start
    for phase in phases:
        assert phase.name
        assert phase.first == s(owned(phase.start))
        assert phase.last == s(2**63 - 1 if phase.stop is None else owned(phase.stop) - 1)
    assert phases[-1].stop is None or owned(phases[-1].stop) == run.steps


@every_file
def test_values_are_rates_however_they_are_read(path: Path) -> None:
    run = spec.load(path)
    s = run.schedule
    assert run.steps is not None
    stride = max(1, run.steps // 997)
    values = s.values(0, run.steps, stride)
    assert np.isfinite(values).all()
    assert (values >= 0).all()
    assert values.max() > 0
    steps = np.arange(0, run.steps, stride)
    assert values.tobytes() == s(steps).tobytes()
    assert values.tolist() == [s(int(step)) for step in steps]


@every_file
def test_every_written_form_gives_the_same_schedule_back(path: Path) -> None:
    s = spec.load(path).schedule
    assert eval(repr(s), vars(lrk).copy()) == s
    assert lrk.Schedule.from_bytes(s.to_bytes()) == s
    back = lrk.Schedule.from_dict(json.loads(json.dumps(s.to_dict())))
    assert back == s
    assert back.fingerprint == s.fingerprint
    assert spec.parse(s.to_dict()).schedule == s


@every_file
def test_command_shows_it(path: Path) -> None:
    title = spec.load(path).title
    assert title
    command = [sys.executable, "-m", "lrkernel", "show", str(path)]
    shown = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert shown.returncode == 0, shown.stderr
    assert shown.stderr == ""
    assert title in shown.stdout


# --- Goyal et al. 2017 ----------------------------------------------------------------------------

EPOCH = Fraction(1_281_167, 8192)


def test_goyal_warms_up_at_every_iteration() -> None:
    s = schedule_of("goyal2017_resnet50")
    assert s(0) == 0.1
    assert_close(s, ((t, line(0.1, 3.2, t / (5 * EPOCH))) for t in range(782)))
    assert first_at(s, 0.1 * 8192 / 256, 14_076) == owned(5 * EPOCH) == 782


def test_goyal_divides_by_ten_at_epochs_30_60_80() -> None:
    s = schedule_of("goyal2017_resnet50")
    values = s.values(14_076)
    drops = np.flatnonzero(np.diff(values[782:])) + 783
    assert drops.tolist() == [owned(epochs * EPOCH) for epochs in (30, 60, 80)]
    assert values[drops].tolist() == [0.32, 0.032, 0.0032]
    assert values[drops - 1].tolist() == [3.2, 0.32, 0.032]
    assert s(14_075) == s(14_076) == s(10**15) == 0.0032


def test_goyal_boundaries_are_the_exact_epochs() -> None:
    stops = [phase.stop for phase in schedule_of("goyal2017_resnet50").phases()]
    assert stops == [epochs * EPOCH for epochs in (5, 30, 60, 80, 90)]


# --- Devlin et al. 2018 ---------------------------------------------------------------------------


def test_bert_peak_and_both_lines() -> None:
    s = schedule_of("devlin2018_bert")
    assert s(0) == 0.0
    assert s(10_000) == 1e-4
    assert first_at(s, 1e-4, 1_000_000) == 10_000
    assert s.values(1_000_000).max() == 1e-4
    assert s(1_000_000) == 0.0
    up = range(1, 10_000, 37)
    assert_close(s, ((t, line(0.0, 1e-4, Fraction(t, 10_000))) for t in up))
    down = [*range(10_000, 1_000_000, 9_973), 505_000, 999_998, 999_999]
    assert_close(s, ((t, line(0.0, 1e-4, Fraction(1_000_000 - t, 990_000))) for t in down))


# --- Vaswani et al. 2017 --------------------------------------------------------------------------


def lrate(step_num: int, d_model: int = 512, warmup_steps: int = 4000) -> mpmath.mpf:
    """Equation (3) of the paper."""
    step, warmup = EXACT.mpf(step_num), EXACT.mpf(warmup_steps)
    return EXACT.mpf(d_model) ** -0.5 * min(step**-0.5, step * warmup**-1.5)


def test_vaswani_is_the_papers_formula() -> None:
    s = schedule_of("vaswani2017_transformer")
    steps = [*range(1, 8_001, 13), *range(3_990, 4_011), *range(8_000, 100_001, 499), 100_000]
    assert_close(s, ((t, lrate(t)) for t in steps))
    assert_close(s, ((t, lrate(t)) for t in (10**6, 10**9, 10**12, 10**15, 2**62)))


def test_vaswani_peaks_where_the_two_sides_meet() -> None:
    s = schedule_of("vaswani2017_transformer")
    peak = float(lrate(4000))
    assert s(0) == 0.0
    assert s(4000) == peak
    values = s.values(100_000)
    assert values.max() == peak
    assert int(values.argmax()) == 4000
    assert s(16_000) == peak / 2  # sqrt(4000 / 16000) is 1/2


# --- Brown et al. 2020 ----------------------------------------------------------------------------


def gpt3(millions: Fraction) -> mpmath.mpf:
    if millions < 375:
        return line(0.0, 0.6e-4, millions / 375)
    return half_cosine(0.6e-4, 0.6e-5, min(Fraction(1), (millions - 375) / (260_000 - 375)))


def test_gpt3_on_its_token_clock() -> None:
    s = schedule_of("brown2020_gpt3_175b")
    assert s(0) == 0.0
    assert s(375) == 0.6e-4
    assert first_at(s, 0.6e-4, 300_000) == 375
    assert first_at(s, 0.6e-5, 300_000) == 260_000
    assert s(260_000) == s(280_000) == s(299_999) == s(300_000) == 0.6e-5
    assert_close(s, ((t, gpt3(Fraction(t))) for t in [*range(1, 300_000, 1_009), 374, 259_999]))


def test_gpt3_on_a_clock_of_single_tokens() -> None:
    s = schedule_of("brown2020_gpt3_175b").stretch(300_000_000_000)
    assert s.length == 300_000_000_000
    assert s(375_000_000) == 0.6e-4
    assert s(260_000_000_000) == s(299_999_999_999) == 0.6e-5
    tokens = [1, 2048, 374_999_999, 375_000_001, 130_187_500_000, 259_999_999_999]
    assert_close(s, ((t, gpt3(Fraction(t, 10**6))) for t in tokens))


# --- Llama 3 --------------------------------------------------------------------------------------


def test_llama3_peak_floor_and_cosine() -> None:
    s = schedule_of("llama3_405b")
    assert s(0) == 0.0
    assert s(8_000) == 8e-5
    assert first_at(s, 8e-5, 1_200_000) == 8_000
    assert s(1_200_000) == s(2_000_000) == 8e-7
    assert_close(s, ((t, line(0.0, 8e-5, Fraction(t, 8_000))) for t in range(1, 8_000, 41)))
    late = [*range(8_000, 1_200_000, 9_973), 604_000, 1_199_999]
    assert_close(s, ((t, half_cosine(8e-5, 8e-7, Fraction(t - 8_000, 1_192_000))) for t in late))


# --- DeepSeek-V3 ----------------------------------------------------------------------------------


def test_deepseek_stages() -> None:
    s = schedule_of("deepseek_v3")
    warmup = Fraction(2000 * 3072 * 4096, 10**6)
    stops = [phase.stop for phase in s.phases()]
    assert stops == [float(warmup), 10_000_000, 14_300_000, 14_633_000, 14_800_000]
    assert first_at(s, 2.2e-4, 14_800_000) == owned(warmup) == 25_166
    assert (s.values(25_166, 10_000_001) == 2.2e-4).all()
    assert s(10_000_000 + 4_300_000) == 2.2e-5
    assert (s.values(14_300_000, 14_633_000) == 2.2e-5).all()
    assert (s.values(14_633_000, 14_800_000) == 7.3e-6).all()
    assert s(14_800_000) == s(10**12) == 7.3e-6


def test_deepseek_ramp_and_cosine() -> None:
    s = schedule_of("deepseek_v3")
    span = Fraction(25_165.824)
    assert_close(s, ((t, line(0.0, 2.2e-4, t / span)) for t in [*range(1, 25_166, 101), 25_165]))
    steps = [*range(10_000_000, 14_300_000, 99_991), 12_150_000, 14_299_999]
    decay = ((t, half_cosine(2.2e-4, 2.2e-5, Fraction(t - 10_000_000, 4_300_000))) for t in steps)
    assert_close(s, decay)


# --- MiniCPM --------------------------------------------------------------------------------------


def test_minicpm_stages() -> None:
    s = schedule_of("minicpm_wsd")
    begin, end = round(10**12 / 3.93e6), round(1.1 * 10**12 / 3.93e6)
    assert [phase.stop for phase in s.phases()] == [2_000, begin, end]
    assert first_at(s, 0.01, end) == 2_000
    assert s(0) == 0.0
    assert_close(s, ((t, line(0.0, 0.01, Fraction(t, 2_000))) for t in range(1, 2_000)))
    assert (s.values(2_000, begin + 1) == 0.01).all()


def test_minicpm_halves_every_5000_steps() -> None:
    s = schedule_of("minicpm_wsd")
    begin = round(10**12 / 3.93e6)
    half = EXACT.mpf(1) / 2
    after = [*range(0, 25_445, 61), 5_000, 10_000, 15_000, 20_000, 25_000, 25_444]
    assert_close(s, ((begin + t, real(0.01) * half ** (EXACT.mpf(t) / 5_000)) for t in after))
    assert_close(s, [(10**9, real(0.01) * half ** (EXACT.mpf(25_445) / 5_000))])
    assert s(begin + 5_000) == 0.005


# --- Loshchilov and Hutter 2016 -------------------------------------------------------------------


def test_sgdr_restarts_at_epochs_10_30_70_150() -> None:
    s = schedule_of("sgdr_cifar")
    values = s.values(200 * (50_000 // 128))
    jumps = np.flatnonzero(np.diff(values) > 0) + 1
    assert jumps.tolist() == [390 * epoch for epoch in (10, 30, 70, 150)]
    assert s(0) == 0.05
    assert (values[jumps] == 0.05).all()
    assert np.flatnonzero(values == 0.05).tolist() == [0, *jumps.tolist()]
    stops = [phase.stop for phase in s.phases()]
    assert stops == [390 * epoch for epoch in (10, 30, 70, 150, 200)]
    assert_close(s, [(78_000, half_cosine(0.05, 0.0, Fraction(50, 160)))])


def test_sgdr_is_equation_5_at_every_minibatch() -> None:
    s = schedule_of("sgdr_cifar")
    wanted = []
    for restart, t_i in ((0, 10), (10, 20), (30, 40), (70, 80), (150, 160)):
        for step in [*range(390 * restart, 390 * min(200, restart + t_i), 97)]:
            t_cur = Fraction(step, 390) - restart
            wanted.append((step, half_cosine(0.05, 0.0, t_cur / t_i)))
        if restart + t_i <= 200:  # the last minibatch before a restart, a hair above 0
            last = 390 * (restart + t_i) - 1
            wanted.append((last, half_cosine(0.05, 0.0, 1 - Fraction(1, 390 * t_i))))
    assert_close(s, wanted)


# --- cosine with plateaus, 10 million steps -------------------------------------------------------

WARMUP, TOTAL = 1_000_000, 10_000_000
PLATEAUS = ((50, 30), (85, 10))


def plateau_table() -> list[tuple[str, int, int, mpmath.mpf, mpmath.mpf]]:
    """Rows (kind, start, stop, level at start, level at stop), after the rules of the source."""
    left = TOTAL - WARMUP
    begins = [left * begin // 100 for begin, _ in PLATEAUS]
    spans = [left * span // 100 for _, span in PLATEAUS]
    free = left - sum(spans)
    level, at = real(1e-3), WARMUP
    rows = [("ramp", 0, WARMUP, EXACT.mpf(0), level)]
    for i, (begin, span) in enumerate(zip(begins, spans, strict=True)):
        q = Fraction(begin - sum(spans[:i]), free)
        new = half_cosine(1e-3, 1e-4, q)
        rows.append(("cosine", at, WARMUP + begin, level, new))
        at = WARMUP + begin + span
        rows.append(("plateau", WARMUP + begin, at, new, new))
        level = new
    rows.append(("cosine", at, TOTAL, level, real(1e-4)))
    return rows


def test_plateau_table_is_the_10k_one_times_1000() -> None:
    rows = plateau_table()
    assert [row[2] for row in rows] == [
        1_000_000, 5_500_000, 8_200_000, 8_650_000, 9_550_000, 10_000_000,
    ]  # fmt: skip
    phases = schedule_of("cosine_plateau_10m").phases()
    assert [(p.start, p.stop) for p in phases] == [row[1:3] for row in rows]
    short = lrk.cosine_plateau(1e-3, 10_000, warmup=1_000, plateaus=PLATEAUS, floor_ratio=0.1)
    assert [(p.start, p.stop) for p in short.phases()] == [(start // 1000, stop // 1000) for _, start, stop, _, _ in rows]


def test_plateau_levels() -> None:
    s = schedule_of("cosine_plateau_10m")
    assert s(WARMUP) == 1e-3
    assert first_at(s, 1e-3, TOTAL) == WARMUP
    assert s(TOTAL) == s(10**12) == 1e-4
    for kind, start, stop, level, _ in plateau_table():
        assert_close(s, [(start, level)] if start else [(1, line(0.0, 1e-3, Fraction(1, WARMUP)))])
        if kind == "plateau":
            assert (s.values(start, stop) == s(start)).all()
            assert s(start - 1) >= s(start)
    assert s(5_500_000) == pytest.approx(1.60288568297003e-4, rel=1e-14)
    assert s(8_650_000) == pytest.approx(1.15333378169919e-4, rel=1e-14)


def test_plateau_cosines_between_the_levels() -> None:
    s = schedule_of("cosine_plateau_10m")
    wanted = []
    for kind, start, stop, high, low in plateau_table():
        if kind == "cosine":
            for step in [*range(start, stop, 9_973), stop - 1]:
                u = EXACT.mpf(step - start) / (stop - start)
                wanted.append((step, low + (high - low) * EXACT.cos(EXACT.pi * u / 2) ** 2))
    assert_close(s, wanted)
