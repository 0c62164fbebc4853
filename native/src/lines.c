/* JSON lines of the envelope as columns, where no text in them needs unescaping; one pass, and no Python within it. */
#include "native.h"

#include <string.h>

typedef struct {
    const char *at, *end;
} Text; /* what is left of a line */

typedef struct {
    const char *bytes; /* NULL for null */
    size_t size;
} Item;

typedef struct {
    int64_t offset, milliseconds;
    int8_t kind;
    Item key, headers, value;
} Line;

static const char *const KINDS[] = {"NoTimestampType\"", "CreateTime\"", "LogAppendTime\""};
enum { DIGITS_MAX = 18, NO_TIMESTAMP = -1 };

static int skip(Text *text, const char *word, size_t size) {
    if ((size_t)(text->end - text->at) < size || memcmp(text->at, word, size) != 0) return 0;
    text->at += size;
    return 1;
}
#define SKIP(text, word) skip(text, word, sizeof(word) - 1)

static int number(Text *text, int64_t *found) {
    const char *begin = text->at;
    int64_t value = 0;
    for (; text->at < text->end && *text->at >= '0' && *text->at <= '9'; text->at++) {
        if (text->at - begin == DIGITS_MAX) return 0;
        value = value * 10 + (*text->at - '0');
    }
    *found = value;
    return text->at > begin;
}

/* A string as it stands, or null. */
static int plain(Text *text, Item *item) {
    if (SKIP(text, "null")) {
        *item = (Item){NULL, 0};
        return 1;
    }
    if (!SKIP(text, "\"")) return 0;
    const char *quote = memchr(text->at, '"', (size_t)(text->end - text->at));
    if (quote == NULL || memchr(text->at, '\\', (size_t)(quote - text->at)) != NULL) return 0;
    *item = (Item){text->at, (size_t)(quote - text->at)};
    text->at = quote + 1;
    return 1;
}

/* What stands before the next `word`, which is passed over. */
static int before(Text *text, const char *word, size_t size, Item *item) {
    const char *found = memmem(text->at, (size_t)(text->end - text->at), word, size);
    if (found == NULL) return 0;
    *item = (Item){text->at, (size_t)(found - text->at)};
    text->at = found + size;
    return 1;
}
#define BEFORE(text, word, item) before(text, word, sizeof(word) - 1, item)

static int timestamp(Text *text, Line *line) {
    line->milliseconds = NO_TIMESTAMP;
    if (!SKIP(text, "null")) {
        int negative = SKIP(text, "-");
        if (!number(text, &line->milliseconds)) return 0;
        if (negative) line->milliseconds = -line->milliseconds;
    }
    if (!SKIP(text, ",\"_timestamp_type\":\"")) return 0;
    for (line->kind = 0; line->kind < 3; line->kind++)
        if (skip(text, KINDS[line->kind], strlen(KINDS[line->kind]))) return 1;
    return 0;
}

/* From the headers on: their text without the last bracket, and the value up to the line's own brace. */
static int headers_and_value(Text *text, int quoted, Line *line) {
    line->headers = (Item){NULL, 0};
    if (text->at < text->end && *text->at == '[') {
        /* Quotes within JSON strings are escaped, so this can't stand in a header: the first is the one. */
        if (!BEFORE(text, "],\"value\":", &line->headers)) return 0;
    } else if (!SKIP(text, "null,\"value\":")) {
        return 0;
    }
    if (quoted) return plain(text, &line->value) && text->end - text->at == 1 && *text->at == '}';
    if (text->at >= text->end || text->end[-1] != '}') return 0;
    line->value = (Item){text->at, (size_t)(text->end - 1 - text->at)};
    return 1;
}

/* Whether the line was taken; of `contents` only offset and value are told. */
static int take(Text *text, int quoted, int contents, Line *line) {
    int64_t partition;
    Item passed;
    if (!SKIP(text, "{\"_partition\":") || !number(text, &partition)) return 0;
    if (!SKIP(text, ",\"_offset\":") || !number(text, &line->offset)) return 0;
    if (!SKIP(text, ",\"_timestamp\":")) return 0;
    if (contents) {
        if (!BEFORE(text, ",\"_headers\":", &passed)) return 0;
    } else if (!timestamp(text, line) || !SKIP(text, ",\"_key\":") || !plain(text, &line->key) ||
               !SKIP(text, ",\"_headers\":")) {
        return 0;
    }
    return headers_and_value(text, quoted, line);
}

