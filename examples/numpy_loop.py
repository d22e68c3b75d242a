"""numpy_loop - a training loop of one's own in NumPy: lr and momentum scheduled, a decision underway, the state kept in JSON.

pip install lrkernel; python examples/numpy_loop.py
"""

import json
import types

import numpy as np

import lrkernel as lrk

STEPS = 150
TRUTH = np.array([1.0, -2.0, 0.5, 3.0])
schedules = {"lr": lrk.wsd(peak=0.05, warmup=10, stable=None, decay=1), "momentum": lrk.linear(0.5, 0.9, 20)}


class Run:
    def __init__(self) -> None:
        self.weights, self.velocity = np.zeros(4), np.zeros(4)
        # An optimizer is anything with a list of dicts.
        self.optimizer = types.SimpleNamespace(param_groups=[{"lr": 0.0, "momentum": 0.0}])
        self.scheduler = lrk.Scheduler(schedules, self.optimizer)

    def train(self, until: int) -> None:
        while self.scheduler.current_step < until:
            if self.scheduler.current_step == 100:  # the stable phase has no end of its own
                self.scheduler.start_decay(50, shape="1-sqrt")
            x = np.random.default_rng(self.scheduler.current_step).normal(size=(64, 4))
            (group,) = self.optimizer.param_groups
            self.velocity = group["momentum"] * self.velocity - group["lr"] * (2 / 64) * x.T @ (x @ (self.weights - TRUTH))
            self.weights = self.weights + self.velocity
            self.scheduler.step()

    def save(self) -> str:
        return json.dumps([self.weights.tolist(), self.velocity.tolist(), self.scheduler.state_dict()])

    def load(self, text: str) -> None:
        weights, velocity, state = json.loads(text)
        self.weights, self.velocity = np.array(weights), np.array(velocity)
        self.scheduler.load_state_dict(state)


whole = Run()
whole.train(STEPS)
for stop in (5, 100, 120):
    first, resumed = Run(), Run()
    first.train(stop)
    resumed.load(first.save())
    resumed.train(STEPS)
    same = np.array_equal(resumed.weights, whole.weights)
    print(f"stopped at step {stop}: {np.round(resumed.weights, 3).tolist()}, lr {resumed.scheduler.get_lr()['lr']:g}, same: {same}")
