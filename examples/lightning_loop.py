"""lightning_loop - TorchScheduler as the scheduler of a Lightning module, stepped at every update.

pip install "lrkernel[torch]" lightning; python examples/lightning_loop.py
"""

import tempfile
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer, seed_everything
from torch.utils.data import DataLoader, TensorDataset

import lrkernel as lrk
from lrkernel.integrations.torch import TorchScheduler

EPOCHS, BATCHES = 5, 16


class Module(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = torch.nn.Linear(4, 1)
        self.last = torch.zeros(())

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        x, y = batch
        self.last = torch.nn.functional.mse_loss(self.net(x), y)
        return self.last

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), lr=0.2)
        schedule = lrk.warmup_cosine(peak=1.0, warmup=10, total=EPOCHS * BATCHES, floor=0.01)
        scheduler = TorchScheduler(optimizer, schedule, relative=True)  # times the optimizer's lr
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


seed_everything(0, verbose=False)
x = torch.randn(16 * BATCHES, 4)
data = TensorDataset(x, x @ torch.tensor([[1.0], [-2.0], [0.5], [3.0]]))
module = Module()
with tempfile.TemporaryDirectory() as folder:
    trainer = Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        default_root_dir=folder,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, DataLoader(data, batch_size=16))
(lr,) = trainer.lr_scheduler_configs[0].scheduler.get_last_lr()
print(f"loss {module.last.item():.2g} after {trainer.global_step} updates, next lr {lr:g}")
