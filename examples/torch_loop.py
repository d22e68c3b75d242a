"""torch_loop - train with TorchScheduler, stop halfway, resume from the file: the same weights as without the stop.

pip install "lrkernel[torch]"; python examples/torch_loop.py
"""

import tempfile
from pathlib import Path

import torch

import lrkernel as lrk
from lrkernel.integrations.torch import TorchScheduler

STEPS = 200
schedule = lrk.warmup_cosine(peak=0.1, warmup=20, total=STEPS, floor=1e-4)


class Run:
    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = torch.nn.Linear(4, 1)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1.0)  # the scheduler sets the lr
        self.scheduler = TorchScheduler(self.optimizer, schedule)

    def train(self, until: int) -> float:
        loss = torch.zeros(())
        while (step := self.scheduler.current_step) < until:
            x = torch.randn(64, 4, generator=torch.Generator().manual_seed(step))  # the step says which batch
            loss = torch.nn.functional.mse_loss(self.model(x), x @ torch.tensor([[1.0], [-2.0], [0.5], [3.0]]))
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.scheduler.step()
        return loss.item()

    def save(self, path: Path) -> None:
        parts = {"model": self.model, "optimizer": self.optimizer, "scheduler": self.scheduler}
        torch.save({name: part.state_dict() for name, part in parts.items()}, path)

    def load(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])


with tempfile.TemporaryDirectory() as folder:
    checkpoint = Path(folder) / "checkpoint.pt"
    first = Run()
    first.train(STEPS // 2)
    first.save(checkpoint)

    resumed = Run()
    resumed.load(checkpoint)
    print(f"resumed at step {resumed.scheduler.current_step}, lr {resumed.scheduler.get_last_lr()[0]:.4f}")
    loss = resumed.train(STEPS)

whole = Run()
whole.train(STEPS)
same = torch.equal(whole.model.weight, resumed.model.weight)
print(f"loss {loss:.1g}, lr {resumed.scheduler.get_last_lr()[0]:g}, same weights as without the stop: {same}")
