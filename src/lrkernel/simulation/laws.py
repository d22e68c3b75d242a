"""simulation.laws - the loss that a law predicts of a schedule, with the law's parameters as an object."""

import tomllib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import numpy.typing as npt

from lrkernel._arguments import at_least, fraction, one_of, positive, real, shown
from lrkernel.batch import ScheduleBatch
from lrkernel.schedule import Schedule
from lrkernel.simulation.functionals import Floats, functional, functional_at, plain, steps_of

Curve = tuple[Schedule | npt.ArrayLike, npt.ArrayLike, npt.ArrayLike]

# How a fit weighs what it misses, in logarithms of the loss: by squares up to here, by magnitude beyond (Luo et al. 2025).
HUBER = 1e-3


class Law(ABC):
    """A loss law with its parameters: what ``MultiPower`` and ``Annealing`` share."""

    name: ClassVar[str]
    _functional: ClassVar[str]
    _numbers: tuple[float, ...]  # dataclasses.astuple took a third of a prediction

    def predict(
        self, schedule: Schedule | ScheduleBatch, steps: Any, *, area_before: float = 0.0, threads: int | None = None
    ) -> Any:
        """The predicted loss after each step; a step's time does not grow with the number of steps before it.

        Parameters
        ----------
        schedule : Schedule or ScheduleBatch
            Nowhere negative up to the last of the steps.
        steps : int or array of int
            After which steps, 0 for the first update, in any order.
        area_before : float
            What the sum of the schedule begins with, >= 0: that of steps before step 0, of which the law sees nothing else.
        threads : int, optional
            As for ``Schedule.values``.

        Returns
        -------
        float, or ndarray of shape batch.shape + steps.shape
            inf where the sum of the schedule is still 0.

        Raises
        ------
        ValueError, TypeError
            If a step is none, or the schedule has a negative value before it.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> from lrkernel.simulation import MultiPower
        >>> law = MultiPower(L0=3.04, A=0.52, alpha=0.51, B=364.0, C=2.07, beta=0.58, gamma=0.64)
        >>> run = lrk.warmup_cosine(3e-4, 2000, 24_000, floor=3e-5)
        >>> round(law.predict(run, 23_999), 6)
        3.311596
        >>> law.predict(lrk.sweep(lrk.wsd, peak=3e-4, warmup=2000, stable=18_000, decay=[2000, 4000]), 21_999).round(4)
        array([3.2666, 3.3055])
        """
        parameters = (*self._numbers, at_least("area_before", area_before, 0.0))
        if type(steps) is int and isinstance(schedule, Schedule) and threads is None:
            return functional_at(self._functional, schedule, steps, parameters)[0]
        array = steps_of(steps, 0)
        return plain(functional(self._functional, schedule, array, parameters, threads)[..., 0])

    @classmethod
    def fit(cls, curves: Iterable[Curve], *, start: Self | None = None, huber: float = HUBER, progress: bool = False) -> Self:
        """The law whose predictions are nearest to measured losses.

        Minimises the sum of Huber's function of log(predicted) - log(measured) over all points of all curves, with derivatives
        in closed form, from several starting points.

        Parameters
        ----------
        curves : iterable of (schedule or array of lr, steps, loss)
            What was measured: the schedule, or its values step by step, and the losses after some of its steps. An array costs
            time that grows with its length.
        start : law, optional
            Where to start, instead of guesses from the losses.
        huber : float
            Differences larger than this count by their magnitude, > 0.
        progress : bool
            Show a progress bar on standard error, where rich is installed.

        Raises
        ------
        ImportError
            If SciPy is not installed.
        ValueError, TypeError
            If a curve is not of that form, or there are fewer points than parameters.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> from lrkernel.simulation import MultiPower
        >>> law = MultiPower(L0=3.04, A=0.52, alpha=0.51, B=364.0, C=2.07, beta=0.58, gamma=0.64)
        >>> runs = [lrk.warmup_cosine(3e-4, 2000, n, floor=3e-5) for n in (8000, 24_000)]
        >>> runs += [lrk.wsd(3e-4, 2000, 10_000, n) for n in (1000, 4000)]
        >>> curves = [(run, range(3000, int(run.length), 500), law.predict(run, range(3000, int(run.length), 500))) for run in runs]
        >>> fitted = MultiPower.fit(curves)
        >>> abs(fitted.predict(runs[0], 7999) - law.predict(runs[0], 7999)) < 1e-6
        True
        """
        from lrkernel.simulation.fitting import fitted

        return cast("Self", fitted(cls, curves, start, positive("huber", huber), progress))

    def to_dict(self) -> dict[str, str | float]:
        """The law's name and its parameters, JSON-safe: what a LAW.toml holds.

        Examples
        --------
        >>> from lrkernel.simulation import Annealing
        >>> Annealing(L0=2.6, A=0.6, alpha=0.5, C=0.4, decay=0.999).to_dict()
        {'law': 'annealing', 'L0': 2.6, 'A': 0.6, 'alpha': 0.5, 'C': 0.4, 'decay': 0.999}
        """
        return {"law": self.name} | {name: getattr(self, name) for name in _names(type(self))}

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> Self:
        """The law of a mapping as ``to_dict`` gives; ``law_from_dict`` finds the class too.

        Raises
        ------
        ValueError, TypeError
            For another law's name, and a key or parameter that is unknown, missing or out of range.

        Examples
        --------
        >>> from lrkernel.simulation import Annealing
        >>> law = Annealing(L0=2.6, A=0.6, alpha=0.5, C=0.4, decay=0.999)
        >>> Annealing.from_dict(law.to_dict()) == law
        True
        """
        law = law_from_dict(mapping)
        if not isinstance(law, cls):
            raise ValueError(f"law must be {cls.name!r}, got {law.name!r}")
        return law

    @abstractmethod
    def __post_init__(self) -> None: ...

    def _check(self, **checks: Any) -> None:
        for name in _names(type(self)):
            object.__setattr__(self, name, checks.get(name, _at_least_0)(name, getattr(self, name)))
        object.__setattr__(self, "_numbers", tuple(getattr(self, name) for name in _names(type(self))))