static Py_ssize_t count(const char *at, const char *end) {
    Py_ssize_t lines = 0;
    for (; (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++) lines++;
    return lines;
}

/* Where the items of a new bytes object go, which is theirs alone until it is answered. */
static void *place_in(PyObject *bytes) { return PyBytes_AsString(bytes); }

typedef struct {
    PyObject *offsets, *milliseconds, *kinds;
    Store *keys, *headers, *values;
} Columns;

static void forget(Columns *columns) {
    Py_XDECREF(columns->offsets);
    Py_XDECREF(columns->milliseconds);
    Py_XDECREF(columns->kinds);
    if (columns->keys != NULL) store_release(columns->keys);
    if (columns->headers != NULL) store_release(columns->headers);
    if (columns->values != NULL) store_release(columns->values);
}

/* 1 for all lines, 0 where one was not taken, -1 with an exception set. */
static int fill(const char *at, const char *end, int quoted, int contents, Columns *columns) {
    Py_ssize_t rows = count(at, end), row = 0;
    int64_t *offsets, *milliseconds = NULL;
    int8_t *kinds = NULL;
    columns->offsets = PyBytes_FromStringAndSize(NULL, rows * (Py_ssize_t)sizeof *offsets);
    columns->values = store_new((size_t)rows, (size_t)(end - at));
    if (columns->offsets == NULL || columns->values == NULL) return -1;
    offsets = place_in(columns->offsets);
    if (!contents) {
        columns->milliseconds = PyBytes_FromStringAndSize(NULL, rows * (Py_ssize_t)sizeof *milliseconds);
        columns->kinds = PyBytes_FromStringAndSize(NULL, rows);
        columns->keys = store_new((size_t)rows, (size_t)rows * 16);
        columns->headers = store_new((size_t)rows, 0);
        if (columns->milliseconds == NULL || columns->kinds == NULL || columns->keys == NULL ||
            columns->headers == NULL)
            return -1;
        milliseconds = place_in(columns->milliseconds);
        kinds = place_in(columns->kinds);
    }
    for (const char *next; at < end; at = next + 1, row++) {
        Line line;
        next = memchr(at, '\n', (size_t)(end - at));
        if (next == NULL) return 0;
        Text text = {at, next};
        if (!take(&text, quoted, contents, &line)) return 0;
        offsets[row] = line.offset;
        if (store_add(columns->values, line.value.bytes, line.value.size) < 0) return -1;
        if (contents) continue;
        milliseconds[row] = line.milliseconds;
        kinds[row] = line.kind;
        if (store_add(columns->keys, line.key.bytes, line.key.size) < 0 ||
            store_add(columns->headers, line.headers.bytes, line.headers.size) < 0)
            return -1;
    }
    return 1;
}

static PyObject *packed(PyObject *module, Store **store) {
    Store *given = *store;
    *store = NULL; /* it is taken over, come what may */
    return bytes_new(((Module *)PyModule_GetState(module))->bytes_type, given, 0, (Py_ssize_t)given->rows);
}

static PyObject *answered(PyObject *module, PyObject *arguments, int contents) {
    const char *block;
    Py_ssize_t size;
    int quoted;
    if (!PyArg_ParseTuple(arguments, "y#p", &block, &size, &quoted)) return NULL;
    if (size == 0 || size > INT32_MAX) Py_RETURN_NONE; /* no line; more than one column holds */
    Columns columns = {0};
    PyObject *found = NULL;
    int filled = fill(block, block + size, quoted, contents, &columns);
    if (filled == 0) {
        found = Py_NewRef(Py_None);
    } else if (filled == 1 && contents) {
        found = Py_BuildValue("(ON)", columns.offsets, packed(module, &columns.values));
    } else if (filled == 1) {
        int none = columns.headers->nulls == columns.headers->rows;
        PyObject *keys = packed(module, &columns.keys), *values = packed(module, &columns.values);
        PyObject *headers = none ? Py_NewRef(Py_None) : packed(module, &columns.headers);
        found = Py_BuildValue("(OOONNN)", columns.offsets, columns.milliseconds, columns.kinds, keys, headers, values);
    }
    forget(&columns);
    return found;
}

static PyObject *envelopes(PyObject *module, PyObject *arguments) { return answered(module, arguments, 0); }
static PyObject *contents(PyObject *module, PyObject *arguments) { return answered(module, arguments, 1); }

PyMethodDef lines_methods[] = {
    {"envelopes", envelopes, METH_VARARGS, "Whole lines of the envelope as columns; None where one is not plain."},
    {"contents", contents, METH_VARARGS, "Offsets and values of whole lines of the envelope; None where one is not plain."},
    {0},
};
