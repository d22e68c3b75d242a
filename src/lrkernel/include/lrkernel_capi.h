/* lrkernel_capi.h - the running lrkernel for extension modules in C and C++: function pointers, nothing to link.

   Call lrk_import() once, when the module is initialised; what it gives stays for the life of the process. No function
   but `table` needs the GIL. */
#ifndef LRKERNEL_CAPI_H
#define LRKERNEL_CAPI_H

#include <Python.h>

#include "lrkernel.h"

#define LRK_CAPSULE "lrkernel._core.C_API"

#ifdef __cplusplus
extern "C" {
#endif

/* Append only: a module that was built for fewer functions finds them where they were. */
typedef struct lrk_capi {
    uint32_t abi;  /* LRK_ABI */
    uint32_t size; /* of this struct where lrkernel was built */
    /* The table of a Schedule, there as long as the object is: 0, or -1 and a TypeError. */
    int (*table)(PyObject *schedule, lrk_table *table);
    double (*at)(const lrk_table *table, int64_t step);
    void (*fill)(const lrk_table *table, int64_t start, int64_t stride, int64_t count, double *out, int64_t gap);
    void (*fill_float)(const lrk_table *table, int64_t start, int64_t stride, int64_t count, float *out, int64_t gap);
    void (*gather)(const lrk_table *table, const int64_t *steps, int64_t count, double *out);
    void (*cursor_begin)(lrk_cursor *cursor, const lrk_table *table);
    /* lrk_register of the running lrkernel; lrk.shape(name=...) of Python then gives the constructor. */
    const char *(*register_shape)(const char *name, const lrk_function *function);
} lrk_capi;

/* NULL and an ImportError where lrkernel is missing or does not fit this header. */
static inline const lrk_capi *lrk_import(void)
{
    const lrk_capi *capi = (const lrk_capi *)PyCapsule_Import(LRK_CAPSULE, 0);
    if (capi == NULL) return NULL;
    if (capi->abi != LRK_ABI || capi->size < sizeof(lrk_capi)) {
        PyErr_Format(
            PyExc_ImportError,
            "lrkernel must have ABI %d and a C_API of %d bytes or more, got ABI %d and %d bytes: rebuild this module",
            LRK_ABI, (int)sizeof(lrk_capi), (int)capi->abi, (int)capi->size);
        return NULL;
    }
    return capi;
}

#ifdef __cplusplus
}
#endif

#endif