def _at_least_0(name: str, value: object) -> float:
    return at_least(name, value, 0.0)


def _names(law: type[Law]) -> list[str]:
    return [field.name for field in fields(cast("Any", law))]


@dataclass(frozen=True)
class MultiPower(Law):
    """The multi-power law: a power of the sum of the learning rates, less what each of its falls has gained since.

    L(t) = L0 + A S(t)^(-alpha) + B sum over k = 1 .. t of (lr_k - lr_(k-1)) (1 - (1 + C lr_k^(-gamma) (S(t) - S(k-1)))^(-beta)),

    S(t) = lr_0 + ... + lr_t. Rises count as falls do, with the other sign. Where lr_k = 0 its factor is the limit, 1.

    Parameters
    ----------
    L0 : float
        The loss in the end.
    A, alpha, B, gamma : float
        >= 0.
    C, beta : float
        > 0.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of its range.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> from lrkernel.simulation import MultiPower
    >>> law = MultiPower(L0=2.65, A=0.6, alpha=0.45, B=438.0, C=2.13, beta=0.6, gamma=0.66)
    >>> round(law.predict(lrk.constant(3e-4), 9999), 6)
    3.015971

    Luo et al., "A Multi-Power Law for Loss Curve Prediction Across Learning Rate Schedules", ICLR 2025.
    """

    L0: float
    A: float
    alpha: float
    B: float
    C: float
    beta: float
    gamma: float

    name: ClassVar[str] = "multi-power"
    _functional: ClassVar[str] = "multi_power"

    def __post_init__(self) -> None:
        self._check(L0=real, C=positive, beta=positive)


