"""simulation - what a schedule will do: loss laws, convergence bounds, and the schedule that a law likes best.

``import lrkernel`` does not load it. Predicting needs NumPy alone; fitting and searching need SciPy, the extra ``simulation``.
"""

from lrkernel.simulation.bounds import OptimalPeak, PowerLaw, kernel_sum, last_iterate_bound, optimal_peak
from lrkernel.simulation.laws import Annealing, Law, MultiPower, law_from_dict, load_law
from lrkernel.simulation.search import Optimum, optimize

__all__ = [
    "Annealing",
    "Law",
    "MultiPower",
    "OptimalPeak",
    "Optimum",
    "PowerLaw",
    "kernel_sum",
    "last_iterate_bound",
    "law_from_dict",
    "load_law",
    "optimal_peak",
    "optimize",
]
