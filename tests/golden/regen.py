"""Writes hashes.json: a SHA-256 of the bits of every shape and builder, on every machine the same.

python tests/golden/regen.py               add lines for new schedules
python tests/golden/regen.py --i-mean-it   also change lines; the commit message must say why
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

import numpy as np

import lrkernel as lrk

FILE = Path(__file__).with_name("hashes.json")

# Rising, falling, from zero, to zero; begins that are not whole; runs over blocks and stairs.
SCHEDULES = [
    "constant(0.1)",
    "linear(0.001, 0.0, 100000)",
    "linear(1e-07, 0.3, 99999.5)",
    "constant(0.25, 27125.6).then(linear(0.25, 0.0, 6781.4))",
    "cosine(0.001, 0.0, 100000)",
    "cosine(1e-05, 0.3, 77777)",
    "constant(0.25, 27125.6).then(cosine(0.25, 0.01, 6781.4))",
    "cosine(0.001, 1e-05, 100000, 7.25)",
    "cosine(0.0, 0.3, 12345.6, 1.1)",
    "polynomial(0.001, 0.0, 100000, 2.0)",
    "polynomial(0.3, 0.0001, 99999.5, 0.9)",
    "power_ramp(0.0, 0.001, 100000, 2.0)",
    "power_ramp(0.001, 0.0, 100000, 0.5)",
    "power_ramp(0.3, 0.0001, 99999.5, 3.7)",
    "geometric(1e-06, 0.001, 100000)",
    "geometric(0.3, 1e-08, 54321.9)",
    "exponential(0.1, 0.9999)",
    "exponential(0.1, 0.95, 1000.5)",
    "step(0.1, 3000, 0.7)",
    "step(0.1, 2.5, 0.9999)",
    "multistep(0.1, [30000, 60000, 60000, 90000.5], 0.1)",
    "inverse_sqrt(0.001, 4000)",
    "inverse_sqrt(0.3, 0.7)",
    "piecewise_constant([0.1, 0.01, 0.001], [30000, 60000.5])",
    "piecewise_linear([0, 1000, 50000.5, 100000], [0.0, 0.3, 0.1, 0.0])",
    "from_values([1 / (i + 1) for i in range(1000)])",
    "warmup_cosine(0.001, 2000, 100000, floor=1e-05)",
    "warmup_linear(0.001, 2000, 100000, floor=1e-05, init=1e-07)",
    "warmup_constant(0.001, 2000)",
    "wsd(0.001, 1000, 50000, 40000, floor=1e-05, init=1e-06)",
    "wsd(0.001, 1000, 50000, 40000, decay_shape='cosine')",
    "wsd(0.001, 1000, 50000, 40000, decay_shape='1-sqrt')",
    "cosine_restarts(0.001, 10000, floor=1e-06, warmup=500)",
    "cosine_restarts(0.001, 100, 1.5)",
    "cosine_plateau(0.001, 100000, 1000, [(50, 30), (85, 10)], 0.1)",
    "cosine(1.0, 0.1, 100000) * linear(0.0, 0.3, 50000)",
    "cosine(1.0, 0.1, 100000) * 0.3",
    "cosine(1.0, 0.1, 100000) / 3",
    "cosine(1.0, 0.1, 100000) + 0.3",
    "cosine(1.0, 0.1, 100000).clip(0.2, 0.9)",
    "geometric(1.0, 0.1, 777.7).repeat()",
    "cosine(1.0, 0.1, 333).by_epoch(300)",
    "cosine_restarts(1.0, 777).skip(9007199254740991)",
]


def windows() -> list[range]:
    """100,000 steps from 0 on, and some across 2^30, 2^53 and up to the last one."""
    far = [range(near - 500, near + 500) for near in (2**30, 2**53)]
    return [range(100_000), *far, range(2**63 - 1000, 2**63)]


def build(expression: str) -> lrk.Schedule:
    schedule = eval(expression, vars(lrk).copy())
    assert isinstance(schedule, lrk.Schedule)
    return schedule


def digest(expression: str) -> str:
    schedule = build(expression)
    bits = hashlib.sha256()
    for steps in windows():
        bits.update(schedule.values(steps.start, steps.stop).astype(np.dtype("<f8")).tobytes())
    return bits.hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--i-mean-it", action="store_true", help="change lines that exist")
    meant = parser.parse_args().i_mean_it
    old: dict[str, str] = json.loads(FILE.read_text()) if FILE.exists() else {}
    new = {expression: digest(expression) for expression in SCHEDULES}
    changed = [line for line, value in old.items() if new.get(line) != value]
    if changed and not meant:
        print("these lines would change or go; pass --i-mean-it if they should:", file=sys.stderr)
        print(*changed, sep="\n", file=sys.stderr)
        return 1
    FILE.write_text(json.dumps(new, indent=1) + "\n")
    print(f"{FILE.name}: {len(new)} lines, {len(new.keys() - old.keys())} new, {len(changed)} changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
