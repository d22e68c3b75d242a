# cython: language_level=3, boundscheck=False, initializedcheck=False, embedsignature=True
# cython: freethreading_compatible=True
"""_core - the compiled module: memory, buffers and the GIL around lrkernel.h; nothing numeric."""

from collections import namedtuple

from cpython.buffer cimport PyBUF_FORMAT, PyBUF_ND, PyBUF_STRIDES, PyBUF_WRITABLE
from cpython.exc cimport PyErr_CheckSignals, PyErr_Occurred
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.object cimport PyObject
from cpython.pycapsule cimport PyCapsule_New
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from libc.math cimport INFINITY, NAN
from libc.stdint cimport INT64_MAX, UINT64_MAX, int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

cdef extern from "lrkernel.h" nogil:
    enum: LRK_MAX_DEPTH
    ctypedef struct lrk_segment:
        int64_t begin
        double begin_part
        uint64_t end
        double end_part
        double start
        double stop
        double param
        double every
        int64_t child[2]
        int64_t count[2]
        int32_t shape
    ctypedef struct lrk_table:
        const lrk_segment *segments
        const double *values
        int64_t root
    ctypedef struct lrk_shape_info:
        int32_t id
        const char *name
        const char *kind
        double ulp
        const char *call
        const char *formula
    const char *lrk_prepare(lrk_segment *segment)
    double lrk_at(const lrk_table *table, int64_t step)
    enum: LRK_AHEAD
    ctypedef struct lrk_cursor:
        pass
    void lrk_cursor_begin(lrk_cursor *cursor, const lrk_table *table)
    double lrk_cursor_at(lrk_cursor *cursor, int64_t step)
    const char *lrk_table_measure(const void *data, size_t size, int64_t *rows, int64_t *values)
    const char *lrk_table_load(
        const void *data, size_t size, lrk_segment *segments, int64_t rows, double *values, int64_t count, lrk_table *table
    )
    double lrk_limit(const lrk_table *table, int64_t first, int64_t rows, int64_t whole, double part)
    void lrk_fill(const lrk_table *table, int64_t start, int64_t stride, int64_t count, double *out, int64_t gap)
    void lrk_fill_float(const lrk_table *table, int64_t start, int64_t stride, int64_t count, float *out, int64_t gap)
    void lrk_gather(const lrk_table *table, const int64_t *steps, int64_t count, double *out)
    ctypedef struct lrk_function:
        double (*plain)(double u) noexcept
        double (*with_data)(double u, void *data) noexcept
        void *data
        void (*many)(const double *u, int64_t n, double *g) noexcept
    double lrk_key(const char *name)
    const char *lrk_register(const char *name, const lrk_function *function)
    double lrk_sampled(double u, void *data)
    int lrk_level_count()
    const char *lrk_level_name(int level)
    bint lrk_level_runs(int level)
    int lrk_level()
    int lrk_use_level(int level)
    int lrk_shape_count()
    const lrk_shape_info *lrk_shape(int index)

cdef extern from "gather.h" nogil:
    ctypedef struct lrk_memo:
        pass
    ctypedef struct lrk_order:
        const void *steps
        int64_t count
        int size
    ctypedef struct lrk_extent:
        pass
    bint lrk_extent_of(const lrk_order *order, lrk_extent *extent)
    int64_t lrk_memo_bytes(const lrk_table *table, int64_t count, lrk_extent extent)
    const lrk_memo *lrk_memo_make(const lrk_table *table, int64_t count, lrk_extent extent, void *bytes)

cdef extern from "lrkernel_capi.h":
    enum: LRK_ABI
    const char *LRK_CAPSULE
    ctypedef struct lrk_capi:
        uint32_t abi
        uint32_t size
        int (*table)(object schedule, lrk_table *table) except -1
        double (*at)(const lrk_table *table, int64_t step) noexcept nogil
        void (*fill)(const lrk_table *, int64_t, int64_t, int64_t, double *, int64_t) noexcept nogil
        void (*fill_float)(const lrk_table *, int64_t, int64_t, int64_t, float *, int64_t) noexcept nogil
        void (*gather)(const lrk_table *table, const int64_t *steps, int64_t count, double *out) noexcept nogil
        void (*cursor_begin)(lrk_cursor *cursor, const lrk_table *table) noexcept nogil
        const char *(*register_shape)(const char *name, const lrk_function *function) noexcept nogil

cdef extern from "batch.h" nogil:
    ctypedef struct lrk_batch:
        const lrk_table *tables
        int64_t table_count
        const int64_t *first
        const int64_t *rows
        const lrk_order *order
        const lrk_memo *const *memos
        int *negative
        int64_t start
        int64_t stride
        int64_t count
        void *out
        int64_t row_gap
        int64_t gap
        size_t size
    void lrk_fill_batch(const lrk_batch *batch, int threads)

cdef extern from "ahead.h" nogil:
    ctypedef struct lrk_ahead:
        pass
    ctypedef struct lrk_asked:
        pass
    bint lrk_ahead_has(const lrk_asked *asked, int64_t step, double *value)
    bint lrk_ahead_wanted(lrk_asked *asked, int64_t step)
    bint lrk_ahead_kept(const lrk_asked *asked)
    bint lrk_ahead_keep(lrk_asked *asked, lrk_ahead *block)
    void lrk_ahead_fill(lrk_asked *asked, const lrk_table *table, int64_t step)

cdef extern from "sums.h" nogil:
    ctypedef struct lrk_panel:
        pass
    ctypedef struct lrk_tree:
        pass
    int64_t lrk_tree_room(int64_t count)
    void lrk_tree_make(lrk_tree *tree, const double *values, int64_t count, double *memory)
    double lrk_sum_with(const lrk_table *table, const lrk_tree *tree, int64_t start, int64_t count, double power)
    double lrk_log_shrink(const lrk_table *table, int64_t start, int64_t count, double weight_decay)
    double lrk_no_more_than(const lrk_table *table, int64_t start, int64_t count)
    int64_t lrk_first_negative(const lrk_table *table, int64_t start, int64_t count)

cdef extern from "charts.h" nogil:
    ctypedef struct lrk_mark:
        pass
    ctypedef struct lrk_chart:
        lrk_table table
        lrk_tree tree
        int64_t growing
        lrk_mark *block[1]
    enum:
        LRK_MARK_BLOCKS
    int64_t lrk_chart_bytes()
    void lrk_chart_begin(lrk_chart *chart)
    bint lrk_chart_reaches(const lrk_chart *chart, int64_t step, bint back)
    bint lrk_chart_grow(lrk_chart *chart, int64_t step, bint back)
    int64_t lrk_chart_lacks(const lrk_chart *chart)
    void lrk_chart_give(lrk_chart *chart, void *block)
    double lrk_cumulative(const lrk_chart *chart, int64_t last)
    bint lrk_cumulative_is_kept(const lrk_chart *chart, int64_t last)
    enum:
        LRK_SUM_TO
        LRK_SUM_BEFORE
        LRK_SUM_FROM
        LRK_SUM_DISCOUNTED
        LRK_SUM_ANNEALING

cdef extern from "batch.h" nogil:
    void lrk_sums_batch(
        const lrk_chart *chart, int what, double decay, const int64_t *steps, int64_t count, double *out, int threads
    )

