"""integrations.torch - a scheduler that is torch's too, for Lightning, Accelerate and the Hugging Face Trainer."""

from collections.abc import Mapping
from typing import Any

from lrkernel import Schedule, Scheduler

from .._arguments import Number, missing, shown

try:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler
except ImportError as error:
    raise ImportError(missing("TorchScheduler", "torch", "torch")) from error


class TorchScheduler(Scheduler, LRScheduler):  # type: ignore[misc, override]  # pyright: ignore[reportIncompatibleMethodOverride]
    """``Scheduler`` as a ``torch.optim.lr_scheduler.LRScheduler``; it has the methods of both.

    Construct it, then call ``step()`` after each ``optimizer.step()``. Nothing is patched into the optimizer, so nothing warns
    about the order of the two calls. The state is ``Scheduler``'s plain dict; load it before or after the optimizer's.

    Where both classes have a method, ``get_lr()`` is torch's, one value per group, and ``get_lr(step)`` the schedule's value;
    ``step()`` returns the new value. ``step(epoch)`` is ``seek(epoch)``, without torch's warning. A ``GradScaler`` that skips an
    update leaves its schedule where it is if the loop says so::

        before = scaler.get_scale()
        scaler.step(optimizer)
        scaler.update()
        if scaler.get_scale() >= before:
            scheduler.step()

    Join schedules, not schedulers: torch's ``SequentialLR`` refuses this one, and in a ``ChainedScheduler`` it overwrites at each
    step what stands before it.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        A tensor lr is written in place, as compiled and captured steps need it.
    schedule : Schedule or mapping
        As for ``Scheduler``; in the steps in which ``step()`` is called, updates or epochs.
    last_epoch : int
        The last step that is done, >= -1: the constructor applies ``schedule(last_epoch + 1)``.
    relative : bool
        Multiply each group's own base lr, its ``"initial_lr"``, which is its lr when it is first seen.

    Raises
    ------
    ValueError, TypeError
        For other arguments; for a relative schedule that goes on at a later step with groups that have no ``"initial_lr"``.

    Examples
    --------
    >>> import lrkernel as lrk, torch
    >>> from lrkernel.integrations.torch import TorchScheduler
    >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    >>> scheduler = TorchScheduler(optimizer, lrk.warmup_linear(peak=1.0, warmup=2, total=6), relative=True)
    >>> for _ in range(3):
    ...     optimizer.step()
    ...     print(optimizer.param_groups[0]["lr"], scheduler.step())
    0.0 0.5
    0.05 1.0
    0.1 0.75
    """

    # torch's own constructor wraps optimizer.step to count its calls: not called, all that it sets is below.
    def __init__(
        self, optimizer: Optimizer, schedule: Schedule | Mapping[str, Any], last_epoch: Number = -1, *, relative: bool = False
    ) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"optimizer must be a torch.optim.Optimizer, got {shown(optimizer)}")
        super().__init__(schedule, optimizer, step=self._step_after(last_epoch, optimizer, relative), relative=relative)

    def step(self, epoch: Number | None = None) -> Any:
        """Advance by one step, or go to `epoch`; apply, and return the new value, that of the schedule."""
        return Scheduler.step(self) if epoch is None else self.seek(epoch)  # super() took half as long again

    def get_lr(self, step: Number | None = None) -> Any:
        """The learning rate of each group at the current step; or the schedule's value at another."""
        return self.get_last_lr() if step is None else super().get_lr(step)

    @property
    def last_epoch(self) -> int:  # type: ignore[override]
        """The current step, by torch's name for it."""
        return self._position

    @property
    def base_lrs(self) -> list[float]:  # type: ignore[override]
        """What each group multiplies the schedule by: its ``"initial_lr"``; 1 where the schedule is not relative."""
        groups = self._optimizer.param_groups
        return [float(group.get("initial_lr", group["lr"])) if self._relative else 1.0 for group in groups]

    @property
    def _last_lr(self) -> list[float]:  # type: ignore[override]
        return self.get_last_lr()

    @property
    def _step_count(self) -> int:
        return self._position + 1

    @_step_count.setter
    def _step_count(self, count: int) -> None:
        """Accelerate adds the micro-steps that it accumulates gradients over; the position does not count them."""
