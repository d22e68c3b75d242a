from lrkernel._core cimport Cursor, Table