cdef extern from "ahead.h" nogil:
    bint lrk_keep(void **place, void *made)
    bint lrk_claim(int64_t *claimed)
    void lrk_let_go(int64_t *claimed)
    void *LRK_ACQUIRE(void *place)

cdef extern from "patience.h" nogil:
    ctypedef struct lrk_patience:
        double asked
    void lrk_patience_begin(lrk_patience *patience, int (*lost)(lrk_patience *) noexcept nogil)
    int lrk_patience_end(lrk_patience *patience)
    int lrk_over(int work)

cdef extern from "pool.h" nogil:
    double lrk_nanoseconds()

cdef extern from "Python.h":
    int check_signals "PyErr_CheckSignals"() noexcept

if sizeof(Asked) != sizeof(lrk_asked):
    raise ImportError("lrk_asked of ahead.h and Asked of _core.pxd differ: rebuild lrkernel")

ctypedef fused step_type:
    int64_t
    int32_t

Shape = namedtuple("Shape", "id name kind ulp call formula")


def _shape(int index):
    cdef const lrk_shape_info *info = lrk_shape(index)
    return Shape(
        info.id, info.name.decode(), info.kind.decode(), info.ulp, info.call.decode(), info.formula.decode()
    )


SHAPES = tuple(_shape(index) for index in range(lrk_shape_count()))
LEVELS = tuple(lrk_level_name(level).decode() for level in range(lrk_level_count()))
SEGMENT_BYTES = sizeof(lrk_segment)
MAX_DEPTH = LRK_MAX_DEPTH - 1

cdef int64_t MEMOS = 1 << 25  # bytes: more than the last cache holds
cdef Py_ssize_t SHAPE_COUNT = len(SHAPES)
cdef int32_t HOLD = next(shape.id for shape in SHAPES if shape.name == "hold")
cdef int32_t CUSTOM = next(shape.id for shape in SHAPES if shape.name == "custom")
# Values of one piece of a fill; steps of each row at least, which is what a thread takes at a time.
cdef enum:
    PIECE = 1 << 24
    LEAST_RUN = 1 << 17
# Nanoseconds between two looks for Ctrl-C, for which the GIL is taken, in what takes long.
cdef double LOOK = 50e6


cdef int _lost(lrk_patience *patience) noexcept nogil:
    """Whether a signal's handler raised; that stays pending until `_end`."""
    cdef double now = lrk_nanoseconds()
    if patience.asked == 0.0:
        patience.asked = now
    if now - patience.asked < LOOK:
        return False
    patience.asked = now
    with gil:
        return check_signals() != 0


cdef inline void _begin(lrk_patience *patience) noexcept nogil:
    """What is computed up to `_end` may be ended by Ctrl-C."""
    lrk_patience_begin(patience, _lost)


cdef inline int _end(lrk_patience *patience) except -1:
    return -lrk_patience_end(patience)


def runnable_levels():
    """The names of the SIMD levels that this processor runs, lowest first."""
    return tuple(name for level, name in enumerate(LEVELS) if lrk_level_runs(level))


def level():
    """The name of the SIMD level in use."""
    return LEVELS[lrk_level()]


def use_level(name):
    """Force a SIMD level for the whole process, or pick the best one again.

    All levels give the same bits, so this changes speed alone. The environment variable ``LRKERNEL_LEVEL`` does the same at import.

    Parameters
    ----------
    name : str or None
        One of ``LEVELS``, or ``None`` for the best level that this processor runs.

    Raises
    ------
    ValueError
        If the core has no such level or the processor cannot run it.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> lrk.use_level("baseline")
    >>> lrk.use_level(None)
    """
    if name is not None and not isinstance(name, str):
        raise TypeError(f"level must be a string or None, got {name!r}")
    if name is not None and name not in runnable_levels():
        raise ValueError(f"level must be one that this processor runs ({', '.join(runnable_levels())}), got {name!r}")
    lrk_use_level(-1 if name is None else LEVELS.index(name))


cdef class _Segments:
    """The rows of a table as a read-only buffer of bytes that keeps the table alive."""

    cdef Table table
    cdef Py_ssize_t size

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        if flags & PyBUF_WRITABLE:
            raise BufferError("a schedule is immutable")
        self.size = self.table.total * sizeof(lrk_segment)
        buffer.buf = self.table.segments
        buffer.obj = self
        buffer.len = self.size
        buffer.itemsize = 1
        buffer.readonly = 1
        buffer.ndim = 1
        buffer.format = NULL
        if flags & PyBUF_FORMAT:
            buffer.format = "B"
        buffer.shape = NULL
        if flags & PyBUF_ND:
            buffer.shape = &self.size
        buffer.strides = NULL
        if flags & PyBUF_STRIDES == PyBUF_STRIDES:
            buffer.strides = &buffer.itemsize
        buffer.suboffsets = NULL
        buffer.internal = NULL


