/* `Decoder`: rules given as tuples (`streamlake_native/__init__.pyi` says which), asked about many payloads at once. */
#include "native.h"

#include "json.h"
#include <stdlib.h>
#include <string.h>

enum { FIELDS_MAX = 64, DEPTH_MAX = 200 };

typedef struct Block Block;
struct Block {
    Block *before;
    max_align_t bytes[];
};

typedef struct {
    PyObject_HEAD
    Program program;
    Block *blocks; /* everything the program is made of */
} Decoder;

/* Zeroed, and freed with the decoder. */
static void *allocate(Decoder *self, size_t items, size_t size) {
    if (size && items > SIZE_MAX / 2 / size) return PyErr_NoMemory();
    Block *block = calloc(1, sizeof *block + items * size);
    if (block == NULL) return PyErr_NoMemory();
    block->before = self->blocks;
    self->blocks = block;
    return block->bytes;
}

/* -- rules from tuples ---------------------------------------------------------------------------------------------- */

static int text(Decoder *self, PyObject *bytes, Text *into) {
    char *content;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(bytes, &content, &size) < 0) return -1;
    into->size = (size_t)size;
    into->bytes = allocate(self, into->size + 1, 1);
    if (into->bytes == NULL) return -1;
    memcpy(into->bytes, content, into->size);
    size_t head = into->size < 8 ? into->size : 8;
    uint8_t ones[8] = {0};
    memset(ones, 0xFF, head);
    memcpy(&into->mask, ones, 8);
    memcpy(&into->head, content, head);
    return 0;
}

static int pattern(Decoder *self, PyObject *given, Rule *rule) {
    PyObject *atoms;
    Pattern *found = allocate(self, 1, sizeof *found);
    if (found == NULL || !PyArg_ParseTuple(given, "pO!", &found->to_end, &PyTuple_Type, &atoms)) return -1;
    found->n_atoms = (size_t)PyTuple_Size(atoms);
    found->atoms = allocate(self, found->n_atoms, sizeof *found->atoms);
    if (found->atoms == NULL) return -1;
    for (size_t i = 0; i < found->n_atoms; i++) {
        const char *allowed;
        Py_ssize_t size;
        int min, max;
        if (!PyArg_ParseTuple(PyTuple_GetItem(atoms, (Py_ssize_t)i), "y#ii", &allowed, &size, &min, &max)) return -1;
        if (size != 32 || min < 0 || (max >= 0 && max < min)) {
            PyErr_SetString(PyExc_ValueError, "an atom is 32 bytes, the least and the most");
            return -1;
        }
        memcpy(found->atoms[i].allowed, allowed, 32);
        found->atoms[i].min = min;
        found->atoms[i].max = max;
    }
    rule->pattern = found;
    return 0;
}

static int strings(Decoder *self, PyObject *given, Rule *rule) {
    PyObject *shape, *words;
    long long least, most;
    if (!PyArg_ParseTuple(given, "LLiOO!", &least, &most, &rule->format, &shape, &PyTuple_Type, &words)) return -1;
    rule->length_min = least;
    rule->length_max = most;
    if (shape != Py_None && pattern(self, shape, rule) < 0) return -1;
    rule->n_words = (size_t)PyTuple_Size(words);
    rule->words = allocate(self, rule->n_words, sizeof *rule->words);
    if (rule->words == NULL) return -1;
    for (size_t i = 0; i < rule->n_words; i++)
        if (text(self, PyTuple_GetItem(words, (Py_ssize_t)i), &rule->words[i]) < 0) return -1;
    return 0;
}

static int integers(Decoder *self, PyObject *given, Rule *rule) {
    PyObject *numbers;
    long long least, most, multiple;
    if (!PyArg_ParseTuple(given, "LLLO!", &least, &most, &multiple, &PyTuple_Type, &numbers)) return -1;
    rule->integer_min = least;
    rule->integer_max = most;
    rule->multiple = multiple;
    rule->n_integers = (size_t)PyTuple_Size(numbers);
    rule->integers = allocate(self, rule->n_integers, sizeof *rule->integers);
    if (rule->integers == NULL) return -1;
    for (size_t i = 0; i < rule->n_integers; i++) {
        rule->integers[i] = PyLong_AsLongLong(PyTuple_GetItem(numbers, (Py_ssize_t)i));
        if (rule->integers[i] == -1 && PyErr_Occurred()) return -1;
    }
    return 0;
}

