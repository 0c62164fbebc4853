/* `Bytes`: a sequence of bytes and None in one buffer, which Arrow takes as it is (the PyCapsule interface). */
#include "native.h"

#include <stdlib.h>
#include <string.h>

/* https://arrow.apache.org/docs/format/CDataInterface.html */
struct ArrowSchema {
    const char *format, *name, *metadata;
    int64_t flags, n_children;
    struct ArrowSchema **children, *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};
struct ArrowArray {
    int64_t length, null_count, offset, n_buffers, n_children;
    const void **buffers;
    struct ArrowArray **children, *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};
enum { NULLABLE = 2 };

/* -- the store ------------------------------------------------------------------------------------------------------ */

static int rows_for(Store *store, size_t rows) {
    if (store->rows_room >= rows) return 0;
    size_t room = store->rows_room * 2 > rows ? store->rows_room * 2 : rows;
    int32_t *ends = realloc(store->ends, (room + 1) * sizeof *ends);
    if (ends == NULL) return -1;
    store->ends = ends;
    uint8_t *valid = realloc(store->valid, room / 8 + 1);
    if (valid == NULL) return -1;
    store->valid = valid;
    store->rows_room = room;
    return 0;
}

static int bytes_for(Store *store, size_t bytes) {
    if (store->room >= bytes) return 0;
    size_t room = store->room + store->room / 2 > bytes ? store->room + store->room / 2 : bytes;
    uint8_t *data = realloc(store->data, room);
    if (data == NULL) return -1;
    store->data = data;
    store->room = room;
    return 0;
}

Store *store_new(size_t rows, size_t bytes) {
    Store *store = calloc(1, sizeof *store);
    if (store != NULL) {
        atomic_init(&store->references, 1);
        if (rows_for(store, rows + 1) == 0 && bytes_for(store, bytes + 1) == 0) {
            store->ends[0] = 0;
            return store;
        }
        store_release(store);
    }
    PyErr_NoMemory();
    return NULL;
}

