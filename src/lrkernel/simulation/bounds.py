"""simulation.bounds - what convex optimization proves of the last iterate, and sums over kernels of laws that are one's own."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lrkernel._arguments import Number, positive, real, shown
from lrkernel.batch import ScheduleBatch
from lrkernel.schedule import Schedule
from lrkernel.simulation.functionals import Floats, functional, plain, steps_of


class PowerLaw(NamedTuple):
    """Gradient norms that follow a power of the step: scale (t + 1)^power at step t.

    Examples
    --------
    >>> from lrkernel.simulation import PowerLaw
    >>> PowerLaw(scale=1.0, power=-0.5)
    PowerLaw(scale=1.0, power=-0.5)
    """

    scale: float
    power: float


class OptimalPeak(NamedTuple):
    """The factor by which to multiply a schedule, and the bound that it then has."""

    peak: Any
    bound: Any


def last_iterate_bound(
    schedule: Schedule | ScheduleBatch,
    steps: Any,
    *,
    distance: Number = 1.0,
    gradient_norm: float | PowerLaw | npt.ArrayLike = 1.0,
    threads: int | None = None,
) -> Any:
    """How far above its minimum a convex function can be at the last iterate of (sub)gradient descent after T steps.

    D^2 / (2 S_0) + 1/2 sum over k = 0 .. T-1 of lr_k^2 G_k^2 / S_(k+1), S_k = lr_k + ... + lr_(T-1), with lr_(T-1) for S_T. It is
    the published

    1 / (2 S_0) (D^2 + Q_0) + 1/2 sum over k = 0 .. T-2 of lr_k / (S_(k+1) S_k) Q_k, Q_k = lr_k^2 G_k^2 + ... ,

    whose sum telescopes, lr_k / (S_(k+1) S_k) being 1 / S_(k+1) - 1 / S_k. Every term is positive and every S is added up from the
    end, so that nothing cancels.

    Parameters
    ----------
    schedule : Schedule or ScheduleBatch
        >= 0 in these steps.
    steps : int or array of int
        T >= 1: the steps 0 .. T-1 are done.
    distance : float
        D > 0, of the first iterate from a minimiser.
    gradient_norm : float, PowerLaw or array
        G_k >= 0: one for all steps, a power of the step, or one for each step up to the last.
    threads : int, optional
        As for ``Schedule.values``.

    Returns
    -------
    float, or ndarray of shape batch.shape + steps.shape
        inf where the last step has lr 0.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of its range, or the schedule has a negative value.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> from lrkernel.simulation import last_iterate_bound
    >>> last_iterate_bound(lrk.constant(0.5), 2)  # 1/2 + 1/2 (1/2 + 1/2)
    1.0
    >>> round(last_iterate_bound(lrk.wsd(0.01, 0, 8000, 2000), 10_000), 6)
    0.02658

    Schaipp et al., "The Surprising Agreement Between Convex Optimization Theory and Learning-Rate Scheduling for Large Model
    Training", ICML 2025 (arXiv 2501.18965); Defazio et al. 2023 (arXiv 2310.07831), theorem 10.
    """
    of_distance, of_gradients = _parts(schedule, steps, distance, gradient_norm, threads)
    return plain(of_distance + of_gradients)


def optimal_peak(
    schedule: Schedule | ScheduleBatch,
    steps: Any,
    *,
    distance: Number = 1.0,
    gradient_norm: float | PowerLaw | npt.ArrayLike = 1.0,
    threads: int | None = None,
) -> OptimalPeak:
    """The factor that gives a schedule its least last-iterate bound: the optimal peak of a schedule whose peak is 1.

    A factor c makes a / c + b c of the bound a + b with the parts of the distance and of the gradients: the best one is
    sqrt(a / b), and the bound then 2 sqrt(a b).

    Parameters
    ----------
    schedule, steps, distance, gradient_norm, threads
        As for ``last_iterate_bound``.

    Returns
    -------
    OptimalPeak
        Factor and bound: floats, or arrays of shape batch.shape + steps.shape.

    Raises
    ------
    ValueError, TypeError
        As for ``last_iterate_bound``.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> from lrkernel.simulation import last_iterate_bound, optimal_peak
    >>> run = lrk.wsd(1.0, 0, 8000, 2000)
    >>> best = optimal_peak(run, 10_000)
    >>> round(best.bound, 6) == round(last_iterate_bound(run * best.peak, 10_000), 6)
    True

    Schaipp et al. 2025, as for ``last_iterate_bound``.
    """
    of_distance, of_gradients = _parts(schedule, steps, distance, gradient_norm, threads)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        peak, bound = np.sqrt(of_distance / of_gradients), 2.0 * np.sqrt(of_distance * of_gradients)
    return OptimalPeak(plain(peak), plain(bound))


def _parts(schedule: Any, steps: Any, distance: Any, gradient_norm: Any, threads: Any) -> tuple[Floats, Floats]:
    """The two parts of the bound: that of the distance and that of the gradients."""
    square = positive("distance", distance) ** 2
    last = steps_of(steps, 1) - 1
    name, parameters = _norms(gradient_norm, int(last.max(initial=0)) + 1)
    found = functional(name, schedule, last, parameters, threads, 2)
    return square * found[..., 0], found[..., 1]


def _norms(norm: Any, count: int) -> tuple[str, Any]:
    if isinstance(norm, PowerLaw):
        return "last_iterate", (_norm(norm.scale), real("gradient_norm.power", norm.power))
    array = np.asarray(norm)
    if array.ndim == 0:
        return "last_iterate", (_norm(array.item()), 0.0)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"gradient_norm must be real numbers, got {shown(norm)}")
    if array.ndim != 1 or array.size < count:
        raise ValueError(f"gradient_norm must have one number for each of {count} steps, got the shape {array.shape}")
    numbers = array[:count].astype(np.float64)
    for wrong in numbers[~(np.isfinite(numbers) & (numbers >= 0.0))][:1].tolist():
        _norm(wrong)
    return "last_iterate_each", numbers


def _norm(value: object) -> float:
    number = real("gradient_norm", value)
    if number < 0.0:
        raise ValueError(f"gradient_norm must be >= 0, got {value!r}")
    return number


def kernel_sum(
    schedule: Schedule,
    t: Number,
    weight: Callable[[Any], Any],
    kernel: Callable[[Any], Any],
    *,
    convert: Callable[[Floats], Any] | None = None,
) -> Any:
    """The sum over k = 0 .. t of weight(lr_k) kernel(S(t) - S(k)), S the running sum, through the nodes of the schedule.

    A few hundred nodes stand for millions of steps. Both functions get arrays and may be those of NumPy, torch or JAX; the result
    can then be differentiated by whatever they depend on.

    Parameters
    ----------
    schedule : Schedule
        What is summed over.
    t : int
        The last step.
    weight, kernel : callable
        Of an array of values, and of an array of sums of all steps after a step; smooth.
    convert : callable, optional
        What to make of the NumPy arrays before they are used: ``torch.from_numpy``, ``jax.numpy.asarray``.

    Returns
    -------
    What the functions return, summed.

    Raises
    ------
    ValueError, TypeError
        If `t` is no step.

    Examples
    --------
    >>> import lrkernel as lrk, numpy as np
    >>> from lrkernel.simulation import kernel_sum
    >>> run = lrk.cosine(3e-4, 0.0, 1_000_000)
    >>> fast = kernel_sum(run, 999_999, lambda lr: lr, lambda s: np.exp(-s))
    >>> lr = run.values(1_000_000)
    >>> after = lr[::-1].cumsum()[::-1] - lr
    >>> bool(abs(fast - (lr * np.exp(-after)).sum()) < 1e-9)
    True
    """
    nodes = schedule.nodes(t)
    counts, values, after = (convert(array) if convert else array for array in (nodes.weight, nodes.value, nodes.after))
    total = (counts * weight(values) * kernel(after)).sum()
    return float(total) if isinstance(total, np.floating) else total