static Rule *rule_of(Decoder *self, PyObject *given, int levels);

static int inner(Decoder *self, PyObject *given, int levels, Rule **into) {
    if (given == Py_None) return 0;
    *into = rule_of(self, given, levels);
    return *into ? 0 : -1;
}

static int arrays(Decoder *self, PyObject *given, Rule *rule, int levels) {
    PyObject *item;
    long long least, most;
    if (!PyArg_ParseTuple(given, "OLL", &item, &least, &most)) return -1;
    rule->items_min = least;
    rule->items_max = most;
    return inner(self, item, levels, &rule->item);
}

static int objects(Decoder *self, PyObject *given, Rule *rule, int levels) {
    PyObject *fields, *others;
    if (!PyArg_ParseTuple(given, "O!pO", &PyTuple_Type, &fields, &rule->closed, &others)) return -1;
    rule->n_fields = (size_t)PyTuple_Size(fields);
    if (rule->n_fields > FIELDS_MAX) {
        PyErr_Format(PyExc_ValueError, "more than %d fields", FIELDS_MAX);
        return -1;
    }
    rule->fields = allocate(self, rule->n_fields, sizeof *rule->fields);
    if (rule->fields == NULL) return -1;
    for (size_t i = 0; i < rule->n_fields; i++) {
        PyObject *name, *field;
        int required;
        if (!PyArg_ParseTuple(PyTuple_GetItem(fields, (Py_ssize_t)i), "O!pO", &PyBytes_Type, &name, &required, &field)) return -1;
        if (text(self, name, &rule->fields[i].name) < 0) return -1;
        rule->fields[i].rule = rule_of(self, field, levels);
        if (rule->fields[i].rule == NULL) return -1;
        rule->required |= (uint64_t)required << i;
    }
    return inner(self, others, levels, &rule->others);
}

static Rule *rule_of(Decoder *self, PyObject *given, int levels) {
    PyObject *parts[5];
    Rule *rule = allocate(self, 1, sizeof *rule);
    if (rule == NULL) return NULL;
    if (levels == 0) {
        PyErr_Format(PyExc_ValueError, "rules nest deeper than %d levels", DEPTH_MAX);
        return NULL;
    }
    if (!PyArg_ParseTuple(given, "IOOOOO", &rule->kinds, &parts[0], &parts[1], &parts[2], &parts[3], &parts[4])) return NULL;
    rule->length_min = rule->length_max = rule->items_min = rule->items_max = -1;
    rule->integer_min = INT64_MIN;
    rule->integer_max = INT64_MAX;
    rule->double_min = -Py_HUGE_VAL;
    rule->double_max = Py_HUGE_VAL;
    if (parts[0] != Py_None && strings(self, parts[0], rule) < 0) return NULL;
    if (parts[1] != Py_None && integers(self, parts[1], rule) < 0) return NULL;
    if (parts[2] != Py_None &&
        !PyArg_ParseTuple(parts[2], "ddpp", &rule->double_min, &rule->double_max, &rule->above, &rule->below))
        return NULL;
    if (parts[3] != Py_None && arrays(self, parts[3], rule, levels - 1) < 0) return NULL;
    if (parts[4] != Py_None && objects(self, parts[4], rule, levels - 1) < 0) return NULL;
    return rule;
}

/* -- columns from tuples, bound to the rules that fill them ---------------------------------------------------------- */

