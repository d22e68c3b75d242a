"""TorchScheduler against torch itself: the interface of LRScheduler, real optimizers, runs that stop and go on."""

import copy
import gc
import inspect
import io
import json
import math
import pickle
import re
import subprocess
import sys
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from integrations.torch_runs import KINDS, STOPS, TOTAL, Run
from torch.optim import lr_scheduler

import lrkernel as lrk
from lrkernel.integrations.torch import TorchScheduler

pytestmark = pytest.mark.usefixtures("one_thread")

CURVE = lrk.warmup_linear(1.0, 2, 6)  # 0 0.5 1 0.75 0.5 0.25 0


def weight(size: int = 1) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.zeros(size))


def sgd(*lrs: float, **options: Any) -> torch.optim.SGD:
    groups = [{"params": [weight()], "lr": lr} for lr in lrs or [0.1]]
    return torch.optim.SGD(groups, lr=0.1, **options)


def lrs(optimizer: torch.optim.Optimizer) -> list[float]:
    return [float(group["lr"]) for group in optimizer.param_groups]


# ---- torch's interface ----


def test_it_is_one_of_torchs() -> None:
    scheduler = TorchScheduler(sgd(), CURVE)
    assert isinstance(scheduler, lr_scheduler.LRScheduler)
    assert isinstance(scheduler, lrk.Scheduler)


def test_every_public_method_of_the_base_works() -> None:
    optimizer = sgd(0.1, 0.2)
    scheduler = TorchScheduler(optimizer, CURVE, relative=True)
    state = scheduler.state_dict()
    calls: dict[str, Callable[[], Any]] = {
        "step": scheduler.step,
        "get_lr": scheduler.get_lr,
        "get_last_lr": scheduler.get_last_lr,
        "state_dict": scheduler.state_dict,
        "load_state_dict": lambda: scheduler.load_state_dict(state),
    }
    assert {name for name in dir(lr_scheduler.LRScheduler) if not name.startswith("_")} == set(calls)
    assert calls["step"]() == 0.5
    assert calls["get_lr"]() == calls["get_last_lr"]() == lrs(optimizer) == [0.05, 0.1]
    assert calls["state_dict"]()["step"] == 1
    calls["load_state_dict"]()
    assert lrs(optimizer) == [0.0, 0.0]


def test_what_torchs_schedulers_have_is_there() -> None:
    optimizer = sgd(0.1, 0.2)
    theirs = lr_scheduler.LinearLR(sgd(0.1, 0.2), total_iters=5)
    ours = TorchScheduler(optimizer, CURVE, relative=True)
    for name in ("optimizer", "base_lrs", "last_epoch", "_step_count", "_last_lr", "_is_initial", "_get_lr_called_within_step"):
        mine, its = getattr(ours, name), getattr(theirs, name)
        assert name == "optimizer" or name == "_last_lr" or mine == its, name
    assert ours.optimizer is optimizer
    assert ours._last_lr == [0.0, 0.0]
    assert TorchScheduler(sgd(0.1, 0.2), CURVE).base_lrs == [1.0, 1.0]
    ours._step_count += 1  # Accelerate, for a micro-step
    assert (ours._step_count, ours.last_epoch) == (1, 0)
    ours.step()
    assert (ours._step_count, ours.last_epoch, ours.current_step) == (2, 1, 1)


def test_a_run_gives_the_schedule() -> None:
    optimizer, seen = sgd(), []
    scheduler = TorchScheduler(optimizer, CURVE)
    for _ in range(8):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        assert scheduler.step() == CURVE(scheduler.last_epoch)
    assert seen == [0.0, 0.5, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0]


def test_values_are_those_of_torchs_own() -> None:
    optimizer, theirs = sgd(0.1), sgd(0.1)
    ours = TorchScheduler(optimizer, lrk.cosine(1.0, 0.0, 50), relative=True)
    cosine = lr_scheduler.CosineAnnealingLR(theirs, 50)
    for _ in range(50):
        theirs.step()
        cosine.step()
        ours.step()
        assert lrs(optimizer) == pytest.approx(lrs(theirs), abs=1e-15)