int store_add(Store *store, const void *bytes, size_t size) {
    if (store->size + size > INT32_MAX) {
        PyErr_SetString(PyExc_OverflowError, "more than 2 GiB in one slice");
        return -1;
    }
    if (rows_for(store, store->rows + 1) < 0 || bytes_for(store, store->size + size) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    uint8_t bit = (uint8_t)(1 << (store->rows & 7)), *place = &store->valid[store->rows >> 3];
    if (bit == 1) *place = 0;
    if (bytes != NULL) {
        *place |= bit;
        memcpy(store->data + store->size, bytes, size);
        store->size += size;
    } else {
        store->nulls++;
    }
    store->ends[++store->rows] = (int32_t)store->size;
    return 0;
}

void store_release(Store *store) {
    if (atomic_fetch_sub(&store->references, 1) != 1) return;
    if (store->owner != NULL) {
        store->owner->release(store->owner);
        free(store->owner);
    } else {
        free(store->data);
        free(store->ends);
        free(store->valid);
    }
    free(store);
}

/* -- the sequence --------------------------------------------------------------------------------------------------- */

PyObject *bytes_new(PyTypeObject *type, Store *store, Py_ssize_t first, Py_ssize_t rows) {
    Bytes *self = PyObject_New(Bytes, type);
    if (self == NULL) {
        store_release(store);
        return NULL;
    }
    self->store = store;
    self->first = first;
    self->rows = rows;
    return (PyObject *)self;
}

static void bytes_dealloc(Bytes *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    store_release(self->store);
    PyObject_Free(self);
    Py_DECREF(type);
}

static Py_ssize_t bytes_length(Bytes *self) { return self->rows; }

static PyObject *bytes_item(Bytes *self, Py_ssize_t index) {
    if (index < 0 || index >= self->rows) {
        PyErr_SetString(PyExc_IndexError, "index out of range");
        return NULL;
    }
    size_t row = (size_t)(self->first + index);
    if (!store_valid(self->store, row)) Py_RETURN_NONE;
    int32_t begin = self->store->ends[row], end = self->store->ends[row + 1];
    return PyBytes_FromStringAndSize((const char *)self->store->data + begin, end - begin);
}

static PyObject *bytes_subscript(Bytes *self, PyObject *key) {
    Py_ssize_t start, stop, step;
    if (!PySlice_Check(key)) {
        Py_ssize_t index = PyNumber_AsSsize_t(key, PyExc_IndexError);
        if (index == -1 && PyErr_Occurred()) return NULL;
        return bytes_item(self, index < 0 ? index + self->rows : index);
    }
    if (PySlice_Unpack(key, &start, &stop, &step) < 0) return NULL;
    Py_ssize_t rows = PySlice_AdjustIndices(self->rows, &start, &stop, step);
    if (step == 1) {
        atomic_fetch_add(&self->store->references, 1);
        return bytes_new(Py_TYPE((PyObject *)self), self->store, self->first + start, rows);
    }
    PyObject *list = PyList_New(rows);
    for (Py_ssize_t i = 0; list != NULL && i < rows; i++) {
        PyObject *item = bytes_item(self, start + i * step);
        if (item == NULL || PyList_SetItem(list, i, item) < 0) Py_CLEAR(list);
    }
    return list;
}

static int copy(Store *into, const Store *from, size_t first, size_t rows) {
    for (size_t row = first; row < first + rows; row++) {
        int32_t begin = from->ends[row];
        const void *bytes = store_valid(from, row) ? from->data + begin : NULL;
        if (store_add(into, bytes, (size_t)(from->ends[row + 1] - begin)) < 0) return -1;
    }
    return 0;
}

static Store *store_for_copy(const Bytes *self, Py_ssize_t rows) {
    const int32_t *ends = self->store->ends;
    return store_new((size_t)rows, (size_t)(ends[self->first + self->rows] - ends[self->first]));
}

/* The rows at ascending indices (take), or all but these (without). */
static PyObject *selected(Bytes *self, PyObject *indices, int without) {
    PyObject *list = PySequence_List(indices);
    if (list == NULL) return NULL;
    Py_ssize_t n = PyList_Size(list), next = 0;
    Store *store = store_for_copy(self, without ? self->rows : n);
    for (Py_ssize_t i = 0; store != NULL && i < n; i++) {
        Py_ssize_t index = PyLong_AsSsize_t(PyList_GetItem(list, i));
        if (index < next || index >= self->rows) {
            if (!PyErr_Occurred()) PyErr_Format(PyExc_IndexError, "index %zd, expected %zd to %zd", index, next, self->rows);
            store_release(store);
            store = NULL;
            break;
        }
        int failed = without ? copy(store, self->store, (size_t)(self->first + next), (size_t)(index - next))
                             : copy(store, self->store, (size_t)(self->first + index), 1);
        if (failed) {
            store_release(store);
            store = NULL;
        }
        next = index + 1;
    }
    Py_DECREF(list);
    if (store != NULL && without && copy(store, self->store, (size_t)(self->first + next), (size_t)(self->rows - next)) < 0) {
        store_release(store);
        store = NULL;
    }
    return store ? bytes_new(Py_TYPE((PyObject *)self), store, 0, (Py_ssize_t)store->rows) : NULL;
}

static PyObject *bytes_take(PyObject *self, PyObject *indices) { return selected((Bytes *)self, indices, 0); }
static PyObject *bytes_without(PyObject *self, PyObject *indices) { return selected((Bytes *)self, indices, 1); }

static Py_ssize_t null_count(const Bytes *self) {
    Py_ssize_t nulls = 0;
    if (self->store->nulls == 0) return 0;
    for (Py_ssize_t i = 0; i < self->rows; i++) nulls += !store_valid(self->store, (size_t)(self->first + i));
    return nulls;
}

static PyObject *get_nbytes(Bytes *self, void *unused) {
    (void)unused;
    return PyLong_FromLong(self->store->ends[self->first + self->rows] - self->store->ends[self->first]);
}

static PyObject *bytes_beyond(PyObject *object, PyObject *given) {
    Bytes *self = (Bytes *)object;
    Py_ssize_t limit = PyLong_AsSsize_t(given);
    if (limit == -1 && PyErr_Occurred()) return NULL;
    PyObject *found = PyList_New(0);
    const int32_t *ends = self->store->ends + self->first;
    for (Py_ssize_t i = 0; found != NULL && i < self->rows; i++) {
        if (ends[i + 1] - ends[i] <= limit && store_valid(self->store, (size_t)(self->first + i))) continue;
        PyObject *index = PyLong_FromSsize_t(i);
        if (index == NULL || PyList_Append(found, index) < 0) Py_CLEAR(found);
        Py_XDECREF(index);
    }
    return found;
}

/* For another process, which may as well have a list. */
static PyObject *bytes_reduce(PyObject *self, PyObject *unused) {
    (void)unused;
    PyObject *list = PySequence_List(self);
    return list ? Py_BuildValue("(O(N))", (PyObject *)Py_TYPE((PyObject *)self), list) : NULL;
}

/* -- Arrow ---------------------------------------------------------------------------------------------------------- */

typedef struct {
    Store *store;
    const void *buffers[3];
} Exported;

static void release_schema(struct ArrowSchema *schema) { schema->release = NULL; }

static void release_array(struct ArrowArray *array) {
    Exported *exported = array->private_data;
    store_release(exported->store);
    free(exported);
    array->release = NULL;
}

static void schema_capsule_gone(PyObject *capsule) {
    struct ArrowSchema *schema = PyCapsule_GetPointer(capsule, "arrow_schema");
    if (schema->release != NULL) schema->release(schema);
    free(schema);
}

static void array_capsule_gone(PyObject *capsule) {
    struct ArrowArray *array = PyCapsule_GetPointer(capsule, "arrow_array");
    if (array->release != NULL) array->release(array);
    free(array);
}

static PyObject *bytes_arrow(PyObject *object, PyObject *arguments) {
    Bytes *self = (Bytes *)object;
    PyObject *wanted = NULL; /* best effort, says the interface: binary is all we have */
    if (!PyArg_ParseTuple(arguments, "|O", &wanted)) return NULL;
    struct ArrowSchema *schema = calloc(1, sizeof *schema);
    struct ArrowArray *array = calloc(1, sizeof *array);
    Exported *exported = calloc(1, sizeof *exported);
    if (schema == NULL || array == NULL || exported == NULL) {
        free(schema);
        free(array);
        free(exported);
        return PyErr_NoMemory();
    }
    *schema = (struct ArrowSchema){.format = "z", .name = "", .flags = NULLABLE, .release = release_schema};
    Store *store = self->store;
    atomic_fetch_add(&store->references, 1);
    *exported = (Exported){store, {store->nulls ? store->valid : NULL, store->ends, store->data}};
    *array = (struct ArrowArray){
        .length = self->rows,
        .null_count = null_count(self),
        .offset = self->first,
        .n_buffers = 3,
        .buffers = exported->buffers,
        .release = release_array,
        .private_data = exported,
    };
    PyObject *schema_capsule = PyCapsule_New(schema, "arrow_schema", schema_capsule_gone);
    if (schema_capsule == NULL) {
        free(schema);
        release_array(array);
        free(array);
        return NULL;
    }
    PyObject *array_capsule = PyCapsule_New(array, "arrow_array", array_capsule_gone);
    if (array_capsule == NULL) {
        Py_DECREF(schema_capsule);
        release_array(array);
        free(array);
        return NULL;
    }
    return Py_BuildValue("(NN)", schema_capsule, array_capsule);
}

/* -- the type ------------------------------------------------------------------------------------------------------- */

/* An Arrow array of binary or string, taken over with its buffers; NULL with an exception set. */
static Store *store_of_arrow(const struct ArrowSchema *schema, struct ArrowArray *array) {
    if (strcmp(schema->format, "z") != 0 && strcmp(schema->format, "u") != 0) {
        PyErr_Format(PyExc_TypeError, "Arrow's format %s: only binary (z) and string (u) are taken", schema->format);
        return NULL;
    }
    if (array->length == 0) return store_new(0, 0); /* it need not have any buffers */
    Store *store = calloc(1, sizeof *store);
    struct ArrowArray *taken = store ? malloc(sizeof *taken) : NULL;
    if (taken == NULL) {
        free(store);
        PyErr_NoMemory();
        return NULL;
    }
    /* The interface's own way of moving: the structure is copied, and the one that was given is marked as released. */
    *taken = *array;
    array->release = NULL;
    atomic_init(&store->references, 1);
    store->owner = taken;
    store->valid = (uint8_t *)taken->buffers[0];
    store->ends = (int32_t *)taken->buffers[1];
    /* Nothing but empty ones may be without a buffer; here NULL would mean null. */
    store->data = (uint8_t *)(taken->buffers[2] ? taken->buffers[2] : "");
    store->rows = (size_t)(taken->offset + taken->length);
    store->nulls = store->valid != NULL && taken->null_count != 0; /* whether there may be any: -1 is not known */
    return store;
}

/* `items` has `__arrow_c_array__`. */
static PyObject *bytes_of_arrow(PyTypeObject *type, PyObject *items) {
    PyObject *capsules = PyObject_CallMethod(items, "__arrow_c_array__", NULL), *schema, *array;
    if (capsules == NULL) return NULL;
    int64_t first = 0, rows = 0;
    Store *store = NULL;
    if (PyArg_ParseTuple(capsules, "OO", &schema, &array)) {
        const struct ArrowSchema *said = PyCapsule_GetPointer(schema, "arrow_schema");
        struct ArrowArray *held = said ? PyCapsule_GetPointer(array, "arrow_array") : NULL;
        if (held != NULL) {
            first = held->offset;
            rows = held->length;
            store = store_of_arrow(said, held);
        }
    }
    Py_DECREF(capsules);
    return store ? bytes_new(type, store, rows ? (Py_ssize_t)first : 0, (Py_ssize_t)rows) : NULL;
}

/* Bytes(items): an Arrow array's own buffers, or a copy of any other sequence. */
static PyObject *bytes_make(PyTypeObject *type, PyObject *arguments, PyObject *names) {
    PyObject *items;
    static char *keywords[] = {"items", NULL};
    if (!PyArg_ParseTupleAndKeywords(arguments, names, "O", keywords, &items)) return NULL;
    if (PyObject_HasAttrString(items, "__arrow_c_array__")) return bytes_of_arrow(type, items);
    PyObject *list = PySequence_List(items);
    if (list == NULL) return NULL;
    Py_ssize_t n = PyList_Size(list);
    Store *store = store_new((size_t)n, 0);
    for (Py_ssize_t i = 0; store != NULL && i < n; i++) {
        PyObject *item = PyList_GetItem(list, i);
        char *bytes = NULL;
        Py_ssize_t size = 0;
        if ((item != Py_None && PyBytes_AsStringAndSize(item, &bytes, &size) < 0) ||
            store_add(store, bytes, (size_t)size) < 0) {
            store_release(store);
            store = NULL;
        }
    }
    Py_DECREF(list);
    return store ? bytes_new(type, store, 0, n) : NULL;
}

static PyMethodDef methods[] = {
    {"beyond", bytes_beyond, METH_O, "The indices of those that are None or longer than so many bytes."},
    {"take", bytes_take, METH_O, "The items at ascending indices."},
    {"without", bytes_without, METH_O, "All but the items at ascending indices."},
    {"__reduce__", bytes_reduce, METH_NOARGS, "For pickle."},
    {"__arrow_c_array__", bytes_arrow, METH_VARARGS, "Arrow's binary, without a copy."},
    {0},
};
static PyGetSetDef properties[] = {
    {"nbytes", (getter)get_nbytes, NULL, "The bytes of all items.", NULL},
    {0},
};
static PyType_Slot slots[] = {
    {Py_tp_doc, "A sequence of bytes and None in one buffer."},
    {Py_tp_new, bytes_make},
    {Py_tp_dealloc, bytes_dealloc},
    {Py_sq_length, bytes_length},
    {Py_sq_item, bytes_item},
    {Py_mp_length, bytes_length},
    {Py_mp_subscript, bytes_subscript},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {0, NULL},
};
PyType_Spec bytes_spec = {
    .name = "streamlake_native.Bytes",
    .basicsize = sizeof(Bytes),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};
