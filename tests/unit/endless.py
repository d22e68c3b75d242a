"""endless - sums that would take years, each ended from within: run by test_sums.py in a process of its own."""

import _thread
import signal
import threading
from collections.abc import Callable

import numpy as np

import lrkernel as lrk
from lrkernel import simulation

SLOW = lrk.cosine(1.0, 0.0, 100.3).repeat() * lrk.linear(1.0, 0.5, 10**15)
FAR = 10**14
BATCH = lrk.ScheduleBatch([SLOW, 0.5 * SLOW, 0.25 * SLOW])
LAW = simulation.MultiPower(L0=3.0, A=0.5, alpha=0.5, B=300.0, C=2.0, beta=0.5, gamma=0.5)

CALLS: dict[str, Callable[[], object]] = {
    "sum": lambda: SLOW.sum(0, FAR),
    "sum of squares": lambda: SLOW.sum(0, FAR, 2),
    "sum of roots": lambda: SLOW.sum(0, FAR, 0.5),
    "cumulative": lambda: SLOW.cumulative(FAR),
    "cumulative, array": lambda: SLOW.cumulative([0, FAR]),
    "remaining": lambda: SLOW.cut(FAR).remaining(5),
    "step_at": lambda: SLOW.step_at(FAR / 10),
    "scaled_to": lambda: SLOW.scaled_to(1.0, FAR),
    "discounted": lambda: SLOW.discounted(FAR, 1.0 - 1e-14),
    "log_shrink": lambda: SLOW.log_shrink(0, FAR, 0.1),
    "annealing_area": lambda: SLOW.annealing_area(FAR, 0.999),
    "nodes": lambda: SLOW.nodes(FAR),
    "batch.sum": lambda: BATCH.sum(0, FAR, threads=1),
    "batch.sum, threads": lambda: BATCH.sum(0, FAR, threads=3),
    "batch.cumulative": lambda: BATCH.cumulative([FAR], threads=2),
    "batch.cumulative, many steps": lambda: BATCH.cumulative(FAR + np.arange(16), threads=1),
    "batch.cumulative, many steps, threads": lambda: BATCH.cumulative(FAR + np.arange(16), threads=3),
    "batch.remaining": lambda: lrk.ScheduleBatch([s.cut(FAR) for s in BATCH.schedules]).remaining(np.arange(16), threads=1),
    "batch.discounted": lambda: BATCH.discounted([FAR, FAR + 1], 1.0 - 1e-14),
    "batch.log_shrink": lambda: BATCH.log_shrink(0, FAR, 0.1),
    "law": lambda: LAW.predict(SLOW, FAR),
    "law, threads": lambda: LAW.predict(BATCH, [FAR, FAR + 1], threads=2),
    "bound": lambda: simulation.last_iterate_bound(SLOW, FAR),
    "kernel_sum": lambda: simulation.kernel_sum(SLOW, FAR, np.sqrt, np.exp),
}


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job begins without
    for name, call in CALLS.items():
        timer = threading.Timer(0.1, _thread.interrupt_main)
        timer.start()
        try:
            call()
        except KeyboardInterrupt:
            print(name, flush=True)
        timer.join()
    print(len(CALLS), SLOW.sum(0, 1000) == (2.0 * SLOW).sum(0, 1000) / 2.0, SLOW.cumulative(999) > 0.0)


if __name__ == "__main__":
    main()
