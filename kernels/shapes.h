/* shapes.h - shapes.def as names: the id of every shape, and its kind. */
#ifndef LRK_SHAPES_H
#define LRK_SHAPES_H

enum {
#define LRK_LANE(id, name, ulp, call, formula) SHAPE_##name = id,
#define LRK_TABLE LRK_LANE
#define LRK_SERIES LRK_LANE
#define LRK_CALLED LRK_LANE
#define LRK_STAIR LRK_LANE
#define LRK_NODE LRK_LANE
#include "shapes.def"
    SHAPE_COUNT
};

enum kind { CALLED, LANE, TABLE, SERIES, STAIR, NODE }; /* up to SERIES: between two ends, or open-ended */

static const enum kind kinds[] = {
#define LRK_LANE(id, name, ulp, call, formula) LANE,
#define LRK_TABLE(id, name, ulp, call, formula) TABLE,
#define LRK_SERIES(id, name, ulp, call, formula) SERIES,
#define LRK_CALLED(id, name, ulp, call, formula) CALLED,
#define LRK_STAIR(id, name, ulp, call, formula) STAIR,
#define LRK_NODE(id, name, ulp, call, formula) NODE,
#include "shapes.def"
};

/* In k of rows that grow. */
enum {
    GROWTH_START,    /* mantissa of start ... */
    GROWTH_EXPONENT, /* ... and its exponent */
    GROWTH_RATE,     /* log2 of what a step multiplies by, a double-double */
    GROWTH_RATE_LOW
};

#endif
