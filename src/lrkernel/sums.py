"""sums - sums of a schedule's values over steps, and the functionals that are such sums.

Nothing here loops over steps, nor does what is called: the time grows with the segments.
"""

import math
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from ._arguments import LARGEST_STEP, Number, fraction, position, real, shown, steps_array, threads_of, whole
from ._core import SUMS, Table

if TYPE_CHECKING:
    from .schedule import Schedule

ALL_STEPS = 2**63
TO, BEFORE, FROM, DISCOUNTED, ANNEALING = range(len(SUMS))
WORK = 4096  # steps of a cumulative sum that take as long as one sum with a decay

# lrk_panel of sums.h, field by field.
PANEL = np.dtype(
    [
        ("first", "i8"),
        ("count", "i8"),
        ("nodes", "i4"),
        ("at", "f8", 16),
        ("weight", "f8", 16),
        ("value", "f8", 16),
        ("before", "f8", 16),
        ("drop", "f8", 16),
        ("sum", "f8"),
    ],
    align=True,
)


class Nodes(NamedTuple):
    """Few real steps that stand for the whole ones of a range in sums over them, as arrays of shape (n,).

    ``step``; ``weight``, how many steps each one stands for; ``value`` there; ``before``, the sum of the values of all steps
    before it; ``drop``, the value less that of the step before, 0 at step 0; ``after``, the sum of the values of all steps behind
    it, added up from the last one, so that it is relative where it goes to 0.
    """

    step: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float64]
    value: npt.NDArray[np.float64]
    before: npt.NDArray[np.float64]
    drop: npt.NDArray[np.float64]
    after: npt.NDArray[np.float64]


