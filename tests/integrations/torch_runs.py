"""Short training runs that stop and go on; as a program, resumes the checkpoints of a folder in this fresh process.

python torch_runs.py FOLDER
"""

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch

import lrkernel as lrk
from lrkernel.integrations.torch import TorchScheduler

TOTAL = 24
STOPS = [0, 1, 7, 13, 23]


class Kind(NamedTuple):
    optimizer: Callable[[list[dict[str, Any]]], torch.optim.Optimizer]
    schedule: Any
    relative: bool = False
    together: bool = False  # one group


KINDS = {
    "SGD": Kind(lambda groups: torch.optim.SGD(groups, lr=0.1, momentum=0.9), lrk.warmup_cosine(0.1, 5, TOTAL, floor=1e-3)),
    "AdamW": Kind(
        lambda groups: torch.optim.AdamW(groups, lr=1e-2),
        lrk.cosine_plateau(1.0, TOTAL, 4, [(40, 20)], 0.1),
        relative=True,
    ),
    "LBFGS": Kind(lambda groups: torch.optim.LBFGS(groups, lr=0.5, max_iter=4), lrk.wsd(0.5, 0, 12, 12, floor=0.05), together=True),
    "tensor lr": Kind(lambda groups: torch.optim.Adam(groups, lr=torch.tensor(1e-2)), lrk.geometric(1e-2, 1e-4, TOTAL)),
    "several": Kind(
        lambda groups: torch.optim.AdamW(groups, lr=1e-2),
        {
            "lr": {0: lrk.linear(1e-2, 0.0, TOTAL), "head": lrk.cosine_restarts(2e-2, 7)},
            "weight_decay": lrk.Proportional("lr", 0.5),
            "betas": (lrk.linear(0.85, 0.95, TOTAL), lrk.constant(0.99)),
        },
    ),
}


class Run:
    """A small network on generated data; the batch depends on the step alone."""

    def __init__(self, kind: str) -> None:
        how = KINDS[kind]
        torch.manual_seed(7)
        self.model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
        body, head = list(self.model[0].parameters()), list(self.model[2].parameters())
        groups: list[dict[str, Any]] = [{"params": body}, {"params": head, "name": "head", "lr_scale": 0.5}]
        self.optimizer = how.optimizer([{"params": body + head}] if how.together else groups)
        self.scheduler = TorchScheduler(self.optimizer, how.schedule, relative=how.relative)
        self.lrs: list[list[float]] = []

    def to(self, step: int) -> "Run":
        while self.scheduler.current_step < step:
            self.update()
        return self

    def update(self) -> None:
        draw = torch.Generator().manual_seed(self.scheduler.current_step)
        x = torch.randn(16, 4, generator=draw)
        y = torch.sin(x.sum(1, keepdim=True))

        def closure() -> float:
            self.optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(self.model(x), y)
            loss.backward()  # type: ignore[no-untyped-call]
            return loss.item()

        self.lrs.append([float(group["lr"]) for group in self.optimizer.param_groups])
        self.optimizer.step(closure)
        self.scheduler.step()

    def save(self, path: Path) -> None:
        parts: dict[str, Any] = {"model": self.model, "optimizer": self.optimizer, "scheduler": self.scheduler}
        torch.save({name: part.state_dict() for name, part in parts.items()}, path)

    def load(self, path: Path) -> "Run":
        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        return self

    def weights(self) -> str:
        content = b"".join(p.detach().numpy().tobytes() for p in self.model.parameters())
        return hashlib.sha256(content).hexdigest()


def resumed(folder: Path) -> dict[str, Any]:
    """Every checkpoint's run to its end: the weights, and the learning rates from the checkpoint on."""
    found = {}
    for path in sorted(folder.glob("*.pt")):
        run = Run(path.stem.partition("@")[0]).load(path).to(TOTAL)
        found[path.stem] = [run.weights(), run.lrs]
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(resumed(Path(sys.argv[1]))))