static int add_column(Decoder *self, Column *column) {
    Program *program = &self->program;
    Column **columns = PyMem_Realloc(program->columns, (program->n_columns + 1) * sizeof *columns);
    if (columns == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    program->columns = columns;
    columns[program->n_columns++] = column;
    return 0;
}

static Column *column_of(Decoder *self, PyObject *given, Rule *rule) {
    PyObject *children;
    Column *column = allocate(self, 1, sizeof *column);
    if (column == NULL || !PyArg_ParseTuple(given, "iO!", &column->holds, &PyTuple_Type, &children)) return NULL;
    if (add_column(self, column) < 0) return NULL;
    column->n_children = (size_t)PyTuple_Size(children);
    size_t expected = column->holds == OUT_STRUCT ? rule->n_fields : column->holds == OUT_LIST;
    if (column->n_children != expected || (column->holds == OUT_LIST && rule->item == NULL) || column->holds < 0 ||
        column->holds > OUT_STRUCT) {
        PyErr_SetString(PyExc_ValueError, "the columns are not those of the rules");
        return NULL;
    }
    column->children = allocate(self, column->n_children, sizeof *column->children);
    if (column->children == NULL) return NULL;
    for (size_t i = 0; i < column->n_children; i++) {
        Rule *filled_by = column->holds == OUT_STRUCT ? rule->fields[i].rule : rule->item;
        Column *child = column_of(self, PyTuple_GetItem(children, (Py_ssize_t)i), filled_by);
        if (child == NULL) return NULL;
        column->children[i] = child;
        if (column->holds == OUT_STRUCT) rule->fields[i].out = child;
    }
    return column;
}

/* -- answers -------------------------------------------------------------------------------------------------------- */

static int to_double(const char *text, double *value) {
    char *end;
    *value = PyOS_string_to_double(text, &end, NULL);
    if (PyErr_Occurred()) {
        PyErr_Clear();
        return 0;
    }
    return *end == 0;
}

/* Appends `index` where the payload is doubtful. */
static int ask(Decoder *self, const uint8_t *payload, Py_ssize_t size, Py_ssize_t index, PyObject *doubtful) {
    int answer = payload ? decide(&self->program, payload, (size_t)size, to_double) : 0;
    if (answer > 0) return 0;
    if (answer < 0) {
        PyErr_NoMemory();
        return -1;
    }
    PyObject *number = PyLong_FromSsize_t(index);
    if (number == NULL) return -1;
    int failed = PyList_Append(doubtful, number);
    Py_DECREF(number);
    return failed;
}

static PyObject *ask_all(Decoder *self, PyObject *payloads) {
    PyObject *doubtful = PyList_New(0);
    Module *module = PyType_GetModuleState(Py_TYPE((PyObject *)self));
    if (doubtful == NULL || module == NULL) {
        Py_XDECREF(doubtful);
        return NULL;
    }
    int failed = 0;
    if (Py_TYPE(payloads) == module->bytes_type) {
        const Bytes *bytes = (Bytes *)payloads;
        const Store *store = bytes->store;
        for (Py_ssize_t i = 0; i < bytes->rows && !failed; i++) {
            size_t row = (size_t)(bytes->first + i);
            const uint8_t *payload = store_valid(store, row) ? store->data + store->ends[row] : NULL;
            failed = ask(self, payload, store->ends[row + 1] - store->ends[row], i, doubtful);
        }
    } else {
        PyObject *list = PySequence_List(payloads);
        Py_ssize_t n = list ? PyList_Size(list) : 0;
        failed = list == NULL;
        for (Py_ssize_t i = 0; i < n && !failed; i++) {
            PyObject *item = PyList_GetItem(list, i);
            char *payload = NULL;
            Py_ssize_t size = 0;
            failed = item != Py_None && PyBytes_AsStringAndSize(item, &payload, &size) < 0;
            if (!failed) failed = ask(self, (uint8_t *)payload, size, i, doubtful);
        }
        Py_XDECREF(list);
    }
    if (failed) Py_CLEAR(doubtful);
    return doubtful;
}

static void empty(Program *program) {
    for (size_t i = 0; i < program->n_columns; i++) {
        Column *column = program->columns[i];
        column->rows = column->nulls = 0;
        column->valid.size = column->data.size = column->offsets.size = 0;
    }
}

static PyObject *decoder_doubtful(PyObject *object, PyObject *payloads) {
    Decoder *self = (Decoder *)object;
    Column *out = self->program.out;
    self->program.out = NULL;
    PyObject *doubtful = ask_all(self, payloads);
    self->program.out = out;
    return doubtful;
}

static PyObject *as_bytes(const Buffer *buffer, size_t zeros_before) {
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(buffer->size + zeros_before));
    char *into = bytes ? PyBytes_AsString(bytes) : NULL;
    if (into == NULL) return NULL;
    memset(into, 0, zeros_before);
    if (buffer->size) memcpy(into + zeros_before, buffer->bytes, buffer->size);
    return bytes;
}

static PyObject *as_bits(const Buffer *buffer) {
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(buffer->size / 8 + 1));
    char *into = bytes ? PyBytes_AsString(bytes) : NULL;
    if (into == NULL) return NULL;
    memset(into, 0, buffer->size / 8 + 1);
    for (size_t i = 0; i < buffer->size; i++) into[i >> 3] |= (char)(buffer->bytes[i] << (i & 7));
    return bytes;
}

