"""Every example in a docstring, and every Python block of README, runs and prints what it says."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import lrkernel

ROOT = Path(__file__).resolve().parents[2]
MODULES = ["lrkernel", *(module.name for module in pkgutil.walk_packages(lrkernel.__path__, "lrkernel."))]
BLOCKS = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", [name for name in MODULES if name != "lrkernel.__main__"])
def test_examples_print_what_they_say(name: str) -> None:
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    assert failed == 0


def test_every_public_function_has_an_example() -> None:
    finder = doctest.DocTestFinder()
    for name in lrkernel.__all__:
        thing = getattr(lrkernel, name)
        if callable(thing) and name != "Phase":
            tests = finder.find(thing, name, globs={})
            assert any(test.examples for test in tests), name


@pytest.mark.parametrize("block", BLOCKS)
def test_readme_blocks_run(block: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block, "README.md", "exec"), {})
    assert "False" not in capsys.readouterr().out


def test_readme_has_blocks() -> None:
    assert len(BLOCKS) >= 3