cdef class Table:
    """Rows lowered to compiled segments. ``Schedule`` is the public face.

    A row is a tuple ``(shape, begin, end, start, stop, param, every, children, label)``. Boundaries are an int or a float, ``end``
    is None where the formula has none; ``children`` holds the tables of a node or the array of the shape ``values``. A finite table
    ends with a row of the shape ``hold``, whose start is None where it is the limit from the left.
    """

    def __cinit__(self, tuple rows):
        cdef Table child
        cdef Py_ssize_t j, offset
        cdef const double[::1] view
        self.vectorcall = <void *> <vectorcallfunc> _call
        if not rows:
            raise ValueError("rows must not be empty")
        self.rows = rows
        self.root = self.total = len(rows)
        values = []
        for row in rows:
            if not isinstance(row, tuple) or PyTuple_GET_SIZE(row) != 9:
                raise TypeError(f"rows must be tuples of nine fields, got {row!r}")
            children = <object> PyTuple_GET_ITEM(row, 7)
            if not isinstance(children, tuple) or PyTuple_GET_SIZE(children) > 2:
                raise TypeError(f"rows must be tuples of nine fields, got {row!r}")
            for part in <tuple> children:
                if isinstance(part, Table):
                    child = part
                    self.total += child.total
                    self.depth = max(self.depth, child.depth + 1)
                    if child.values is not None:
                        values.append(child.values)
                else:
                    values.append(part)
        if self.depth > MAX_DEPTH:
            raise ValueError(f"nesting depth must be <= {MAX_DEPTH}, got {self.depth}")
        if values:
            self.values = values[0] if len(values) == 1 else _joined(values)
            view = self.values
            self.data = &view[0]

        self.segments = calloc(self.total, sizeof(lrk_segment))
        if self.segments == NULL:
            raise MemoryError
        offset = self.root
        cdef int64_t values_offset = 0
        for j in range(self.root):
            _set_row(self, j, rows[j], &offset, &values_offset)
        if (<lrk_segment *> self.segments)[self.root - 1].shape == HOLD:
            self.length = <object> PyTuple_GET_ITEM(rows[-1], 1)

    def __dealloc__(self):
        free(self.segments)
        free(self.asked.block)
        _free_chart(<lrk_chart *> self.chart)

    cdef double at(self, int64_t step) noexcept nogil:
        return _at_next(self, step) if step >= 0 else NAN

    cdef void fill(self, int64_t start, int64_t stride, int64_t count, double *out, int64_t gap=1) noexcept nogil:
        cdef lrk_table table = _table(self)
        lrk_fill(&table, start, stride, count, out, gap)

    cdef void fill_float(self, int64_t start, int64_t stride, int64_t count, float *out, int64_t gap=1) noexcept nogil:
        cdef lrk_table table = _table(self)
        lrk_fill_float(&table, start, stride, count, out, gap)

    def __call__(self, step):
        return _value(self, <PyObject *> step)

    def _evaluate(self, step):
        """All but a Python int in range; ``Schedule`` takes arrays and names what is wrong."""
        raise TypeError(f"step must be an int from 0 to 2^63 - 1, got {step!r}")

    def _fill_double(self, int64_t start, int64_t stride, double[:] out, int threads):
        """Write the steps start, start + stride, ... to a float64 buffer; they are valid int64 steps."""
        cdef lrk_table table = _table(self)
        cdef lrk_batch batch
        if out.shape[0]:
            batch = _batch(&table, 1, start, stride, out.shape[0], &out[0], 0, out.strides[0], sizeof(double))
            _fill(&batch, threads)

    def _fill_single(self, int64_t start, int64_t stride, float[:] out, int threads):
        """The same to a float32 buffer."""
        cdef lrk_table table = _table(self)
        cdef lrk_batch batch
        if out.shape[0]:
            batch = _batch(&table, 1, start, stride, out.shape[0], &out[0], 0, out.strides[0], sizeof(float))
            _fill(&batch, threads)

    def _gather(self, const step_type[::1] steps, double[::1] out, int threads):
        """Write the values of steps in any order; False where one is negative."""
        cdef lrk_table table = _table(self)
        cdef lrk_order order
        cdef lrk_batch batch
        cdef int negative = 0
        if out.shape[0] != steps.shape[0]:
            raise ValueError(f"out must have {steps.shape[0]} values, got {out.shape[0]}")
        if out.shape[0]:
            order.steps = &steps[0]
            order.count = steps.shape[0]
            order.size = sizeof(step_type)
            batch = _batch(&table, 1, 0, 1, out.shape[0], &out[0], 0, sizeof(double), sizeof(double))
            batch.order = &order
            batch.negative = &negative
            _gather_batch(&batch, threads)
        return negative == 0

    def _sum(self, int64_t start, int64_t count, double power):
        """The sum of the values to a power, of `count` steps; NaN where that is no number."""
        cdef lrk_table table = _table(self)
        cdef lrk_chart *chart = NULL
        cdef lrk_patience patience
        cdef double found
        if self.values is not None:
            chart = _chart(self, -1, False)
        _begin(&patience)
        with nogil:
            found = lrk_sum_with(&table, NULL if chart == NULL else &chart.tree, start, count, power)
            if chart != NULL:
                _leave(self, chart)
        _end(&patience)
        return found

    def _log_shrink(self, int64_t start, int64_t count, double weight_decay):
        """The sum of ln(1 - weight_decay value) over `count` steps; NaN where that is no number."""
        cdef lrk_table table = _table(self)
        cdef lrk_patience patience
        cdef double found
        _begin(&patience)
        with nogil:
            found = lrk_log_shrink(&table, start, count, weight_decay)
        _end(&patience)
        return found

    def _no_more_than(self, int64_t start, int64_t count):
        """What none of `count` >= 1 values exceeds."""
        cdef lrk_table table = _table(self)
        cdef lrk_patience patience
        cdef double found
        _begin(&patience)
        with nogil:
            found = lrk_no_more_than(&table, start, count)
        _end(&patience)
        return found

    def _first_negative(self, int64_t start, int64_t count):
        """The first of `count` >= 1 steps whose value is below 0, or -1."""
        cdef lrk_table table = _table(self)
        cdef lrk_patience patience
        cdef int64_t found
        _begin(&patience)
        with nogil:
            found = lrk_first_negative(&table, start, count)
        _end(&patience)
        return found

    def _sum_to(self, int64_t last):
        """The sum of the steps 0 to last. Letting go of the GIL takes as long as a sum that is kept."""
        cdef lrk_chart *chart = <lrk_chart *> LRK_ACQUIRE(self.chart)
        cdef lrk_patience patience
        cdef double found
        if chart != NULL and lrk_cumulative_is_kept(chart, last):
            return lrk_cumulative(chart, last)
        chart = _chart(self, last, False)
        _begin(&patience)
        with nogil:
            found = lrk_cumulative(chart, last)
            _leave(self, chart)
        _end(&patience)
        return found

    def _sums_at(self, int what, double decay, const int64_t[::1] steps, double[::1] out, int threads):
        """Write a sum of SUMS for each step."""
        cdef lrk_chart *chart
        cdef lrk_patience patience
        if out.shape[0] != steps.shape[0]:
            raise ValueError(f"out must have {steps.shape[0]} values, got {out.shape[0]}")
        if out.shape[0]:
            chart = _chart(self, _furthest(what, &steps[0], steps.shape[0]), what == LRK_SUM_FROM)
            _begin(&patience)
            with nogil:
                lrk_sums_batch(chart, what, decay, &steps[0], steps.shape[0], &out[0], threads)
                _leave(self, chart)
            _end(&patience)

    def _panels(self, int64_t stop):
        """The panels of lrk_panels_back as bytes."""
        cdef lrk_table table = _table(self)
        cdef lrk_patience patience
        cdef lrk_panel *panels = NULL
        cdef int64_t count, room = 64
        try:
            while True:
                free(panels)
                panels = <lrk_panel *> malloc(room * sizeof(lrk_panel))
                if panels == NULL:
                    raise MemoryError
                _begin(&patience)
                with nogil:
                    count = lrk_panels_back(&table, stop, panels, room)
                _end(&patience)
                if count <= room:
                    return (<const char *> panels)[:count * sizeof(lrk_panel)]
                room = count
        finally:
            free(panels)

    def _segment_bytes(self):
        """The compiled rows, sub-tables included, as a read-only buffer."""
        cdef _Segments view = _Segments.__new__(_Segments)
        view.table = self
        return view


# ---- calls ----
# By the slot __call__ alone a call packs its argument into a tuple first: 2.6 instead of 1.25 times a math.cos(x) for a constant.
# Cython has no vectorcall for its classes, so the type gets it after it is made, as PEP 590 asks: an offset and a flag.

cdef extern from "Python.h":
    ctypedef PyObject *(*vectorcallfunc)(PyObject *, PyObject *const *, size_t, PyObject *)
    ctypedef struct PyTypeObject:
        Py_ssize_t tp_vectorcall_offset
        unsigned long tp_flags
        object (*tp_call)(object, object, object)
    enum:
        Py_TPFLAGS_HAVE_VECTORCALL
    Py_ssize_t PyVectorcall_NARGS(size_t) noexcept
    bint PyLong_CheckExact(PyObject *) noexcept
    long long PyLong_AsLongLongAndOverflow(PyObject *, int *) except? -1


