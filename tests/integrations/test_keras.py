"""KerasSchedule: training, saving and loading with Keras, in a process per backend since a process has one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAD = """
import doctest, json, pickle, sys, warnings
import numpy as np
import lrkernel as lrk
from lrkernel.integrations.keras import KerasSchedule
import keras
warnings.simplefilter("error")
# Keras' variables and NumPy 2
warnings.filterwarnings("ignore", "__array__ implementation doesn't accept a copy keyword", DeprecationWarning)
schedule = lrk.warmup_cosine(0.1, 5, 40, 0.001) * lrk.step(1.0, 10, 0.9)
rate = KerasSchedule(schedule)
"""

FIT = """
x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
y = x @ np.array([[1.0], [2.0], [-1.0]], "float32")

def fitted(learning_rate, *callbacks):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.Adam(learning_rate=learning_rate), loss="mse")
    history = model.fit(x, y, batch_size=16, epochs=10, verbose=0, callbacks=list(callbacks)).history["loss"]
    return model, history

class ByHand(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        self.model.optimizer.learning_rate = schedule(int(self.model.optimizer.iterations.value))

model, history = fitted(rate)
_, by_hand = fitted(0.5, ByHand())
assert np.allclose(history, by_hand, rtol=1e-4), (history, by_hand)
assert history[-1] < 0.1 * history[0]
assert int(model.optimizer.iterations.value) == 40
"""

VALUES = """
for step in (0, 3, np.int64(5), 40, 10**6):
    got = keras.ops.convert_to_numpy(rate(step))
    assert got.dtype == np.float32
    assert abs(float(got) - schedule(int(step))) <= 1e-6 * schedule(int(step)), step
steps = keras.ops.convert_to_tensor(np.arange(50, dtype="int32"))
assert np.allclose(keras.ops.convert_to_numpy(rate(steps)), schedule(range(50)), rtol=1e-6)
for wrong in (-5, 3.5):
    try:
        rate(wrong)
    except ValueError as error:
        assert str(error).startswith("step must be"), error
    else:
        raise AssertionError(wrong)
"""

SAVED = """
config = json.loads(json.dumps(rate.get_config()))
assert KerasSchedule.from_config(config).schedule == schedule
optimizer = keras.optimizers.Adam(learning_rate=rate)
again = keras.optimizers.Adam.from_config(json.loads(json.dumps(optimizer.get_config())))
assert again._learning_rate.schedule == schedule
assert keras.saving.get_registered_name(KerasSchedule) == "lrkernel>KerasSchedule"
assert keras.saving.get_registered_object("lrkernel>KerasSchedule") is KerasSchedule
named = KerasSchedule(lrk.linear(1.0, 0.0, 4).named("decay"))
assert KerasSchedule.from_config(named.get_config()).schedule.phases()[0].name == "decay"
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
model.compile(optimizer=optimizer, loss="mse")
model.fit(np.zeros((64, 3)), np.zeros((64, 1)), batch_size=16, epochs=2, verbose=0)
model.save(sys.argv[1])
loaded = keras.models.load_model(sys.argv[1])
assert loaded.optimizer._learning_rate.schedule == schedule
assert int(loaded.optimizer.iterations.value) == 8
assert abs(float(keras.ops.convert_to_numpy(loaded.optimizer.learning_rate)) / schedule(8) - 1.0) < 1e-6
"""

EXAMPLES = """
parser, runner = doctest.DocTestParser(), doctest.DocTestRunner()
found = runner.run(parser.get_doctest(KerasSchedule.__doc__, {}, "KerasSchedule", None, None))
assert found.attempted == 5 and found.failed == 0
try:
    KerasSchedule(0.1)
except TypeError as error:
    assert str(error) == "schedule must be a schedule, got 0.1"
else:
    raise AssertionError
"""


def run(code: str, *arguments: str, backend: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.parametrize("backend", ["jax", "torch"])
@pytest.mark.parametrize("part", [FIT, VALUES, SAVED, EXAMPLES], ids=["fit", "values", "saved", "examples"])
def test_with_keras(part: str, backend: str, tmp_path: Path) -> None:
    done = run(HEAD + part, str(tmp_path / "model.keras"), backend=backend)
    assert done.returncode == 0, done.stdout + done.stderr


def test_another_backend_is_refused() -> None:
    done = run(HEAD, backend="numpy")
    assert done.returncode == 1
    assert done.stderr.endswith("ValueError: the Keras backend must be one of jax, torch, got 'numpy'\n")


def test_without_keras_it_names_the_extra() -> None:
    code = (
        "import sys\n"
        "sys.modules['keras'] = None\n"
        "import lrkernel.integrations.keras\n"
        "try:\n"
        "    from lrkernel.integrations.keras import KerasSchedule\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    assert run(code, backend="jax").stdout == 'KerasSchedule needs keras: pip install "lrkernel[keras]"\n'


def test_it_has_nothing_else() -> None:
    import lrkernel.integrations.keras as face

    with pytest.raises(AttributeError, match=r"^module 'lrkernel.integrations.keras' has no attribute 'Nothing'$"):
        face.Nothing  # noqa: B018
