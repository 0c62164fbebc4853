/* What the files of this module share. */
#ifndef STREAMLAKE_NATIVE_H
#define STREAMLAKE_NATIVE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdatomic.h>
#include <stdint.h>

/* Bytes of many messages one after the other, with Arrow's offsets and validity; shared by all that look at a part. */
typedef struct {
    atomic_long references;
    uint8_t *data;
    size_t size, room;
    int32_t *ends; /* ends[n] is where row n - 1 ends and row n begins */
    uint8_t *valid; /* a bit for each row; NULL where all are valid, which only an owner's are */
    size_t rows, rows_room, nulls;
    struct ArrowArray *owner; /* of the buffers, where they are another library's: then nothing is added */
} Store;

Store *store_new(size_t rows, size_t bytes);
/* 0, or -1 with an exception set; NULL for null. */
int store_add(Store *store, const void *bytes, size_t size);
void store_release(Store *store);

typedef struct {
    PyObject_HEAD
    Store *store;
    Py_ssize_t first, rows;
} Bytes;

extern PyType_Spec bytes_spec, reader_spec, decoder_spec;
extern PyMethodDef lines_methods[];

typedef struct {
    PyTypeObject *bytes_type;
} Module;

/* Takes over the reference to the store. */
PyObject *bytes_new(PyTypeObject *type, Store *store, Py_ssize_t first, Py_ssize_t rows);

static inline int store_valid(const Store *store, size_t row) {
    return store->valid == NULL || (store->valid[row >> 3] >> (row & 7) & 1);
}

#endif
