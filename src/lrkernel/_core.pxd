"""_core - cimport face: one schedule as a C object, with no header to find."""

from libc.stdint cimport int64_t

cdef struct Asked:  # lrk_asked, whose header is not shipped
    int64_t since
    int64_t next
    void *block


cdef class Table:
    cdef readonly tuple rows
    cdef readonly object length
    cdef readonly int depth
    cdef void *vectorcall
    cdef void *segments
    cdef object values
    cdef const double *data
    cdef Asked asked
    cdef void *chart
    cdef Py_ssize_t root
    cdef Py_ssize_t total

    cdef double at(self, int64_t step) noexcept nogil
    cdef void fill(self, int64_t start, int64_t stride, int64_t count, double *out, int64_t gap=*) noexcept nogil
    cdef void fill_float(self, int64_t start, int64_t stride, int64_t count, float *out, int64_t gap=*) noexcept nogil


cdef class Cursor:
    cdef Table table
    cdef void *cursor

    cdef double at(self, int64_t step) noexcept nogil
