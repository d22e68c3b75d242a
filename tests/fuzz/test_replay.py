"""The corpus of the fuzzers, and some thousand mutations of it, through every target; `bash tests/fuzz/run` looks for more."""

import math
import random
import re
import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
from embed.test_c_core import CORE, KERNELS, STRICT, compiled, output
from fuzz import targets

import lrkernel as lrk
from lrkernel.schedule import STORED

HERE = Path(__file__).parent
CORPUS = {name: sorted((HERE / "corpus" / name).iterdir()) for name in targets.TARGETS}
MUTATIONS = {"bytes": 3000, "spec": 1500}


def mutated(data: bytes, rng: random.Random) -> bytes:
    """With some bytes changed, taken out or put in."""
    found = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        place, kind = rng.randrange(len(found) + 1), rng.randrange(4)
        if kind == 0:
            del found[place : place + rng.randint(1, 9)]
        elif kind == 1:
            found[place:place] = rng.choice([b"\0", b"\xff" * 8, b"\xf0\x7f", b"0", b"9" * 5, b'"', b"[", b"-"])
        elif place < len(found):
            found[place] = rng.choice([0, 255, found[place] ^ (1 << rng.randrange(8)), rng.randrange(256)])
    return bytes(found)


@pytest.mark.parametrize(
    ("name", "path"), [(name, path) for name in CORPUS for path in CORPUS[name]], ids=lambda part: getattr(part, "name", part)
)
def test_replay(name: str, path: Path) -> None:
    targets.TARGETS[name](path.read_bytes())


@pytest.mark.parametrize("name", CORPUS)
def test_mutations(name: str) -> None:
    rng = random.Random(name)
    for _ in range(MUTATIONS[name]):
        data = mutated(rng.choice(CORPUS[name]).read_bytes(), rng)
        try:
            targets.TARGETS[name](data)
        except Exception as error:
            raise AssertionError(data) from error


FIELDS = [name for name in STORED.names or () if name not in ("child", "count")]
NUMBERS = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 5e-324, 1e-300, 1e300, 1e308, math.inf, -math.inf, math.nan, 2.0**53, 2.0**62, 2.0**64]
WHOLE = [0, 1, 2, 3, 10, 2**31, 2**53, 2**62, 2**63 - 300, 2**63 - 1]


def with_other_fields(data: bytes, rng: random.Random) -> bytes:
    """With numbers in some stored rows replaced by ones that are special or near: most of these are still tables."""
    _, _, _, total, _, _ = targets.HEADER.unpack_from(data)
    rows = np.frombuffer(bytearray(data[targets.HEADER.size :][: targets.ROW * total]), STORED)
    for _ in range(rng.randint(1, 3)):
        row, name = rng.randrange(total), rng.choice(FIELDS)
        old = rows[name][row].item()
        if name == "shape":
            rows[name][row] = rng.randrange(len(lrk.SHAPES))
        elif name in ("begin", "end"):
            rows[name][row] = rng.choice([*WHOLE, min(old + 1, 2**63 - 1), max(old, 1) - 1])
        else:
            rows[name][row] = rng.choice([*NUMBERS, 2.0 * old, -old, math.nextafter(old, math.inf)])
    body = data[: targets.HEADER.size] + rows.tobytes() + data[targets.HEADER.size + rows.nbytes : -4]
    return body + struct.pack("<I", zlib.crc32(body))


def test_other_fields() -> None:
    rng, taken = random.Random("fields"), 0
    tables = [data for path in CORPUS["bytes"] if lrk._core.broken_rule(data := path.read_bytes()) is None]
    for _ in range(4000):
        data = with_other_fields(rng.choice(tables), rng)
        try:
            schedule = lrk.Schedule.from_bytes(data)
        except ValueError as error:
            targets.refused(error)
            continue
        taken += 1
        try:
            targets.check(schedule)
        except Exception as error:
            raise AssertionError(data) from error
    assert taken > 300


def test_the_loader_of_c_under_the_sanitisers(tmp_path: Path) -> None:
    checks = ["-O1", "-g", "-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all", "-DLRK_REPLAY"]
    sources = [HERE / "table.c", *(KERNELS / name for name in ("lrk.c", "cursor.c", "bytes.c", "patience.c", "sums.c"))]
    program = compiled(tmp_path, *CORE, *STRICT, *checks, *sources, "-lm")
    files = [str(path) for path in CORPUS["bytes"]]
    rng = random.Random("table")
    for k in range(800):
        path = tmp_path / str(k)
        path.write_bytes(mutated(rng.choice(CORPUS["bytes"]).read_bytes(), rng))
        files.append(str(path))
    assert output(program, *files, ASAN_OPTIONS="detect_leaks=0") == f"{len(files)} files\n"


def test_a_finding_is_seen(tmp_path: Path) -> None:
    """The program is not blind: with one check of the loader taken out, a mutation of the corpus reads beyond a buffer."""
    text = (KERNELS / "bytes.c").read_text("utf-8")
    blind = re.sub(r'if \(first != r->rows_read.*?lie";', "", text, count=1, flags=re.DOTALL)
    assert blind != text
    (tmp_path / "blind.c").write_text(blind)
    checks = ["-O0", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-DLRK_REPLAY"]
    sources = [HERE / "table.c", tmp_path / "blind.c", *(KERNELS / name for name in ("lrk.c", "cursor.c", "patience.c", "sums.c"))]
    program = compiled(tmp_path, *CORE, *checks, *sources, "-lm")
    data = bytearray((HERE / "corpus" / "bytes" / "skip").read_bytes())
    data[32 + 64 : 32 + 72] = (10**6).to_bytes(8, "little")  # the sub-table of the first row
    (tmp_path / "far").write_bytes(data)
    done = subprocess.run([program, tmp_path / "far"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "AddressSanitizer" in done.stderr
