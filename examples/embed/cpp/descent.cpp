// descent.cpp - gradient descent on a parabola as a C++17 extension module, its rate a schedule from Python.
#include <lrkernel_capi.h>

#include <cstddef>
#include <cstdint>
#include <vector>

static const lrk_capi *lrk = nullptr;

class Rate
{
  public:
    explicit Rate(const lrk_table &table)
    {
        lrk->cursor_begin(&cursor_, &table);
    }
    double operator()(std::int64_t step)
    {
        return lrk_cursor_at(&cursor_, step);
    }

  private:
    lrk_cursor cursor_;
};

// descend(schedule, start, curvature, steps): where x -= rate(step) * curvature * x leads.
static PyObject *descend(PyObject *, PyObject *arguments)
{
    PyObject *schedule;
    double x, curvature;
    Py_ssize_t steps;
    lrk_table table;
    if (!PyArg_ParseTuple(arguments, "Oddn", &schedule, &x, &curvature, &steps)) return nullptr;
    if (lrk->table(schedule, &table) < 0) return nullptr;
    PyThreadState *state = PyEval_SaveThread(); // none of this needs the GIL; the caller holds the schedule
    Rate rate(table);
    for (Py_ssize_t step = 0; step < steps; ++step) x -= rate(step) * curvature * x;
    PyEval_RestoreThread(state);
    return PyFloat_FromDouble(x);
}

// mean(schedule, start, stop): of the rates of the steps from start to before stop.
static PyObject *mean(PyObject *, PyObject *arguments)
{
    PyObject *schedule;
    Py_ssize_t start, stop;
    lrk_table table;
    if (!PyArg_ParseTuple(arguments, "Onn", &schedule, &start, &stop)) return nullptr;
    if (start < 0 || stop <= start) return PyErr_Format(PyExc_ValueError, "start must be >= 0 and < stop");
    if (lrk->table(schedule, &table) < 0) return nullptr;
    std::vector<double> rates(static_cast<std::size_t>(stop - start));
    double sum = 0.0;
    lrk->fill(&table, start, 1, stop - start, rates.data(), 1);
    for (const double rate : rates) sum += rate;
    return PyFloat_FromDouble(sum / static_cast<double>(rates.size()));
}

static PyMethodDef methods[] = {
    {"descend", descend, METH_VARARGS, "Where gradient descent on a parabola ends."},
    {"mean", mean, METH_VARARGS, "The mean rate of some steps."},
    {nullptr, nullptr, 0, nullptr}};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "descent", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

PyMODINIT_FUNC PyInit_descent()
{
    lrk = lrk_import();
    return lrk == nullptr ? nullptr : PyModule_Create(&module);
}