class Sums(Table):
    """The sums of a schedule; ``Schedule`` is the public face.

    Errors are relative to the sum of the magnitudes, so to the sum itself where the values have one sign, also where they go to
    0. Cycles, epochs and stairs of whole steps are multiplied, also times another curve, and cycles of k/1024 steps; those of other
    lengths are gone through one by one, as are cycles with a decay or to a power times a curve, and every step of a shape of your
    own; where a product of values of both signs may be below 0, so are its steps by `step_at` and for powers that are no whole
    numbers. Nothing else takes longer for more steps, and Ctrl-C ends what does.
    """

    def sum(self, a: Number, b: Number, power: Number = 1) -> float:
        """The sum of the values from step `a` to before step `b`: ``lr(a)^power + ... + lr(b - 1)^power``.

        Parameters
        ----------
        a, b : int
            Steps, 0 <= a <= b <= 2^63.
        power : float
            Of the values, > 0.

        Returns
        -------
        float
            Within 1e-14 of the exact sum, relative to that of the magnitudes.

        Raises
        ------
        ValueError
            For a range that is reversed or outside, a power that is not > 0, or one that is not whole where a value is below 0.
        TypeError
            For arguments that are no numbers.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.linear(4.0, 0.0, 4).sum(0, 4), lrk.linear(4.0, 0.0, 4).sum(2, 4, power=2)
        (10.0, 5.0)
        >>> lrk.linear(1.0, 0.0, 10**12).sum(10**12 - 3, 10**12)
        6e-12
        """
        exponent = real("power", power)
        if exponent <= 0.0:
            raise ValueError(f"power must be > 0, got {power!r}")
        parts = _range(a, b)
        for start, count in parts if not exponent.is_integer() else ():
            if (step := self._first_negative(start, count)) >= 0:
                raise ValueError(f"power must be whole where values are below 0, got {power!r} and {self(step)!r} at step {step}")
        return math.fsum(self._sum(start, count, exponent) for start, count in parts)

    def cumulative(self, steps: Any, inclusive: bool = True) -> Any:
        """The sum of the values from step 0 on, up to each step: ``lr(0) + ... + lr(t)``.

        Parameters
        ----------
        steps : int or array of ints
            In any order, 0 to 2^63 - 1.
        inclusive : bool
            Whether the step itself counts.

        Returns
        -------
        float, or float64 array of the shape of `steps`
            A step has the same bits alone and in an array.

        Raises
        ------
        ValueError, TypeError
            For steps that the schedule itself refuses, an `inclusive` that is no bool.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> schedule = lrk.linear(4.0, 0.0, 4)
        >>> schedule.cumulative(3), schedule.cumulative([0, 1, 10], inclusive=False)
        (10.0, array([ 0.,  4., 10.]))
        """
        if inclusive is not True and inclusive is not False:
            raise TypeError(f"inclusive must be a bool, got {shown(inclusive)}")
        if type(steps) is int and 0 <= steps <= LARGEST_STEP:
            return self._sum_to(steps if inclusive else steps - 1)
        return self._at_steps(TO if inclusive else BEFORE, steps)

    def remaining(self, steps: Any) -> Any:
        """The sum of the values from each step on, that one included, up to the length: ``lr(t) + ... + lr(length - 1)``.

        It is a sum of its own, not the total less what came before, so that its error is relative at the last steps too.

        Parameters
        ----------
        steps : int or array of ints
            In any order, 0 to 2^63 - 1.

        Returns
        -------
        float, or float64 array of the shape of `steps`
            0 from the length on.

        Raises
        ------
        ValueError
            For an open-ended schedule, or steps that the schedule itself refuses.
        TypeError
            For steps that are no integers.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.linear(4.0, 0.0, 4).remaining([0, 2, 3, 4])
        array([10.,  3.,  1.,  0.])
        """
        if self.length is None:
            raise ValueError("remaining needs a schedule with a length, got an open-ended one")
        return self._at_steps(FROM, steps)

    def step_at(self, S: Number) -> int:  # noqa: N803
        """The first step t with ``cumulative(t) >= S``.

        Parameters
        ----------
        S : float
            A sum of learning rates.

        Raises
        ------
        ValueError
            If no step reaches it, or none before the first value below 0.
        TypeError
            If it is no number.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.linear(4.0, 0.0, 4).step_at(7.0), lrk.linear(4.0, 0.0, 4).step_at(7.5)
        (1, 2)
        """
        budget = real("S", S)
        low, high = -1, 0  # the sum up to low is below, that up to high is not
        negative = self._first_negative(0, 1)
        while negative < 0 and (total := self._sum_to(high)) < budget:  # doubles: some sums go through every step up to there
            rest = LARGEST_STEP - high
            if rest:
                total += self._no_more_than(high + 1, rest) * rest
            if total < budget:
                raise ValueError(f"S must be at most the sum of all steps, which is <= {total!r}, got {S!r}")
            low, high = high, min(2 * high + 1, LARGEST_STEP)
            negative = self._first_negative(low + 1, high - low)
        if negative >= 0:
            high = negative - 1
            if high < 0 or self._sum_to(high) < budget:
                raise ValueError(f"step_at needs values >= 0 up to its step, got {self(negative)!r} at step {negative}")
        while high - low > 1:
            middle = (low + high) // 2
            if self._sum_to(middle) < budget:
                low = middle
            else:
                high = middle
        return high

    def scaled_to(self, sum: Number, steps: Number | None = None) -> "Schedule":
        """The schedule times the number that makes its first `steps` steps add up to `sum`: ``self * (sum / self.sum(0, steps))``.

        Parameters
        ----------
        sum : float
            The budget, not 0.
        steps : int, optional
            How many steps, 1 to 2^63; by default the length.

        Raises
        ------
        ValueError
            For an open-ended schedule without `steps`, a budget of 0, or steps that add up to 0 or to no finite number.
        TypeError
            For arguments that are no numbers.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.linear(4.0, 0.0, 4).scaled_to(sum=5.0).values(4)
        array([2. , 1.5, 1. , 0.5])
        """
        budget = real("sum", sum)
        if budget == 0.0:
            raise ValueError(f"sum must not be 0, got {sum!r}")
        if steps is None and self.length is None:
            raise ValueError("steps must be given for an open-ended schedule, got None")
        count = math.ceil(cast("float", self.length)) if steps is None else whole("steps", steps, 1)
        total = self.sum(0, count)
        if total == 0.0 or not math.isfinite(total) or not 0.0 < abs(budget / total) < math.inf:
            raise ValueError(f"steps must not add up to 0 nor past float64, got {count} that add up to {total!r}")
        return cast("Schedule", cast("Any", self) * (budget / total))

    def discounted(self, steps: Any, decay: Number) -> Any:
        """The sum of the values up to each step with older ones counting less: ``sum of decay^(t - k) lr(k), k = 0 .. t``.

        Parameters
        ----------
        steps : int or array of ints
            t, in any order, 0 to 2^63 - 1.
        decay : float
            Per step, 0 < decay < 1.

        Returns
        -------
        float, or float64 array of the shape of `steps`
            Within 1e-12 of the exact sum.

        Raises
        ------
        ValueError, TypeError
            For a decay outside (0, 1), or steps that the schedule itself refuses.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.constant(1.0).discounted([0, 1, 2], decay=0.5)
        array([1.  , 1.5 , 1.75])
        """
        return self._at_steps(DISCOUNTED, steps, fraction("decay", decay))

    def log_shrink(self, a: Number, b: Number, weight_decay: Number) -> float:
        """The logarithm of what decoupled weight decay leaves: ``sum of ln(1 - weight_decay lr(k)), k = a .. b - 1``.

        Parameters
        ----------
        a, b : int
            Steps, 0 <= a <= b <= 2^63.
        weight_decay : float
            With ``weight_decay * lr < 1`` at every step.

        Raises
        ------
        ValueError
            For a range that is reversed or outside, or a factor that is not > 0.
        TypeError
            For arguments that are no numbers.

        Examples
        --------
        >>> import lrkernel as lrk, math
        >>> math.exp(lrk.constant(0.5).log_shrink(0, 2, weight_decay=1.0))
        0.25

        References
        ----------
        Loshchilov and Hutter 2019, Decoupled Weight Decay Regularization.
        """
        rate = real("weight_decay", weight_decay)
        total = math.fsum(self._log_shrink(start, count, rate) for start, count in _range(a, b))
        if math.isnan(total):
            raise ValueError(f"weight_decay must keep 1 - weight_decay lr > 0, got {weight_decay!r}")
        return total

    def forward_area(self, steps: Any) -> Any:
        """S1 of the law with annealing, the area under the curve up to each step: ``lr(0) + ... + lr(t)``.

        Parameters
        ----------
        steps : int or array of ints
            t, in any order, 0 to 2^63 - 1.

        Returns
        -------
        float, or float64 array of the shape of `steps`

        Raises
        ------
        ValueError, TypeError
            For steps that the schedule itself refuses.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.linear(4.0, 0.0, 4).forward_area([0, 3])
        array([ 4., 10.])

        References
        ----------
        Tissue, Wang and Wang 2024, Scaling Law with Learning Rate Annealing. Its steps count from 1, these from 0.
        """
        return self.cumulative(steps)

    def annealing_area(self, steps: Any, decay: Number) -> Any:
        """S2 of the law with annealing: ``m(0) + ... + m(t)``, m(i) = decay m(i - 1) + lr(i - 1) - lr(i), m(0) = 0.

        That is the sum of ``decay^(t - k) (lr(0) - lr(k))``, computed so or from the falls of single steps, whichever the rounding
        of the values moves less. Early in a curve that rounding is what remains, relative to how far it has fallen.
        Rises are negative falls: behind a warm-up the area is below 0 until what has fallen since outweighs it.

        Parameters
        ----------
        steps : int or array of ints
            t, in any order, 0 to 2^63 - 1.
        decay : float
            Per step, 0 < decay < 1; the paper's is 0.999.

        Returns
        -------
        float, or float64 array of the shape of `steps`

        Raises
        ------
        ValueError, TypeError
            For a decay outside (0, 1), or steps that the schedule itself refuses.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.linear(4.0, 0.0, 4).annealing_area([0, 1, 2], decay=0.5)
        array([0. , 1. , 2.5])

        References
        ----------
        Tissue, Wang and Wang 2024, Scaling Law with Learning Rate Annealing.
        """
        return self._at_steps(ANNEALING, steps, fraction("decay", decay))

    def nodes(self, t: Number) -> Nodes:
        """Few real steps that stand for the steps 0 to `t` in sums over them, closer and closer together towards `t`.

        Any sum over the steps k <= t of a smooth function of the step, its value, the sum before it and its drop is, to about
        1e-12, the sum over the nodes of weight times that function: a polynomial of degree 31 exactly. Kernels may vary within a
        few steps of `t`.

        Parameters
        ----------
        t : int
            0 to 2^63 - 2.

        Returns
        -------
        Nodes
            A few hundred for curves with few segments; stairs, cycles and the steps of arrays have nodes of their own.

        Raises
        ------
        ValueError, TypeError
            For another `t`.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> nodes = lrk.cosine(1.0, 0.0, 10**7).nodes(10**7 - 1)
        >>> nodes.step.size < 1000, round(float(nodes.weight @ nodes.value), 6)
        (True, 5000000.5)
        """
        last = position("t", t)
        if last == LARGEST_STEP:
            raise ValueError(f"t must be < 2^63 - 1, got {shown(t)}")
        panels = np.frombuffer(self._panels(last + 1), PANEL)
        used = np.arange(PANEL["at"].shape[0]) < panels["nodes"][:, None]
        sums = np.concatenate([[0.0], np.add.accumulate(panels["sum"])[:-1]])
        behind = np.add.accumulate(panels["sum"][::-1])[::-1]
        own = np.add.accumulate(np.where(used, panels["value"], 0.0)[:, ::-1], axis=1)[:, ::-1]  # of panels of their own steps
        steps = (panels["count"] == panels["nodes"])[:, None]
        inside = np.where(
            steps,
            np.roll(own, -1, axis=1) * (np.arange(own.shape[1]) < own.shape[1] - 1),
            panels["sum"][:, None] - panels["before"] - panels["value"],
        )
        return Nodes(
            np.repeat(panels["first"], panels["nodes"]) + panels["at"][used],
            panels["weight"][used],
            panels["value"][used],
            np.repeat(sums, panels["nodes"]) + panels["before"][used],
            panels["drop"][used],
            (np.append(behind[1:], 0.0)[:, None] + inside)[used],
        )

    def _at_steps(self, what: int, steps: Any, decay: float = 0.0) -> Any:
        array = steps_array(steps)
        out = np.empty(array.shape)
        work = array.size * (WORK if what >= DISCOUNTED else 1)
        self._sums_at(what, decay, np.ascontiguousarray(array.reshape(-1)), out.reshape(-1), threads_of(None, work))
        return float(out) if array.ndim == 0 else out


def _range(a: object, b: object) -> list[tuple[int, int]]:
    """A range as first steps and counts that are int64."""
    start, stop = whole("a", a, 0), whole("b", b, 0)
    if stop > ALL_STEPS:
        raise ValueError(f"b must be <= 2^63, got {shown(b)}")
    if start > stop:
        raise ValueError(f"a must be <= b, got {shown(a)} > {shown(b)}")
    if start == stop:
        return []
    return [(start, stop - start)] if stop - start < ALL_STEPS else [(0, 1), (1, LARGEST_STEP)]
