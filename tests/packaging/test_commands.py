"""README's two commands stand there once each, and the continuous integration runs them as they are printed."""

import os
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = re.findall(r"^ *(python3 -m venv .*)$", README, re.MULTILINE)


def test_one_command_runs_the_main_job_and_one_the_tests() -> None:
    job, tests = COMMANDS
    assert job.endswith(".venv/bin/lrkernel evaluate examples/cosine_plateau_10m.toml")
    assert tests.endswith(".venv/bin/python -m pytest")
    assert (ROOT / "examples" / "cosine_plateau_10m.toml").is_file()
    for command in COMMANDS:
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")


def test_the_extras_that_the_commands_install_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    asked = [name for command in COMMANDS for name in re.findall(r"\[([\w,]+)\]", command)]
    assert asked == ["cli", "test"]
    assert set(asked) <= set(extras)


def test_the_continuous_integration_has_no_copy_of_its_own() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    text = script.read_text("utf-8")
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in text
    assert "README.md" in text
    assert ".venv/bin/pip install" not in text
