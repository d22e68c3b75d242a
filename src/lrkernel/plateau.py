"""plateau - a scheduler that looks at a metric and reduces the learning rate when it stops improving."""

import math
from collections.abc import Mapping
from typing import Any

from ._arguments import Number, at_least, one_of, positive, real, scalar, shown, whole
from .schedule import ID, Schedule
from .scheduler import Scheduler


class ReduceOnPlateau(Scheduler):
    """A scheduler that reduces the learning rate when a metric stops improving, on top of any schedule, warm-up included.

    ``step()`` follows the schedule, ``observe(metric)`` looks for a plateau, by the rules of torch's ``ReduceLROnPlateau``: a
    metric is better if it is below ``best (1 - threshold)`` (mode "min", threshold mode "rel"), ``best - threshold`` ("abs"), or
    above ``best (1 + threshold)``, ``best + threshold`` (mode "max"). After more than `patience` others in a row the learning rate
    becomes ``max(lr factor, min_lr)``, lr being the schedule's value times all reductions so far, unless it would fall by `eps` or
    less.

    Parameters
    ----------
    schedule : Schedule
        Of the learning rate; one for all groups.
    optimizer, step, relative, steps_per_epoch
        As for ``Scheduler``.
    mode : str
        "min" or "max".
    factor : float
        In (0, 1).
    patience, cooldown : int
        Observations, >= 0: without improvement before a reduction, and after one before counting begins again.
    threshold : float
        >= 0.
    threshold_mode : str
        "rel" or "abs".
    min_lr, eps : float
        >= 0.

    Raises
    ------
    ValueError, TypeError
        For other arguments.

    References
    ----------
    torch.optim.lr_scheduler.ReduceLROnPlateau.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> scheduler = lrk.ReduceOnPlateau(lrk.warmup_constant(1.0, 2), factor=0.5, patience=1)
    >>> for loss in [3.0, 2.0, 2.0, 2.0, 2.0]:
    ...     print(scheduler.step(), scheduler.observe(loss))
    0.5 False
    1.0 False
    1.0 False
    1.0 True
    0.5 False
    """

    _readable = frozenset(ID)  # of the learning rate alone

    def __init__(
        self,
        schedule: Schedule,
        optimizer: Any = None,
        *,
        mode: str = "min",
        factor: Number = 0.1,
        patience: Number = 10,
        threshold: Number = 1e-4,
        threshold_mode: str = "rel",
        cooldown: Number = 0,
        min_lr: Number = 0.0,
        eps: Number = 1e-8,
        step: Number = 0,
        relative: bool = False,
        steps_per_epoch: Number | None = None,
    ) -> None:
        if not isinstance(schedule, Schedule):
            raise TypeError(f"schedule must be a schedule, got {shown(schedule)}")
        self._mode = one_of("mode", mode, ("min", "max"))
        self._threshold_mode = one_of("threshold_mode", threshold_mode, ("rel", "abs"))
        self._factor = positive("factor", factor)
        if self._factor >= 1.0:
            raise ValueError(f"factor must be < 1, got {factor!r}")
        self._patience, self._cooldown = whole("patience", patience, 0), whole("cooldown", cooldown, 0)
        self._threshold, self._eps = at_least("threshold", threshold, 0.0), at_least("eps", eps, 0.0)
        self._min_lr = at_least("min_lr", min_lr, 0.0)
        self._best: float | None = None
        self._bad = self._cooling = 0
        super().__init__(schedule, optimizer, step=step, relative=relative, steps_per_epoch=steps_per_epoch)

    def observe(self, metric: Any) -> bool:
        """Take note of a metric; True if the learning rate was reduced for it.

        Parameters
        ----------
        metric : float
            A finite number; a 0-d tensor or array too.

        Raises
        ------
        ValueError, TypeError
            For NaN, an infinity, or no number; nothing has changed then.
        """
        value = scalar("metric", metric)
        cooling, bad = self._cooling, 0 if self._is_better(value) else self._bad + 1
        if cooling:
            cooling, bad = cooling - 1, 0
        due = bad > self._patience
        reduced = due and self._reduce()
        if due:
            cooling, bad = self._cooldown, 0
        if self._is_better(value):
            self._best = value
        self._cooling, self._bad = cooling, bad
        return reduced

    def _is_better(self, value: float) -> bool:
        if self._best is None:
            return True
        sign = -1.0 if self._mode == "min" else 1.0
        relative = self._threshold_mode == "rel"
        limit = self._best * (1.0 + sign * self._threshold) if relative else self._best + sign * self._threshold
        return value < limit if self._mode == "min" else value > limit

    def _reduce(self) -> bool:
        lr = self.get_lr()
        lower = max(lr * self._factor, self._min_lr)
        # A product that was to be min_lr is so within two roundings: what is left of it is not reduced again.
        if lr - lower <= max(self._eps, 4 * math.ulp(lower)):
            return False
        self.reduce(self._factor if lower > self._min_lr else lower / lr)
        return True

    def _more_state(self) -> dict[str, Any]:
        return {"plateau": {"best": self._best, "bad": self._bad, "cooling": self._cooling}}

    def _read_more(self, state: Mapping[str, Any]) -> dict[str, Any]:
        if not isinstance(state["plateau"], Mapping) or set(state["plateau"]) != {"best", "bad", "cooling"}:
            raise ValueError(f"state plateau must have the keys best, bad and cooling, got {shown(state['plateau'])}")
        plateau = state["plateau"]
        best = plateau["best"]
        return {
            "_best": None if best is None else real("state plateau best", best),
            "_bad": whole("state plateau bad", plateau["bad"], 0),
            "_cooling": whole("state plateau cooling", plateau["cooling"], 0),
        }
