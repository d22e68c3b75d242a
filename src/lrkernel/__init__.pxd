"""lrkernel - what other Cython modules cimport; no header, nothing to link."""

from lrkernel._core cimport Cursor, Table