static PyObject *column_out(const Column *column) {
    PyObject *valid, *offsets, *data;
    int ends = column->holds == OUT_STRING || column->holds == OUT_LIST;
    int values = column->holds != OUT_LIST && column->holds != OUT_STRUCT;
    valid = column->nulls ? as_bits(&column->valid) : Py_NewRef(Py_None);
    offsets = ends ? as_bytes(&column->offsets, sizeof(int32_t)) : Py_NewRef(Py_None);
    data = !values                          ? Py_NewRef(Py_None)
           : column->holds == OUT_BOOLEAN ? as_bits(&column->data)
                                            : as_bytes(&column->data, 0);
    if (valid == NULL || offsets == NULL || data == NULL) {
        Py_XDECREF(valid);
        Py_XDECREF(offsets);
        Py_XDECREF(data);
        return NULL;
    }
    return Py_BuildValue("(LLNNN)", (long long)column->rows, (long long)column->nulls, valid, offsets, data);
}

static PyObject *decoder_columns(PyObject *object, PyObject *payloads) {
    Decoder *self = (Decoder *)object;
    if (self->program.out == NULL) {
        PyErr_SetString(PyExc_ValueError, "this decoder was made without columns");
        return NULL;
    }
    empty(&self->program);
    PyObject *doubtful = ask_all(self, payloads);
    PyObject *columns = doubtful ? PyList_New((Py_ssize_t)self->program.n_columns) : NULL;
    for (size_t i = 0; columns != NULL && i < self->program.n_columns; i++) {
        PyObject *column = column_out(self->program.columns[i]);
        if (column == NULL || PyList_SetItem(columns, (Py_ssize_t)i, column) < 0) Py_CLEAR(columns);
    }
    if (columns == NULL) {
        Py_XDECREF(doubtful);
        return NULL;
    }
    return Py_BuildValue("(NN)", doubtful, columns);
}

/* -- the type ------------------------------------------------------------------------------------------------------- */

static void decoder_dealloc(Decoder *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    for (size_t i = 0; i < self->program.n_columns; i++) {
        Column *column = self->program.columns[i];
        free(column->valid.bytes);
        free(column->offsets.bytes);
        free(column->data.bytes);
    }
    PyMem_Free(self->program.columns);
    while (self->blocks != NULL) {
        Block *block = self->blocks;
        self->blocks = block->before;
        free(block);
    }
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyObject *decoder_make(PyTypeObject *type, PyObject *arguments, PyObject *names) {
    PyObject *rule, *columns = Py_None;
    int depth_max;
    static char *keywords[] = {"rule", "depth_max", "columns", NULL};
    if (!PyArg_ParseTupleAndKeywords(arguments, names, "O!i|O", keywords, &PyTuple_Type, &rule, &depth_max, &columns))
        return NULL;
    if (depth_max < 0 || depth_max > DEPTH_MAX) {
        PyErr_Format(PyExc_ValueError, "depth_max is %d, and at most %d", depth_max, DEPTH_MAX);
        return NULL;
    }
    Decoder *self = PyObject_New(Decoder, type);
    if (self == NULL) return NULL;
    self->program = (Program){.depth_max = depth_max};
    self->blocks = NULL;
    self->program.rule = rule_of(self, rule, DEPTH_MAX);
    if (self->program.rule != NULL && columns != Py_None)
        self->program.out = column_of(self, columns, self->program.rule);
    if (self->program.rule == NULL || (columns != Py_None && self->program.out == NULL)) {
        decoder_dealloc(self);
        return NULL;
    }
    return (PyObject *)self;
}

static PyMethodDef methods[] = {
    {"doubtful", decoder_doubtful, METH_O, "The indices of the payloads that are not surely allowed, ascending."},
    {"columns", decoder_columns, METH_O, "The same, and the columns of all others."},
    {0},
};
static PyType_Slot slots[] = {
    {Py_tp_doc, "Decides which JSON payloads are surely allowed."},
    {Py_tp_new, decoder_make},
    {Py_tp_dealloc, decoder_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};
PyType_Spec decoder_spec = {
    .name = "streamlake_native.Decoder",
    .basicsize = sizeof(Decoder),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};