@dataclass(frozen=True)
class Annealing(Law):
    """The law with learning rate annealing: a power of the forward area, less a multiple of the annealing area.

    L(t) = L0 + A S1(t)^(-alpha) - C S2(t), S1(t) = lr_0 + ... + lr_t, S2(t) = m_1 + ... + m_t with m_0 = 0 and
    m_i = decay m_(i-1) + lr_(i-1) - lr_i. S2 counts rises as negative falls: from a warm-up it is below 0, and the loss above that
    of the forward area, until what has fallen since outweighs it.

    Parameters
    ----------
    L0 : float
        The loss in the end, before annealing.
    A, alpha, C : float
        >= 0.
    decay : float
        Between 0 and 1: how much of its momentum annealing keeps from step to step; about 0.999.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of its range.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> from lrkernel.simulation import Annealing
    >>> law = Annealing(L0=2.6, A=0.6, alpha=0.5, C=0.4, decay=0.999)
    >>> round(law.predict(lrk.linear(3e-4, 0.0, 10_000), 9999), 6)
    2.981873

    Tissue et al., "Scaling Law with Learning Rate Annealing", 2024 (arXiv 2408.11029).
    """

    L0: float
    A: float
    alpha: float
    C: float
    decay: float

    name: ClassVar[str] = "annealing"
    _functional: ClassVar[str] = "annealing"

    def __post_init__(self) -> None:
        self._check(L0=real, decay=fraction)


LAWS: dict[str, type[Law]] = {law.name: law for law in (MultiPower, Annealing)}


def law_from_dict(mapping: Mapping[str, Any]) -> Law:
    """The law of a mapping: its name under "law", and each of its parameters.

    Raises
    ------
    ValueError, TypeError
        For an unknown law, and a key or parameter that is unknown, missing or out of range.

    Examples
    --------
    >>> from lrkernel.simulation import law_from_dict
    >>> law_from_dict({"law": "annealing", "L0": 2.6, "A": 0.6, "alpha": 0.5, "C": 0.4, "decay": 0.999})
    Annealing(L0=2.6, A=0.6, alpha=0.5, C=0.4, decay=0.999)
    >>> law_from_dict({"law": "anealing"})
    Traceback (most recent call last):
        ...
    ValueError: law must be one of multi-power, annealing, got 'anealing'
    """
    if not isinstance(mapping, Mapping):
        raise TypeError(f"law must be a mapping, got {shown(mapping)}")
    if "law" not in mapping:
        raise ValueError(f"law must be one of {', '.join(LAWS)}, got none")
    law = LAWS[one_of("law", mapping["law"], LAWS)]
    names = _names(law)
    for key in mapping:
        if key != "law" and key not in names:
            raise ValueError(f"parameters of {law.name} must be {', '.join(names)}, got {shown(key)}")
    for name in names:
        if name not in mapping:
            raise ValueError(f"{name} must be given for {law.name}, got {', '.join(map(str, mapping))}")
    return law(**{name: mapping[name] for name in names})


def load_law(path: str | PathLike[str]) -> Law:
    """The law of a TOML file, with the keys of ``law_from_dict``.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError, TypeError
        If it is not TOML, or not a law; the message begins with the path.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lrkernel.simulation import load_law
    >>> path = pathlib.Path(tempfile.mkdtemp(), "LAW.toml")
    >>> _ = path.write_text('law = "annealing"\\nL0 = 2.6\\nA = 0.6\\nalpha = 0.5\\nC = 0.4\\ndecay = 0.999')
    >>> load_law(path)
    Annealing(L0=2.6, A=0.6, alpha=0.5, C=0.4, decay=0.999)
    """
    data = Path(path).read_bytes()
    try:
        return law_from_dict(tomllib.loads(data.decode("utf-8")))
    except (ValueError, TypeError) as error:  # of TOML and UTF-8 too
        raise (TypeError if isinstance(error, TypeError) else ValueError)(f"{path}: {error}") from None


__all__ = ["LAWS", "Annealing", "Curve", "Floats", "Law", "MultiPower", "law_from_dict", "load_law"]
