"""fuzz - atheris on a target of targets.py.

python tests/fuzz/fuzz.py bytes|spec [libFuzzer's options and corpus folders]
"""

import importlib
import sys

import atheris

with atheris.instrument_imports(include=["lrkernel", "targets", "tomllib", "json"]):
    targets = importlib.import_module("targets")

if __name__ == "__main__":
    target = targets.TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()