@pytest.mark.parametrize(("last_epoch", "value"), [(-1, 0.0), (0, 0.5), (1, 1.0), (4, 0.25), (99, 0.0)])
def test_last_epoch_is_the_step_that_is_done(last_epoch: int, value: float) -> None:
    optimizer = sgd()
    scheduler = TorchScheduler(optimizer, CURVE, last_epoch)
    assert (lrs(optimizer), scheduler.last_epoch) == ([value], last_epoch + 1)
    theirs = sgd()
    theirs.param_groups[0]["initial_lr"] = 0.1
    assert lr_scheduler.ExponentialLR(theirs, 0.5, last_epoch).last_epoch == scheduler.last_epoch


def test_step_with_an_epoch_goes_there() -> None:
    optimizer = sgd()
    scheduler = TorchScheduler(optimizer, CURVE)
    assert scheduler.step(3) == 0.75
    assert scheduler.step(epoch=1) == 0.5
    assert (lrs(optimizer), scheduler.last_epoch, scheduler.step()) == ([0.5], 1, 1.0)


def test_get_lr_of_a_step_and_decisions_are_those_of_the_schedule() -> None:
    scheduler = TorchScheduler(sgd(0.1, 0.2), CURVE, relative=True)
    scheduler.step(3)
    assert scheduler.get_lr(2) == 1.0
    assert scheduler.hold() == 0.75
    assert scheduler.step() == 0.75
    assert scheduler.get_lr() == [0.1 * 0.75, 0.2 * 0.75]
    assert scheduler.to_schedule().values(6).tolist() == [0.0, 0.5, 1.0, 0.75, 0.75, 0.75]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((3, CURVE), TypeError, "optimizer must be a torch.optim.Optimizer, got 3"),
        ((None, CURVE), TypeError, "optimizer must be a torch.optim.Optimizer, got None"),
        ((sgd(), 0.1), TypeError, "schedule must be a schedule or a mapping of hyperparameters to schedules, got 0.1"),
        ((sgd(), CURVE, -2), ValueError, "last_epoch must be >= -1, got -2"),
        ((sgd(), CURVE, 0.5), ValueError, "last_epoch must be a whole number, got 0.5"),
        ((sgd(), CURVE, "3"), TypeError, "last_epoch must be an integer, got '3'"),
    ],
    ids=repr,
)
def test_bad_arguments(arguments: tuple[Any, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        TorchScheduler(*arguments)


def test_to_go_on_relative_to_no_base_is_refused() -> None:
    optimizer = sgd()
    rule = "optimizer.param_groups[0] must have 'initial_lr' where last_epoch >= 0, got last_epoch 3"
    with pytest.raises(ValueError, match=f"^{re.escape(rule)}$"):
        TorchScheduler(optimizer, CURVE, 3, relative=True)
    assert lrs(optimizer) == [0.1]
    optimizer.param_groups[0]["initial_lr"] = 0.4
    TorchScheduler(optimizer, CURVE, 2, relative=True)
    assert lrs(optimizer) == [0.4 * 0.75]


def test_without_torch_the_import_names_the_extra() -> None:
    code = "import sys; sys.modules['torch'] = None; sys.modules['torch.optim'] = None; import lrkernel.integrations.torch"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stderr.splitlines()[-1] == 'ImportError: TorchScheduler needs torch: pip install "lrkernel[torch]"'


def test_torchs_compositions() -> None:
    optimizer = sgd(1.0)
    scheduler = TorchScheduler(optimizer, CURVE, relative=True)
    with pytest.raises(AttributeError, match="last_epoch"):
        lr_scheduler.SequentialLR(optimizer, [scheduler, TorchScheduler(optimizer, CURVE)], milestones=[3])
    scheduler.seek(0)
    chained = lr_scheduler.ChainedScheduler([scheduler], optimizer)
    for value in [0.5, 1.0, 0.75]:
        optimizer.step()
        chained.step()
        assert lrs(optimizer) == [value]


# ---- the optimizer is left alone ----


def test_nothing_is_patched_into_the_optimizer() -> None:
    optimizer = sgd()
    before = {name: id(value) for name, value in vars(optimizer).items()}
    groups = copy.deepcopy(optimizer.param_groups)
    scheduler = TorchScheduler(optimizer, CURVE)
    scheduler.step()
    assert {name: id(value) for name, value in vars(optimizer).items()} == before
    assert [set(group) for group in optimizer.param_groups] == [set(group) for group in groups]


def test_ten_thousand_schedulers_leave_no_optimizer_behind() -> None:
    parameter = weight()
    alive: list[weakref.ref[Any]] = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(10_000):
            optimizer = torch.optim.SGD([parameter], lr=0.1)
            scheduler = TorchScheduler(optimizer, CURVE)
            scheduler.step()
            alive += [weakref.ref(optimizer), weakref.ref(scheduler)]
        del optimizer, scheduler
        assert not [reference for reference in alive if reference() is not None]
    finally:
        gc.enable()


# ---- groups ----


def test_groups_have_bases_and_names_of_their_own() -> None:
    optimizer = sgd(0.1, 0.01)
    optimizer.param_groups[1]["lr_scale"] = 0.5
    scheduler = TorchScheduler(optimizer, CURVE, relative=True)
    assert scheduler.base_lrs == [0.1, 0.01]
    scheduler.step()
    assert lrs(optimizer) == scheduler.get_last_lr() == [0.05, 0.0025]

    named = torch.optim.SGD([{"params": [weight()], "name": "body"}, {"params": [weight()], "name": "head"}], lr=0.1)
    scheduler = TorchScheduler(named, {"lr": {"head": CURVE, None: lrk.linear(0.0, 1.0, 10)}})
    scheduler.step()
    assert lrs(named) == scheduler.get_last_lr() == [0.1, 0.5]


def test_an_initial_lr_that_is_there_is_the_base() -> None:
    optimizer = sgd(0.1)
    lr_scheduler.StepLR(optimizer, 10)
    optimizer.param_groups[0]["lr"] = 0.003
    TorchScheduler(optimizer, CURVE, relative=True).step()
    assert lrs(optimizer) == [0.05]


@pytest.mark.parametrize("relative", [False, True])
def test_a_group_that_is_added_later_is_scheduled(relative: bool) -> None:
    optimizer = sgd(0.1)
    scheduler = TorchScheduler(optimizer, CURVE, relative=relative)
    scheduler.step()
    optimizer.add_param_group({"params": [weight()], "lr": 0.4})
    scheduler.step()
    assert lrs(optimizer) == ([0.1, 0.4] if relative else [1.0, 1.0])
    scheduler.step()
    assert lrs(optimizer) == pytest.approx([0.075, 0.3] if relative else [0.75, 0.75])
    assert scheduler.base_lrs == ([0.1, 0.4] if relative else [1.0, 1.0])


# ---- tensors ----


@pytest.mark.parametrize("relative", [False, True])
def test_a_tensor_is_written_in_place(relative: bool) -> None:
    lr = torch.tensor(0.5, dtype=torch.float64)
    optimizer = torch.optim.Adam([weight()], lr=lr, foreach=False)
    scheduler = TorchScheduler(optimizer, CURVE, relative=relative)
    for value in [0.5, 1.0, 0.75]:
        scheduler.step()
        assert optimizer.param_groups[0]["lr"] is lr
        assert lr.item() == (0.5 * value if relative else value)
    assert scheduler.get_last_lr() == [lr.item()]
    assert type(scheduler.get_last_lr()[0]) is float


@pytest.mark.parametrize("relative", [False, True])
def test_groups_that_share_a_tensor_get_their_own(relative: bool) -> None:
    lr = torch.tensor(0.5, dtype=torch.float64)  # torch gives the default to every group
    groups: list[dict[str, Any]] = [{"params": [weight()]}, {"params": [weight()], "lr_scale": 0.5}, {"params": [weight()]}]
    optimizer = torch.optim.Adam(groups, lr=lr, foreach=False)
    assert all(group["lr"] is lr for group in optimizer.param_groups)
    scheduler = TorchScheduler(optimizer, CURVE, relative=relative)
    own = [group["lr"] for group in optimizer.param_groups]
    assert own[0] is lr
    assert len({id(tensor) for tensor in own}) == 3  # from the start, though all are 0 there
    scheduler.seek(2)
    assert lrs(optimizer) == scheduler.get_last_lr() == ([0.5, 0.25, 0.5] if relative else [1.0, 0.5, 1.0])
    assert all(group["lr"] is tensor for group, tensor in zip(optimizer.param_groups, own, strict=True))


@pytest.mark.parametrize(
    ("lr", "error", "message"),
    [
        (torch.tensor(1), TypeError, "must be a tensor of a real floating type to be written in place, got tensor(1)"),
        (torch.tensor(1j), TypeError, "must be a tensor of a real floating type to be written in place, got tensor(0.+1.j)"),
        (
            torch.tensor(0.1, requires_grad=True),
            ValueError,
            "must not require a gradient to be written in place, got tensor(0.1000",
        ),
    ],
    ids=["int", "complex", "gradient"],
)
@pytest.mark.parametrize("several", [False, True])
def test_a_tensor_that_cannot_be_written_stops_all(lr: torch.Tensor, error: type[Exception], message: str, several: bool) -> None:
    optimizer = torch.optim.Adam([{"params": [weight()]}, {"params": [weight()]}], lr=0.1)
    name, path = ("betas", "['betas'][1]") if several else ("lr", "['lr']")
    optimizer.param_groups[1][name] = (0.8, lr) if several else lr
    schedule = {"lr": CURVE, "betas": (CURVE, CURVE)} if several else CURVE
    with pytest.raises(error, match=re.escape(f"optimizer.param_groups[1]{path} {message}")):
        TorchScheduler(optimizer, schedule, last_epoch=1)
    assert (optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["betas"]) == (0.1, (0.9, 0.999))


def test_a_state_of_a_tensor_lr() -> None:
    lr = torch.tensor(0.5)
    optimizer = torch.optim.Adam([weight()], lr=lr, foreach=False)
    scheduler = TorchScheduler(optimizer, CURVE)
    scheduler.step()
    saved = copy.deepcopy(optimizer.state_dict()), scheduler.state_dict()
    scheduler.step()
    optimizer.load_state_dict(saved[0])
    scheduler.load_state_dict(saved[1])
    assert lrs(optimizer) == [0.5]
    assert isinstance(optimizer.param_groups[0]["lr"], torch.Tensor)


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method`:DeprecationWarning")  # torch's own, when its compiler is imported
def test_a_compiled_step_sees_every_lr_without_compiling_again() -> None:
    p = weight(3)
    optimizer = torch.optim.SGD([p], lr=torch.tensor(0.5), foreach=False)
    scheduler = TorchScheduler(optimizer, CURVE)
    # Traced and guarded as by default; the default backend's C++ does not compile in a folder with spaces.
    update = torch.compile(optimizer.step, backend="aot_eager")
    p.grad = torch.ones(3)
    seen = []
    for step in range(6):
        with torch._dynamo.config.patch(error_on_recompile=step > 0):
            before = p.detach().clone()
            update()
        seen.append((before - p.detach()).tolist()[0])
        scheduler.step()
    assert seen == [0.0, 0.5, 1.0, 0.75, 0.5, 0.25]


# ---- skipped updates ----


def test_updates_that_a_grad_scaler_skips() -> None:
    p = weight()
    optimizer = torch.optim.SGD([p], lr=0.1)
    scheduler = TorchScheduler(optimizer, CURVE)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    seen, updates = [], 0
    for step in range(8):
        bad = step in {0, 1, 4}  # the first updates are what a scaler skips while it looks for its scale
        loss = (p * (math.inf if bad else 1.0)).sum()
        optimizer.zero_grad()
        scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        before = scaler.get_scale()
        scaler.step(optimizer)
        scaler.update()
        if scaler.get_scale() >= before:
            scheduler.step()
            updates += 1
        seen.append(scheduler.last_epoch)
    assert seen == [0, 0, 1, 2, 2, 3, 4, 5]
    assert lrs(optimizer) == [CURVE(updates)] == [0.25]


# ---- state ----


def test_the_state_is_plain_and_goes_through_torch_save() -> None:
    optimizer = sgd()
    scheduler = TorchScheduler(optimizer, CURVE)
    scheduler.step(3)
    scheduler.start_decay(4, shape="cosine")
    state = scheduler.state_dict()
    assert list(state) == ["version", "step", "fingerprint", "schedule", "events"]
    assert json.loads(json.dumps(state)) == state
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    loaded = torch.load(buffer, weights_only=True)
    assert loaded == state

    other = TorchScheduler(sgd(), CURVE)
    for _ in range(2):  # twice is once
        assert other.load_state_dict(loaded) == []
        assert loaded == state
        assert lrs(other.optimizer) == [0.75]
    assert [other.step() for _ in range(5)] == [scheduler.step() for _ in range(5)]


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("optimizer_first", [True, False])
def test_both_states_in_any_order(relative: bool, optimizer_first: bool) -> None:
    optimizer = sgd(0.1, 0.3, momentum=0.9)
    scheduler = TorchScheduler(optimizer, CURVE, relative=relative)
    scheduler.step(3)
    saved = [copy.deepcopy(optimizer.state_dict()), scheduler.state_dict()]
    want = lrs(optimizer)

    other = sgd(0.1, 0.3, momentum=0.9)
    again = TorchScheduler(other, CURVE, relative=relative)
    loads: list[Callable[[Any], object]] = [other.load_state_dict, again.load_state_dict]
    for k in (0, 1) if optimizer_first else (1, 0):
        loads[k](saved[k])
    assert lrs(other) == want
    assert again.step() == scheduler.step()
    assert lrs(other) == lrs(optimizer)


def test_resumed_at_any_step_the_values_are_the_same() -> None:
    schedule = lrk.warmup_cosine(0.3, 3, 17, floor=0.01)
    for stop in range(20):
        whole = TorchScheduler(sgd(0.1), schedule)
        for _ in range(stop):
            whole.step()
        rest = TorchScheduler(sgd(0.1), schedule)
        rest.load_state_dict(whole.state_dict())
        later = TorchScheduler(sgd(0.1), schedule, stop - 1)
        ahead = [whole.step() for _ in range(20)]
        assert ahead == [rest.step() for _ in range(20)] == [later.step() for _ in range(20)]


def test_another_schedule_under_the_policies() -> None:
    state = TorchScheduler(sgd(), CURVE, 2).state_dict()
    other = TorchScheduler(sgd(), lrk.warmup_linear(1.0, 2, 10))
    assert [name for name, _, _ in other.load_state_dict(state)] == ["segments[1].end", "segments[2].begin"]
    assert lrs(other.optimizer) == [0.875]
    other.load_state_dict(state, "checkpoint")
    assert lrs(other.optimizer) == [0.75]
    assert other.schedule == CURVE


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda both: pickle.loads(pickle.dumps(both))], ids=["deepcopy", "pickle"])
def test_copies_with_their_optimizer(copied: Callable[[Any], Any]) -> None:
    optimizer = sgd(0.1, 0.2)
    scheduler = TorchScheduler(optimizer, CURVE, relative=True)
    scheduler.step()
    scheduler.reduce(0.5)
    other, again = copied((optimizer, scheduler))
    assert isinstance(again, TorchScheduler)
    assert again.optimizer is other
    assert other is not optimizer
    again.step()
    assert lrs(other) == [0.05, 0.1]
    assert lrs(optimizer) == [0.025, 0.05]
    assert scheduler.step() == again.get_lr(2)
    assert lrs(optimizer) == lrs(other)


# ---- training ----


def test_interrupted_runs_end_with_the_same_weights(tmp_path: Path) -> None:
    want = {}
    for kind in KINDS:
        run = Run(kind)
        start = run.weights()
        for stop in STOPS:
            run.to(stop).save(tmp_path / f"{kind}@{stop}.pt")
        assert run.to(TOTAL).weights() != start
        for stop in STOPS:
            want[f"{kind}@{stop}"] = [run.weights(), run.lrs[stop:]]
    program = Path(inspect.getfile(Run))
    fresh = subprocess.run([sys.executable, str(program), str(tmp_path)], capture_output=True, text=True, check=False)
    assert fresh.returncode == 0, fresh.stderr
    assert json.loads(fresh.stdout) == want


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_is_interrupted_at_every_step(kind: str, tmp_path: Path) -> None:
    whole = Run(kind).to(TOTAL)
    run = Run(kind)
    for step in range(TOTAL):
        run.to(step + 1).save(tmp_path / "checkpoint.pt")
        run = Run(kind).load(tmp_path / "checkpoint.pt")
    assert run.weights() == whole.weights()


def test_the_schedule_is_what_the_weights_follow() -> None:
    seen = set()
    for kind in KINDS:
        with_it = Run(kind).to(TOTAL)
        without = Run(kind)
        without.scheduler = TorchScheduler(without.optimizer, lrk.constant(1e-3))
        seen |= {with_it.weights(), without.to(TOTAL).weights()}
    assert len(seen) == 2 * len(KINDS)


def test_several_hyperparameters_of_sgd() -> None:
    optimizer = sgd(0.1, momentum=0.9, weight_decay=0.01)
    plan = {"lr": CURVE, "momentum": lrk.linear(0.9, 0.5, 4), "weight_decay": lrk.Proportional("lr", 0.1)}
    scheduler = TorchScheduler(optimizer, plan)
    assert scheduler.step(2) == {"lr": 1.0, "momentum": 0.7, "weight_decay": 0.1}
    group = optimizer.param_groups[0]
    assert [group[name] for name in plan] == [1.0, 0.7, 0.1]
    p = group["params"][0]
    p.data.fill_(2.0)
    p.grad = torch.ones(1)
    optimizer.step()
    assert p.item() == pytest.approx(2.0 - 1.0 * (1.0 + 0.1 * 2.0))


def test_betas_of_adamw() -> None:
    p = weight()
    optimizer = torch.optim.AdamW([p], lr=0.1)
    scheduler = lrk.Scheduler({"betas": (lrk.linear(0.8, 0.9, 2), lrk.constant(0.95))}, optimizer)
    p.grad = torch.ones(1)
    optimizer.step()
    assert optimizer.state[p]["exp_avg"].item() == pytest.approx(0.2)
    assert optimizer.state[p]["exp_avg_sq"].item() == pytest.approx(0.05)
    scheduler.step()
    assert optimizer.param_groups[0]["betas"] == pytest.approx((0.85, 0.95))
    optimizer.step()
    assert optimizer.state[p]["exp_avg"].item() == pytest.approx(0.85 * 0.2 + 0.15)
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_no_warning_in_any_order_of_calls() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        optimizer = sgd()
        scheduler = TorchScheduler(optimizer, CURVE)
        scheduler.step()
        scheduler.step()
        optimizer.step()
        scheduler.step(0)
        scheduler.get_lr()
    assert not caught
