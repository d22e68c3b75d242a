"""TorchScheduler in the loops of others: Lightning, Accelerate and the Hugging Face Trainer; interrupted runs end the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState
from lightning.pytorch import LightningModule, Trainer, seed_everything
from torch.utils.data import DataLoader, TensorDataset
from transformers import Trainer as HuggingFaceTrainer
from transformers import TrainerCallback, TrainingArguments

import lrkernel as lrk
from lrkernel.integrations.torch import TorchScheduler

pytestmark = pytest.mark.usefixtures("one_thread")

STEPS = 12
CURVE = lrk.warmup_cosine(0.1, 3, STEPS, floor=0.01)
LRS = CURVE.values(STEPS).tolist()


def network() -> torch.nn.Module:
    torch.manual_seed(3)
    return torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 1))


def data() -> TensorDataset:
    x = torch.randn(16, 3, generator=torch.Generator().manual_seed(5))
    return TensorDataset(x, x.sum(1, keepdim=True).sin())


def batches() -> "DataLoader[Any]":
    return DataLoader(data(), batch_size=4)  # 4 a pass: 3 passes are a run


def adamw(model: torch.nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=1.0)


def weights(model: torch.nn.Module) -> list[Any]:
    return [p.tolist() for p in model.parameters()]


# ---- Lightning ----


OF_LIGHTNING = [  # what it warns about itself: torch's trees, and a data set too small for more workers
    "`isinstance.treespec, LeafSpec.` is deprecated:FutureWarning",
    "The 'train_dataloader' does not have many workers",
]


def quiet(test: Callable[..., None]) -> Callable[..., None]:
    for warning in OF_LIGHTNING:
        test = pytest.mark.filterwarnings(f"ignore:{warning}")(test)
    return test


class Module(LightningModule):
    def __init__(self, interval: str) -> None:
        super().__init__()
        self.net = network()
        self.interval = interval
        self.seen: list[float] = []

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        x, y = batch
        self.seen.append(cast("torch.optim.Optimizer", self.optimizers()).param_groups[0]["lr"])
        return torch.nn.functional.mse_loss(self.net(x), y)

    def configure_optimizers(self) -> Any:
        optimizer = adamw(self)
        scheduler = TorchScheduler(optimizer, CURVE)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": self.interval}}


def lightning(folder: Path, module: Module, epochs: int, checkpoint: Path | None = None) -> Trainer:
    trainer = Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        default_root_dir=folder,
    )
    trainer.fit(module, batches(), ckpt_path=checkpoint)
    return trainer


@quiet
def test_lightning(tmp_path: Path) -> None:
    seed_everything(1, verbose=False)
    whole = Module("step")
    lightning(tmp_path, whole, 3)
    assert whole.seen == LRS

    checkpoint = tmp_path / "first.ckpt"
    first, rest = Module("step"), Module("step")
    lightning(tmp_path, first, 1).save_checkpoint(checkpoint)
    lightning(tmp_path, rest, 3, checkpoint)
    assert [*first.seen, *rest.seen] == LRS
    assert weights(rest) == weights(whole)


@quiet
def test_lightning_by_epochs(tmp_path: Path) -> None:
    module = Module("epoch")
    lightning(tmp_path, module, 3)
    assert module.seen == [lr for lr in LRS[:3] for _ in range(4)]


# ---- Accelerate ----


@pytest.mark.parametrize("accumulated", [1, 2])
def test_accelerate(tmp_path: Path, accumulated: int) -> None:
    def run(begin: int, stop: int, saves: bool = False) -> tuple[list[float], list[Any]]:
        AcceleratorState._reset_state(reset_partial_state=True)
        GradientState._reset_state()
        accelerator = Accelerator(cpu=True, gradient_accumulation_steps=accumulated)
        model = network()
        optimizer = adamw(model)
        model, optimizer, loader, scheduler = accelerator.prepare(model, optimizer, batches(), TorchScheduler(optimizer, CURVE))
        if begin:
            accelerator.load_state(str(tmp_path))
        seen = []
        for _ in range(begin, stop):
            for x, y in loader:
                with accelerator.accumulate(model):
                    seen.append(optimizer.param_groups[0]["lr"])
                    accelerator.backward(torch.nn.functional.mse_loss(model(x), y))
                    optimizer.step()
                    scheduler.step()
                    optimizer.zero_grad()
        assert scheduler.get_last_lr() == scheduler.get_lr() == [optimizer.param_groups[0]["lr"]]
        if saves:
            accelerator.save_state(str(tmp_path))
        return seen, weights(model)

    lrs = [lr for lr in LRS for _ in range(accumulated)][:STEPS]
    whole = run(0, 3)
    assert whole[0] == lrs
    first = run(0, 1, saves=True)
    rest = run(1, 3)
    assert (first[0] + rest[0], rest[1]) == whole


# ---- Hugging Face ----


class Regression(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = network()

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"loss": torch.nn.functional.mse_loss(self.net(x), labels)}


class Recorder(TrainerCallback):  # type: ignore[misc]  # mypy does not follow transformers
    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_step_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        self.seen.append(others["optimizer"].param_groups[0]["lr"])


def hugging_face(folder: Path, checkpoint: str | None = None) -> tuple[Any, list[float]]:
    model, recorder = Regression(), Recorder()
    optimizer = adamw(model)
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=STEPS,
        per_device_train_batch_size=4,
        save_steps=5,
        logging_steps=1,
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
        max_grad_norm=0.0,
    )
    trainer = HuggingFaceTrainer(
        model=model,
        args=arguments,
        train_dataset=[{"x": x, "labels": y} for x, y in zip(*data().tensors, strict=True)],
        optimizers=(optimizer, TorchScheduler(optimizer, CURVE)),
        callbacks=[recorder],
    )
    trainer.train(resume_from_checkpoint=checkpoint)
    return trainer, recorder.seen


def test_hugging_face_trainer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, seen = hugging_face(tmp_path / "whole")
    assert seen == LRS
    logged = [entry["learning_rate"] for entry in whole.state.log_history if "learning_rate" in entry]
    assert logged == LRS
    rest, later = hugging_face(tmp_path / "rest", str(tmp_path / "whole" / "checkpoint-5"))
    assert later == LRS[5:]
    assert weights(rest.model) == weights(whole.model)
    capsys.readouterr()  # it prints its log
