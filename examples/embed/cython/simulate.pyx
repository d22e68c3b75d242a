# cython: language_level=3, boundscheck=False, wraparound=False
"""simulate - training runs in loops without the GIL, their rate a schedule from Python."""

from cython.parallel cimport prange
from libc.stdint cimport int64_t
from lrkernel cimport Cursor, Table


def descend(Table schedule, double x, double curvature, int64_t steps):
    """Where gradient descent on a parabola ends: one step after the other, by a cursor."""
    cdef Cursor rate = Cursor(schedule)
    cdef int64_t step
    with nogil:
        for step in range(steps):
            x -= rate.at(step) * curvature * x
    return x


def total(Table schedule, int64_t steps):
    """The sum of the rates, by the table itself, which keeps some values ahead for who asks step by step."""
    cdef double found = 0.0
    cdef int64_t step
    with nogil:
        for step in range(steps):
            found += schedule.at(step)
    return found


def look_up(Table schedule, const int64_t[::1] steps, double[::1] out):
    """Steps in any order, in parallel: a table may be read by any number of threads."""
    cdef Py_ssize_t j
    for j in prange(steps.shape[0], nogil=True):
        out[j] = schedule.at(steps[j])


def descend_all(Table schedule, const double[::1] curvatures, int64_t steps, double[::1] out):
    """Many runs in parallel on the same rates, which are filled in once."""
    cdef double[::1] rates = _array(steps)
    cdef Py_ssize_t j
    with nogil:
        schedule.fill(0, 1, steps, &rates[0])
        for j in prange(curvatures.shape[0]):
            out[j] = _run(curvatures[j], steps, &rates[0])


cdef double _run(double curvature, int64_t steps, const double *rates) noexcept nogil:
    cdef double x = 1.0
    cdef int64_t step
    for step in range(steps):
        x -= rates[step] * curvature * x
    return x


def _array(int64_t size):
    from array import array

    return array("d", bytes(8 * size))