cdef inline object _value(Table self, PyObject *step):
    cdef int overflow
    cdef int64_t whole
    if PyLong_CheckExact(step):
        whole = PyLong_AsLongLongAndOverflow(step, &overflow)  # -1 too where it overflows
        if whole >= 0:
            return _at_next(self, whole)
    return self._evaluate(<object> step)


cdef object _call(object self, PyObject *const *arguments, size_t count, PyObject *names):
    cdef Py_ssize_t j, given = PyVectorcall_NARGS(count)
    if given == 1 and names == NULL:
        return _value(<Table> self, arguments[0])
    positional = tuple([<object> arguments[j] for j in range(given)])
    named = {} if names == NULL else {name: <object> arguments[given + j] for j, name in enumerate(<tuple> names)}
    return (<PyTypeObject *> Table).tp_call(self, positional, named)


cdef void _take_vectorcalls(PyTypeObject *kind) noexcept:
    cdef Table some = Table(((HOLD, 0, None, 0.0, 0.0, 0.0, 0.0, (), None),))
    kind.tp_vectorcall_offset = <char *> &some.vectorcall - <char *> <PyObject *> some
    kind.tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL


_take_vectorcalls(<PyTypeObject *> Table)


def inherit_calls(kind):
    """Calls of a subclass of ``Table`` without its own ``__call__``: before Python 3.12 classes do not inherit the flag."""
    (<PyTypeObject *> kind).tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL


cdef inline lrk_table _table(Table self) noexcept nogil:
    cdef lrk_table table
    table.segments = <const lrk_segment *> self.segments
    table.values = self.data
    table.root = self.root
    return table


# What _sums_at gives, in its numbers.
SUMS = ("to", "before", "from", "discounted", "annealing")
assert (LRK_SUM_TO, LRK_SUM_BEFORE, LRK_SUM_FROM, LRK_SUM_DISCOUNTED, LRK_SUM_ANNEALING) == tuple(range(len(SUMS)))


cdef int64_t _furthest(int what, const int64_t *steps, int64_t count) noexcept nogil:
    """Up to where a chart must go for sums at steps, of which those with a decay have no use for it."""
    cdef int64_t j, last = -1
    if what <= LRK_SUM_FROM:
        for j in range(count):
            last = max(last, steps[j])
    return last


cdef lrk_chart *_chart(Table self, int64_t step, bint back) except NULL:
    """The sums up to each panel, or from it on, as far as a step, for `_leave`: those of the table or, where another thread is
    making them, others.
    """
    cdef lrk_chart *chart = <lrk_chart *> LRK_ACQUIRE(self.chart)
    cdef lrk_table table
    cdef lrk_patience patience
    cdef int64_t values
    cdef bint mine, grown = False
    if chart != NULL and lrk_chart_reaches(chart, step, back):
        return chart
    table = _table(self)
    values = 0 if self.values is None else len(self.values)
    if chart == NULL:
        chart = _new_chart(&table, values)
        if chart == NULL:
            raise MemoryError
        if not lrk_keep(&self.chart, chart):
            _free_chart(chart)
            chart = <lrk_chart *> LRK_ACQUIRE(self.chart)
    mine = lrk_claim(&chart.growing)
    _begin(&patience)
    with nogil:
        if not mine:
            chart = _new_chart(&table, values)
        if chart != NULL:
            grown = _grow(chart, step, back)
        if mine:
            lrk_let_go(&chart.growing)
    try:
        _end(&patience)
        if not grown:
            raise MemoryError
    except BaseException:
        if chart != NULL:
            _leave(self, chart)
        raise
    return chart


cdef inline void _leave(Table self, lrk_chart *chart) noexcept nogil:
    if chart != self.chart:
        _free_chart(chart)


cdef lrk_chart *_new_chart(const lrk_table *table, int64_t values) noexcept nogil:
    """The chart of a table whose arrays have so many values, without marks; NULL where there is no memory."""
    cdef lrk_chart *chart = <lrk_chart *> calloc(1, lrk_chart_bytes() + lrk_tree_room(values) * sizeof(double))
    if chart != NULL:
        chart.table = table[0]
        if values:
            lrk_tree_make(&chart.tree, table.values, values, <double *> (<char *> chart + lrk_chart_bytes()))
        lrk_chart_begin(chart)
    return chart


cdef bint _grow(lrk_chart *chart, int64_t step, bint back) noexcept nogil:
    """False where there is no memory."""
    cdef void *block
    while not lrk_chart_grow(chart, step, back):
        block = malloc(lrk_chart_lacks(chart) * sizeof(lrk_mark))
        if block == NULL:
            return False
        lrk_chart_give(chart, block)
    return True


cdef void _free_chart(lrk_chart *chart) noexcept nogil:
    cdef int k
    if chart != NULL:
        for k in range(LRK_MARK_BLOCKS):
            free(chart.block[k])
        free(chart)


cdef inline double _at_next(Table self, int64_t step) noexcept nogil:
    """A value, out of the block ahead where steps are asked one by one."""
    cdef double value
    cdef lrk_table table
    if lrk_ahead_has(<const lrk_asked *> &self.asked, step, &value):
        return value
    if lrk_ahead_wanted(<lrk_asked *> &self.asked, step):
        _fill_ahead(self, step)
    table = _table(self)
    return lrk_at(&table, step)


cdef void _fill_ahead(Table self, int64_t step) noexcept nogil:
    cdef lrk_asked *asked = <lrk_asked *> &self.asked
    cdef lrk_table table = _table(self)
    cdef void *block
    if not lrk_ahead_kept(asked):
        block = calloc(1, sizeof(lrk_ahead))
        if block == NULL:
            return
        if not lrk_ahead_keep(asked, <lrk_ahead *> block):
            free(block)
    lrk_ahead_fill(asked, &table, step)


cdef lrk_batch _batch(
    const lrk_table *tables, int64_t table_count, int64_t start, int64_t stride, int64_t count,
    void *out, Py_ssize_t row_bytes, Py_ssize_t step_bytes, size_t size,
) noexcept nogil:
    """A range of steps of tables that fill one row each; the distances in bytes are multiples of the size of a value."""
    cdef lrk_batch batch
    batch.tables = tables
    batch.table_count = table_count
    batch.first = batch.rows = NULL
    batch.order = NULL
    batch.memos = NULL
    batch.negative = NULL
    batch.start = start
    batch.stride = stride
    batch.count = count
    batch.out = out
    batch.row_gap = row_bytes // <Py_ssize_t> size
    batch.gap = step_bytes // <Py_ssize_t> size
    batch.size = size
    return batch


cdef int _gather_batch(const lrk_batch *whole, int threads) except -1:
    """Steps in any order, with memos of as many tables at a time as some memory holds; slower without them, no more."""
    cdef lrk_batch batch = whole[0]
    cdef lrk_extent extent
    cdef const lrk_memo *memos[64]
    cdef void *memory
    cdef int64_t first = 0, k, size, used, left
    if not lrk_extent_of(batch.order, &extent):
        return _fill(&batch, threads)
    batch.memos = memos
    while first < whole.table_count:
        left = whole.table_count - first
        used = k = 0
        with nogil:
            while k < left and k < 64 and used < MEMOS:
                memos[k] = NULL
                size = lrk_memo_bytes(whole.tables + first + k, batch.order.count, extent)
                memory = malloc(size) if size else NULL
                if memory != NULL:
                    memos[k] = lrk_memo_make(whole.tables + first + k, batch.order.count, extent, memory)
                used += size
                k += 1
        batch.tables = whole.tables + first
        batch.table_count = k
        if whole.first == NULL:
            batch.out = <char *> whole.out + first * whole.row_gap * <int64_t> whole.size
        else:
            batch.first = whole.first + first
        first += k
        try:
            _fill(&batch, threads)
        finally:
            while k:
                k -= 1
                free(<void *> memos[k])
    return 0


