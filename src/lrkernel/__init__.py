"""lrkernel - the learning-rate schedule as a compiled function of the step.

import lrkernel as lrk

schedule = lrk.warmup_cosine(peak=3e-4, warmup=2000, total=10_000_000, floor=3e-5)
schedule(12345)                # one step, a float
schedule.values(10_000_000)    # ten million, a float64 array; the same bits
"""

import os as _os

from . import builders as _builders
from . import named as _named
from . import shapes as _shapes
from ._core import LEVELS, SHAPES, use_level
from .batch import ScheduleBatch, sweep
from .builders import *  # noqa: F403
from .custom import shape
from .named import *  # noqa: F403
from .optimizer import update_optimizer
from .plan import Proportional
from .plateau import ReduceOnPlateau
from .schedule import Phase, Schedule, sequence
from .scheduler import Scheduler
from .shapes import *  # noqa: F403


def __getattr__(name: str) -> str:
    if name == "__version__":
        from importlib.metadata import version  # 20 ms that few need

        return version("lrkernel")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def get_include() -> str:
    """The directory of ``lrkernel.h``, of ``lrkernel.c``, the core for programs without Python, and of ``lrkernel_capi.h``.

    Examples
    --------
    >>> import lrkernel as lrk, pathlib
    >>> sorted(path.name for path in pathlib.Path(lrk.get_include()).iterdir())
    ['lrkernel.c', 'lrkernel.h', 'lrkernel_capi.h']
    """
    return _os.path.join(_os.path.dirname(__file__), "include")


if _level := _os.environ.get("LRKERNEL_LEVEL"):
    use_level(_level)

__all__ = [
    "LEVELS",
    "SHAPES",
    "Phase",
    "Proportional",
    "ReduceOnPlateau",
    "Schedule",
    "ScheduleBatch",
    "Scheduler",
    "get_include",
    "sequence",
    "shape",
    "sweep",
    "update_optimizer",
    "use_level",
]
__all__ += _builders.__all__
__all__ += _named.__all__
__all__ += _shapes.__all__