cdef int _fill(const lrk_batch *batch, int threads) except -1:
    """``lrk_fill_batch`` without the GIL, in pieces of some milliseconds: Ctrl-C is heard between two of them.

    Those of many rows take longer, and those of slow functions of one's own: Ctrl-C is heard in them too.
    """
    cdef lrk_batch piece = batch[0]
    cdef lrk_order order
    cdef lrk_patience patience
    cdef int64_t rows = batch.table_count if batch.first == NULL else batch.first[batch.table_count] - batch.first[0]
    cdef int64_t left = batch.count, most = max(PIECE // rows, LEAST_RUN)
    while True:
        piece.count = min(left, most)
        _begin(&patience)
        with nogil:
            lrk_fill_batch(&piece, threads)
        _end(&patience)
        left -= piece.count
        if left == 0:
            return 0
        PyErr_CheckSignals()
        piece.start += piece.count * piece.stride
        piece.out = <char *> piece.out + piece.count * piece.gap * <int64_t> piece.size
        if piece.order != NULL:
            order = piece.order[0]
            order.steps = <const char *> order.steps + piece.count * order.size
            piece.order = &order


cdef int _set_row(Table self, Py_ssize_t index, object row, Py_ssize_t *offset, int64_t *values_offset) except -1:
    cdef lrk_segment *s = <lrk_segment *> self.segments + index
    cdef Table child
    cdef Py_ssize_t k = 0
    cdef const char *broken
    cdef lrk_table table
    # By position: a named tuple unpacks by calls of Python's, half of the time that a row took.
    shape, begin, end = <object> PyTuple_GET_ITEM(row, 0), <object> PyTuple_GET_ITEM(row, 1), <object> PyTuple_GET_ITEM(row, 2)
    start = <object> PyTuple_GET_ITEM(row, 3)
    if not 0 <= <Py_ssize_t> shape < SHAPE_COUNT or (start is None and <Py_ssize_t> shape != HOLD):
        raise ValueError(f"shape must be a known id and start a number, got {shape!r}, {start!r}")
    s.shape = shape
    if not _is_whole(begin, <uint64_t *> &s.begin, &s.begin_part):
        if not 0 <= begin <= INT64_MAX:
            raise ValueError(f"boundaries must be >= 0 and < 2^63, got {begin!r}")
        _split(begin, <uint64_t *> &s.begin, &s.begin_part)
    if end is None:
        s.end_part = INFINITY
    elif not _is_whole(end, &s.end, &s.end_part):
        _split(end, &s.end, &s.end_part)
    if start is None:  # the hold of a limit
        table = _table(self)
        s.start = lrk_limit(&table, 0, index, s.begin, s.begin_part) if index and s.begin >= 0 else 0.0
    else:
        s.start = start
    if s.shape == HOLD:
        s.stop = s.start
    else:
        s.stop = <object> PyTuple_GET_ITEM(row, 4)
    s.param = <object> PyTuple_GET_ITEM(row, 5)
    s.every = <object> PyTuple_GET_ITEM(row, 6)
    for part in <tuple> PyTuple_GET_ITEM(row, 7):
        if isinstance(part, Table):
            child = part
            s.child[k] = offset[0]
            s.count[k] = child.root
            _adopt(self, child, offset, values_offset)
        else:
            s.child[k] = values_offset[0]
            s.count[k] = len(part)
            values_offset[0] += len(part)
        k += 1
    broken = lrk_prepare(s)
    if broken != NULL:
        raise ValueError(f"{broken.decode()} (row {index}, {SHAPES[s.shape].name})")
    return 0


cdef int _adopt(Table self, Table child, Py_ssize_t *offset, int64_t *values_offset) except -1:
    """Copy the rows of a sub-table behind the others and point its own nodes there."""
    cdef lrk_segment *to = <lrk_segment *> self.segments + offset[0]
    cdef Py_ssize_t j
    cdef int k
    memcpy(to, child.segments, child.total * sizeof(lrk_segment))
    for j in range(child.total):
        if SHAPES[to[j].shape].kind == "node":
            for k in range(2):
                to[j].child[k] += offset[0]
        else:
            to[j].child[0] += values_offset[0]
    offset[0] += child.total
    if child.values is not None:
        values_offset[0] += len(child.values)
    return 0


cdef bint _is_whole(object boundary, uint64_t *whole, double *part) except -1:
    """Whether a boundary is an int from 0 to INT64_MAX, as nearly all are; it is split then."""
    cdef int overflow
    cdef int64_t value
    if not PyLong_CheckExact(<PyObject *> boundary):
        return False
    value = PyLong_AsLongLongAndOverflow(<PyObject *> boundary, &overflow)  # -1 too where it overflows
    if value < 0:
        return False
    whole[0] = value
    part[0] = 0.0
    return True


cdef int _split(boundary, uint64_t *whole, double *part) except -1:
    """An int or float boundary >= 0 as whole + part; what exceeds uint64 goes to the part."""
    if type(boundary) is int or boundary >= 2.0**63:
        if boundary > UINT64_MAX:
            whole[0] = UINT64_MAX
            part[0] = boundary - UINT64_MAX
        else:
            whole[0] = boundary
            part[0] = 0.0
    else:
        whole[0] = <uint64_t> (<double> boundary)
        part[0] = <double> boundary - <double> whole[0]
    return 0


cdef object _joined(list arrays):
    """One contiguous float64 buffer of several."""
    import numpy

    return numpy.concatenate(arrays)


# ---- for other languages ----

cdef class Cursor:
    """A position in a schedule that remembers values of steps ahead: ``at(step)``, from Cython and without the GIL.

    ``at(step)`` is ``schedule(step)``, and NaN for a negative step. For loops over the steps, with a memory of its own that no
    other thread disturbs; any other order gives the same values. Two threads must not ask one cursor at a time.

    Parameters
    ----------
    table : Schedule
        What is evaluated; kept alive.

    Raises
    ------
    TypeError
        For anything else.

    Examples
    --------
    In Cython ``from lrkernel cimport Cursor``, ``cdef Cursor cursor = Cursor(schedule)``, and in a loop ``cursor.at(step)``.

    >>> import lrkernel as lrk
    >>> cursor = lrk._core.Cursor(lrk.linear(1.0, 0.0, 4))
    >>> lrk._core.Cursor(0.5)
    Traceback (most recent call last):
    TypeError: Argument 'table' has incorrect type (expected lrkernel._core.Table, got float)
    """

    def __cinit__(self, Table table not None):
        cdef lrk_table found = _table(table)
        self.table = table
        self.cursor = malloc(sizeof(lrk_cursor))
        if self.cursor == NULL:
            raise MemoryError
        lrk_cursor_begin(<lrk_cursor *> self.cursor, &found)

    def __dealloc__(self):
        free(self.cursor)

    cdef double at(self, int64_t step) noexcept nogil:
        return lrk_cursor_at(<lrk_cursor *> self.cursor, step)


cdef int _table_of(object schedule, lrk_table *table) except -1:
    if not isinstance(schedule, Table):
        raise TypeError(f"schedule must be a Schedule, got {type(schedule).__name__}")
    table[0] = _table(<Table> schedule)
    return 0


cdef lrk_capi _capi = lrk_capi(
    LRK_ABI, sizeof(lrk_capi), _table_of, lrk_at, lrk_fill, lrk_fill_float, lrk_gather, lrk_cursor_begin, lrk_register
)
C_API = PyCapsule_New(&_capi, LRK_CAPSULE, NULL)


cdef extern from *:
    """
    #ifdef _MSC_VER
    #include <intrin.h>
    #define LRK_COUNT(x) _InterlockedIncrement64(&(x))
    #else
    #define LRK_COUNT(x) __atomic_add_fetch(&(x), 1, __ATOMIC_RELAXED)
    #endif
    """
    int64_t LRK_COUNT(int64_t x) noexcept

cdef int64_t _loans = 0

cdef struct Loan:
    lrk_table table
    int64_t number


cdef int _lend(object schedule, Loan *loan) except -1:
    """What code that is compiled at run time needs of a schedule while it holds a reference to it.

    The number is never the same twice: a table's address may come again after it.
    """
    _table_of(schedule, &loan.table)
    loan.number = LRK_COUNT(_loans)
    return 0


CURSOR_VALUES = LRK_AHEAD
# Name and address of what such code calls; by their names its callers can be kept on disk.
SYMBOLS = {
    "lrk_at": <size_t> &lrk_at,
    "lrk_fill": <size_t> &lrk_fill,
    "lrk_fill_float": <size_t> &lrk_fill_float,
    "lrk_gather": <size_t> &lrk_gather,
    "lrk_cursor_begin": <size_t> &lrk_cursor_begin,
    "lrk_sampled": <size_t> &lrk_sampled,
    "lrkernel_lend": <size_t> &_lend,
}


def key_of(str name not None):
    """What rows hold of the name of a registered shape."""
    return lrk_key(name.encode())


def register_shape(str name not None, size_t plain, size_t with_data, size_t data, size_t many):
    """Register a shape by the addresses of its functions, 0 for none, which must stay; one thread at a time."""
    cdef lrk_function function
    function.plain = <double (*)(double) noexcept nogil> plain
    function.with_data = <double (*)(double, void *) noexcept nogil> with_data
    function.data = <void *> data
    function.many = <void (*)(const double *, int64_t, double *) noexcept nogil> many
    cdef const char *broken = lrk_register(name.encode(), &function)
    if broken != NULL:
        raise ValueError(f"{broken.decode()}, got {name!r}")


def is_registered(double key):
    """Whether a shape is registered under the key of its name, from whatever language."""
    cdef lrk_segment row
    memset(&row, 0, sizeof(row))
    row.shape = CUSTOM
    row.end = 1
    row.start = 1.0
    row.param = key
    return lrk_prepare(&row) == NULL


def broken_rule(bytes data not None):
    """The first rule of lrk_table_load that bytes break, or None."""
    cdef int64_t rows, count
    cdef lrk_segment *segments = NULL
    cdef double *values = NULL
    cdef lrk_table table
    cdef const char *start = data
    cdef size_t size = len(data)
    cdef const char *broken = lrk_table_measure(start, size, &rows, &count)
    if broken == NULL:
        segments = <lrk_segment *> calloc(rows + 1, sizeof(lrk_segment))
        values = <double *> calloc(count + 1, sizeof(double))
        try:
            if segments == NULL or values == NULL:
                raise MemoryError
            with nogil:
                broken = lrk_table_load(start, size, segments, rows, values, count, &table)
        finally:
            free(segments)
            free(values)
    return None if broken == NULL else broken.decode()


# ---- many tables ----

cdef extern from "sums.h" nogil:
    void lrk_sums_at(const lrk_chart *chart, int what, double decay, const int64_t *steps, int64_t count, double *out)

cdef extern from "pool.h" nogil:
    ctypedef void lrk_work(const void *job, int64_t first, int64_t end) noexcept
    void lrk_share(lrk_work *work, const void *job, int64_t pieces, int threads)

cdef enum:
    POWER = -2  # of values, over a range; what else is summed is one of SUMS
    SHRINK = -1

cdef struct RowSums:
    const lrk_table *table
    const int64_t *values  # in the arrays of each table
    const int64_t *first  # as in lrk_batch
    const int64_t *rows
    int what
    double number  # power, weight decay or decay
    int64_t start
    const int64_t *steps  # those asked for one by one, or NULL
    int64_t count  # of them, or of the range
    int64_t furthest
    double *out
    bint *lacked_memory


cdef void _sum_rows(const void *shared, int64_t first, int64_t end) noexcept nogil:
    cdef int64_t k
    for k in range(first, end):
        if lrk_over(0):
            return
        _sum_row(<const RowSums *> shared, k)


cdef void _sum_row(const RowSums *job, int64_t k) noexcept nogil:
    """The sums of one table for all of its rows."""
    cdef const lrk_table *table = job.table + k
    cdef int64_t width = job.count if job.steps != NULL else 1
    cdef double *out = job.out + job.rows[job.first[k]] * width
    cdef int64_t j
    cdef lrk_chart *chart
    cdef lrk_chart bare
    if job.what == SHRINK:
        out[0] = lrk_log_shrink(table, job.start, job.count, job.number)
    elif job.what == POWER and not job.values[k]:
        out[0] = lrk_sum_with(table, NULL, job.start, job.count, job.number)
    elif job.what > LRK_SUM_FROM:  # of the table alone
        memset(&bare, 0, sizeof(bare))
        bare.table = table[0]
        lrk_sums_at(&bare, job.what, job.number, job.steps, job.count, out)
    else:
        chart = _new_chart(table, job.values[k])
        if chart == NULL:
            job.lacked_memory[0] = True
            return
        if job.what == POWER:
            out[0] = lrk_sum_with(table, &chart.tree, job.start, job.count, job.number)
        elif _grow(chart, job.furthest, job.what == LRK_SUM_FROM):
            lrk_sums_at(chart, job.what, job.number, job.steps, job.count, out)
        else:
            job.lacked_memory[0] = True
        _free_chart(chart)
    for j in range(job.first[k] + 1, job.first[k + 1]):
        memcpy(job.out + job.rows[j] * width, out, width * sizeof(double))


cdef class Rows:
    """The tables of the rows of a matrix; equal ones are evaluated once and copied. ``ScheduleBatch`` is the public face."""

    cdef tuple tables  # keeps alive what the pointers point to
    cdef lrk_table *table
    cdef int64_t table_count
    cdef int64_t *first  # as in lrk_batch, the rows behind it
    cdef int64_t *rows
    cdef int64_t *values  # how many the arrays of a table have

    def __cinit__(self, tuple tables):
        cdef Py_ssize_t row, k = 0
        self.tables = tables
        found = _by_value(tables)
        self.table_count = len(found)
        self.table = <lrk_table *> calloc(len(found) + 1, sizeof(lrk_table))
        self.first = <int64_t *> calloc(2 * len(found) + 1 + len(tables), sizeof(int64_t))
        if self.table == NULL or self.first == NULL:
            raise MemoryError
        self.rows = self.first + len(found) + 1
        self.values = self.rows + len(tables)
        for same in found:
            self.table[k] = _table(tables[same[0]])
            self.values[k] = 0 if (<Table> tables[same[0]]).values is None else len((<Table> tables[same[0]]).values)
            self.first[k + 1] = self.first[k]
            for row in same:
                self.rows[self.first[k + 1]] = row
                self.first[k + 1] += 1
            k += 1

    def __dealloc__(self):
        free(self.table)
        free(self.first)

    @property
    def distinct(self):
        """How many tables are evaluated."""
        return self.table_count

    def fill_double(self, int64_t start, int64_t stride, double[:, :] out, int threads):
        """Write the steps start, start + stride, ... of every table to its row of a float64 buffer."""
        cdef lrk_batch batch
        self.check(out.shape[0])
        if out.shape[0] and out.shape[1]:
            batch = self.batch(start, stride, out.shape[1], &out[0, 0], out.strides[0], out.strides[1], sizeof(double))
            _fill(&batch, threads)

    def fill_single(self, int64_t start, int64_t stride, float[:, :] out, int threads):
        """The same to a float32 buffer."""
        cdef lrk_batch batch
        self.check(out.shape[0])
        if out.shape[0] and out.shape[1]:
            batch = self.batch(start, stride, out.shape[1], &out[0, 0], out.strides[0], out.strides[1], sizeof(float))
            _fill(&batch, threads)

    def gather(self, const int64_t[::1] steps, double[:, ::1] out, int threads):
        """Write the values of steps in any order, none negative."""
        cdef lrk_batch batch
        cdef lrk_order order
        cdef int negative = 0
        self.check(out.shape[0])
        if out.shape[1] != steps.shape[0]:
            raise ValueError(f"out must have {steps.shape[0]} columns, got {out.shape[1]}")
        if out.shape[0] and out.shape[1]:
            batch = self.batch(0, 1, out.shape[1], &out[0, 0], out.strides[0], sizeof(double), sizeof(double))
            order.steps = &steps[0]
            order.count = steps.shape[0]
            order.size = sizeof(int64_t)
            batch.order = &order
            batch.negative = &negative
            _gather_batch(&batch, threads)

    def sums_at(self, int what, double decay, const int64_t[::1] steps, double[:, ::1] out, int threads):
        """Write a sum of SUMS for each step of every table, as its own ``_sums_at``."""
        cdef RowSums job
        self.check(out.shape[0])
        if out.shape[1] != steps.shape[0]:
            raise ValueError(f"out must have {steps.shape[0]} columns, got {out.shape[1]}")
        if out.shape[0] and out.shape[1]:
            job.what = what
            job.number = decay
            job.steps = &steps[0]
            job.count = steps.shape[0]
            job.furthest = _furthest(what, job.steps, job.count)
            job.out = &out[0, 0]
            self.share(&job, threads)

    def sums_over(self, bint shrink, double number, int64_t start, int64_t count, double[::1] out, int threads):
        """Write the sum of `count` values to a power, or what a weight decay leaves; NaN where that is no number."""
        cdef RowSums job
        self.check(out.shape[0])
        if out.shape[0]:
            job.what = SHRINK if shrink else POWER
            job.number = number
            job.start = start
            job.steps = NULL
            job.count = count
            job.out = &out[0]
            self.share(&job, threads)

    cdef int share(self, RowSums *job, int threads) except -1:
        cdef bint lacked_memory = False
        cdef lrk_patience patience
        job.table = self.table
        job.values = self.values
        job.first = self.first
        job.rows = self.rows
        job.lacked_memory = &lacked_memory
        _begin(&patience)
        with nogil:
            lrk_share(_sum_rows, job, self.table_count, threads)
        _end(&patience)
        if lacked_memory:
            raise MemoryError
        return 0

    cdef int check(self, Py_ssize_t rows) except -1:
        if rows != len(self.tables):
            raise ValueError(f"out must have {len(self.tables)} rows, got {rows}")
        return 0

    cdef lrk_batch batch(
        self, int64_t start, int64_t stride, int64_t count, void *out, Py_ssize_t row_bytes, Py_ssize_t step_bytes, size_t size
    ) noexcept:
        cdef lrk_batch batch = _batch(self.table, self.table_count, start, stride, count, out, row_bytes, step_bytes, size)
        if self.table_count < len(self.tables):
            batch.first = self.first
            batch.rows = self.rows
        return batch


cdef list _by_value(tuple tables):
    """The indices of equal tables, table by table; labels do not count."""
    cdef Table table
    cdef Py_ssize_t row
    cdef dict found = {}, known = {}
    for row in range(len(tables)):
        table = tables[row]
        same = known.get(id(table))
        if same is None:
            segments = (<const char *> table.segments)[:table.total * sizeof(lrk_segment)]
            key = segments if table.values is None else (segments, bytes(table.values))
            same = known[id(table)] = found.setdefault(key, [])
        same.append(row)
    return list(found.values())


# ---- the position of a scheduler ----

cdef extern from "Python.h":
    # As it is: Cython's own declaration asks for an error after every key that is not there.
    PyObject *PyDict_GetItemWithError(PyObject *, PyObject *) noexcept
    int PyDict_SetItem(PyObject *, PyObject *, PyObject *) except -1
    bint PyDict_CheckExact(PyObject *) noexcept
    Py_ssize_t PyList_GET_SIZE(object) noexcept
    PyObject *PyList_GET_ITEM(object, Py_ssize_t) noexcept

cdef str LR = "lr"
cdef str LR_SCALE = "lr_scale"
cdef str INITIAL_LR = "initial_lr"


cdef class Stepper:
    """The position of a scheduler, and the short way to its next step: one curve for the ``lr`` of groups that are plain dicts.

    Whatever else there is to write or to complain about is for ``seek``, which the subclass has. Measured: with both loops in
    Python a step takes twice as long for one group and three times for 64.
    """

    cdef public int64_t _position
    cdef public Table _curve
    cdef public bint _relative
    cdef public object _optimizer

    def step(self):
        """Advance by one step, apply, and return the new value: that of ``schedule(current_step)``, before the groups' own factors.

        One thread at a time steps a scheduler: two at once may both take the same step, each with its right value. A schedule may
        be called by any number of threads.

        Raises
        ------
        ValueError, TypeError
            If the optimizer's groups lack what is to be written, or past step 2^63 - 1; nothing has changed then.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> scheduler = lrk.Scheduler(lrk.linear(1.0, 0.0, 4))
        >>> scheduler.step(), scheduler.step(), scheduler.current_step
        (0.75, 0.5, 2)
        """
        cdef object lr
        cdef int64_t step = self._position
        if self._curve is None or step == INT64_MAX:
            return self.seek(int(step) + 1)
        lr = _at_next(self._curve, step + 1)
        if self._optimizer is not None and not _write_plain(self._optimizer.param_groups, lr, self._relative):
            return self.seek(step + 1)
        self._position = step + 1
        return lr

    def get_lr(self, step=None):
        """The value at a step, by default the current one, before the groups' own factors; nothing changes.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.Scheduler(lrk.linear(1.0, 0.0, 4), step=1).get_lr(), lrk.Scheduler(lrk.linear(1.0, 0.0, 4)).get_lr(2)
        (0.75, 0.5)
        """
        if step is None and self._curve is not None:
            return _at_next(self._curve, self._position)
        return self._lr_at(step)


cdef int _write_plain(object groups, object lr, bint relative) except -1:
    """Write one lr into groups that hold nothing but finite Python floats; False, and nothing written, where one is not so.

    What is looked up is borrowed and read at once: without the GIL no other thread may change the groups meanwhile, as a scheduler
    with an optimizer is for one thread. Groups are held: comparing keys may run code that takes them out of the list.
    """
    cdef bint factors = relative
    cdef PyObject *scale
    cdef PyObject *group
    cdef Py_ssize_t k = 0, count
    cdef object value, held
    if type(groups) is not list or not groups:
        return False
    count = PyList_GET_SIZE(groups)
    while k < min(count, PyList_GET_SIZE(groups)):
        held = <object> PyList_GET_ITEM(groups, k)
        group = <PyObject *> held
        k += 1
        if not PyDict_CheckExact(group) or not _is_float(PyDict_GetItemWithError(group, <PyObject *> LR)):
            return _refused()
        if relative and not _is_float(PyDict_GetItemWithError(group, <PyObject *> INITIAL_LR)):
            return _refused()
        scale = PyDict_GetItemWithError(group, <PyObject *> LR_SCALE)
        if scale != NULL:
            if not _is_float(scale):
                return _refused()
            factors = True
    if PyErr_Occurred() != NULL:
        return -1
    k = 0
    while k < min(count, PyList_GET_SIZE(groups)):
        held = <object> PyList_GET_ITEM(groups, k)
        group = <PyObject *> held
        k += 1
        if factors:
            value = scaled(lr, _float_or_1(group, INITIAL_LR) if relative else 1.0, _float_or_1(group, LR_SCALE))
            PyDict_SetItem(group, <PyObject *> LR, <PyObject *> value)
        else:
            PyDict_SetItem(group, <PyObject *> LR, <PyObject *> lr)
    return True


cdef inline int _refused() noexcept:
    """0, or -1 where comparing keys has raised."""
    return 0 if PyErr_Occurred() == NULL else -1


cdef inline bint _is_float(PyObject *value) noexcept:
    return value != NULL and PyFloat_CheckExact(<object> value) and -INFINITY < PyFloat_AS_DOUBLE(<object> value) < INFINITY


cdef inline double _float_or_1(PyObject *group, str key) noexcept:
    cdef PyObject *value = PyDict_GetItemWithError(group, <PyObject *> key)
    return 1.0 if value == NULL else PyFloat_AS_DOUBLE(<object> value)


cpdef double scaled(double lr, double base, double scale) noexcept:
    """What a group gets: its base lr times `lr`, then times its ``lr_scale``; 1 where it has none."""
    return base * lr * scale


# ---- what schedules predict ----

cdef extern from "laws.h" nogil:
    ctypedef void lrk_functional(const lrk_table *table, int64_t step, const double *parameters, double *out) noexcept
    enum:
        LRK_MULTI_POWER_PARAMETERS
        LRK_ANNEALING_PARAMETERS
        LRK_LAST_ITERATE_PARAMETERS
    void lrk_multi_power(const lrk_table *table, int64_t step, const double *parameters, double *out)
    void lrk_multi_power_slopes(const lrk_table *table, int64_t step, const double *parameters, double *out)
    void lrk_annealing(const lrk_table *table, int64_t step, const double *parameters, double *out)
    void lrk_last_iterate(const lrk_table *table, int64_t step, const double *parameters, double *out)
    void lrk_last_iterate_each(const lrk_table *table, int64_t step, const double *norms, double *out)
    int64_t lrk_panels_back(const lrk_table *table, int64_t stop, lrk_panel *panels, int64_t room)
    void lrk_functionals(
        lrk_functional *functional, const double *parameters, const lrk_table *tables, int64_t table_count,
        const int64_t *steps, int64_t step_count, int width, double *out, int threads,
    )

cdef struct Functional:
    lrk_functional *function
    Py_ssize_t parameters  # 0: one for every step
    int width


cdef list _functionals = ["multi_power", "multi_power_slopes", "annealing", "last_iterate", "last_iterate_each"]
cdef Functional[5] _functional = [
    Functional(lrk_multi_power, LRK_MULTI_POWER_PARAMETERS, 1),
    Functional(lrk_multi_power_slopes, LRK_MULTI_POWER_PARAMETERS, LRK_MULTI_POWER_PARAMETERS),
    Functional(lrk_annealing, LRK_ANNEALING_PARAMETERS, 1),
    Functional(lrk_last_iterate, LRK_LAST_ITERATE_PARAMETERS, 2),
    Functional(lrk_last_iterate_each, 0, 2),
]


def predicted(str name not None, tuple tables not None, const int64_t[::1] steps, const double[::1] parameters, int threads):
    """A functional of every table after every step, none negative: bytes of float64, table by table."""
    cdef Functional found = _functional[_functionals.index(name)]
    cdef Py_ssize_t row, count = len(tables)
    cdef int64_t most = max(steps, default=0)
    cdef lrk_table *table
    cdef bytearray out = bytearray(count * steps.shape[0] * found.width * sizeof(double))
    cdef double *first = <double *> <char *> out
    cdef lrk_patience patience
    if parameters.shape[0] != (found.parameters or most + 1):
        raise ValueError(f"parameters must be {found.parameters or most + 1} numbers, got {parameters.shape[0]}")
    table = <lrk_table *> calloc(count + 1, sizeof(lrk_table))
    if table == NULL:
        raise MemoryError
    try:
        for row in range(count):
            table[row] = _table(tables[row])
        if steps.shape[0]:
            _begin(&patience)
            with nogil:
                lrk_functionals(
                    found.function, &parameters[0], table, count, &steps[0], steps.shape[0], found.width, first, threads
                )
            _end(&patience)
    finally:
        free(table)
    return out


def predicted_at(str name not None, Table schedule not None, int64_t step, tuple parameters not None):
    """The same of one table after one step, as a list: all that a search calls again and again."""
    cdef Functional found = _functional[_functionals.index(name)]
    cdef double numbers[LRK_MULTI_POWER_PARAMETERS]
    cdef double out[LRK_MULTI_POWER_PARAMETERS]
    cdef lrk_table table = _table(schedule)
    cdef lrk_patience patience
    cdef Py_ssize_t k
    if found.parameters == 0 or len(parameters) != found.parameters:
        raise ValueError(f"parameters must be {found.parameters} numbers, got {len(parameters)}")
    for k in range(found.parameters):
        numbers[k] = parameters[k]
    _begin(&patience)
    with nogil:
        found.function(&table, step, numbers, out)
    _end(&patience)
    return [out[k] for k in range(found.width)]
