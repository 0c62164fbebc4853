/* `Reader`: one partition from librdkafka, many messages a call, straight into columns.
 *
 * librdkafka is the one that confluent-kafka brings: its public functions are looked up in that library, and declared
 * here as in rdkafka.h 2.x, whose ABI is kept (https://github.com/confluentinc/librdkafka/blob/master/src/rdkafka.h).
 */
#include "native.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    int err;
    void *rkt;
    int32_t partition;
    void *payload;
    size_t len;
    void *key;
    size_t key_len;
    int64_t offset;
    void *opaque;
} Message;

typedef struct {
    char *topic;
    int32_t partition;
    int64_t offset;
    void *metadata;
    size_t metadata_size;
    void *opaque;
    int err;
    void *internal;
} Place;

typedef struct {
    int count, room;
    Place *places;
} Places;

enum { CONSUMER = 1, CONF_OK = 0, NO_ERROR = 0, OFFSET_INVALID = -1001, NOTHING_READ = -2, SAID = 512, MESSAGES_MAX = 10000 };

#define FUNCTIONS(do)                                                                                                  \
    do(void *, conf_new, (void))                                                                                       \
    do(void, conf_destroy, (void *))                                                                                   \
    do(int, conf_set, (void *, const char *, const char *, char *, size_t))                                            \
    do(void *, new, (int, void *, char *, size_t))                                                                     \
    do(int, poll_set_consumer, (void *))                                                                               \
    do(int, set_log_queue, (void *, void *))                                                                           \
    do(void *, queue_new, (void *))                                                                                    \
    do(void *, queue_get_consumer, (void *))                                                                           \
    do(void, queue_destroy, (void *))                                                                                  \
    do(void *, queue_poll, (void *, int))                                                                              \
    do(int, event_log, (void *, const char **, const char **, int *))                                                  \
    do(void, event_destroy, (void *))                                                                                  \
    do(int, assign, (void *, const Places *))                                                                          \
    do(int, position, (void *, Places *))                                                                              \
    do(Places *, topic_partition_list_new, (int))                                                                      \
    do(Place *, topic_partition_list_add, (Places *, const char *, int32_t))                                           \
    do(void, topic_partition_list_destroy, (Places *))                                                                 \
    do(void, topic_partition_set_leader_epoch, (Place *, int32_t))                                                     \
    do(int32_t, topic_partition_get_leader_epoch, (const Place *))                                                     \
    do(ssize_t, consume_batch_queue, (void *, int, Message **, size_t))                                                \
    do(void, message_destroy, (Message *))                                                                             \
    do(const char *, message_errstr, (const Message *))                                                                \
    do(int64_t, message_timestamp, (const Message *, int *))                                                           \
    do(int, message_headers, (const Message *, void **))                                                               \
    do(int32_t, message_leader_epoch, (const Message *))                                                               \
    do(int, header_get_all, (const void *, size_t, const char **, const void **, size_t *))                            \
    do(const char *, err2str, (int))                                                                                   \
    do(int, last_error, (void))                                                                                        \
    do(int, consumer_close, (void *))                                                                                  \
    do(void, destroy, (void *))

#define DECLARED(gives, name, takes) gives(*name) takes;
static struct {
    FUNCTIONS(DECLARED)
} kafka;

typedef struct {
    Store *keys, *values;
    int64_t *offsets, *timestamps;
    uint8_t *types;
    size_t room;
    PyObject *headers; /* a list, once a record has some */
} Columns;

typedef struct {
    PyObject_HEAD
    void *client, *queue, *logs;
    Places *place;
    PyObject *unreadable; /* stands for headers with a name that is not UTF-8 */
    Message *messages[MESSAGES_MAX];
    Columns columns;
    size_t rows_hint, bytes_hint; /* of the slice before */
    Py_ssize_t bytes;             /* of keys, values and headers */
    int32_t last_epoch;
    char *seen; /* the headers of the record before, as librdkafka gives them */
    size_t seen_size, seen_room;
    int broken; /* adding a message failed */
} Reader;

/* -- opening and closing -------------------------------------------------------------------------------------------- */

static int look_up(const char *path) {
    if (kafka.destroy != NULL) return 0;
    /* Never closed: the functions are used as long as the process lives. */
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        PyErr_SetString(PyExc_ImportError, dlerror());
        return -1;
    }
#define LOOKED_UP(gives, name, takes)                                                                                  \
    *(void **)&kafka.name = dlsym(library, "rd_kafka_" #name);                                                         \
    if (kafka.name == NULL) {                                                                                          \
        kafka.destroy = NULL;                                                                                          \
        PyErr_SetString(PyExc_ImportError, "this librdkafka has no rd_kafka_" #name);                                  \
        return -1;                                                                                                     \
    }
    FUNCTIONS(LOOKED_UP)
    return 0;
}

static void *configured(PyObject *properties) {
    char said[SAID];
    void *conf = kafka.conf_new();
    Py_ssize_t n = PyList_Size(properties);
    for (Py_ssize_t i = 0; i < n; i++) {
        const char *name, *value;
        if (!PyArg_ParseTuple(PyList_GetItem(properties, i), "ss", &name, &value)) goto failed;
        if (kafka.conf_set(conf, name, value, said, sizeof said) != CONF_OK) {
            PyErr_SetString(PyExc_ValueError, said);
            goto failed;
        }
    }
    return conf;
failed:
    kafka.conf_destroy(conf);
    return NULL;
}

static int empty_columns(Reader *self) {
    Columns fresh = {.keys = store_new(self->rows_hint, self->rows_hint * 8)};
    if (fresh.keys == NULL) return -1;
    fresh.values = store_new(self->rows_hint, self->bytes_hint);
    if (fresh.values == NULL) {
        store_release(fresh.keys);
        return -1;
    }
    self->columns = fresh;
    self->bytes = 0;
    self->seen_size = 0;
    return 0;
}

static void let_go(Columns *columns) {
    if (columns->keys != NULL) store_release(columns->keys);
    if (columns->values != NULL) store_release(columns->values);
    free(columns->offsets);
    free(columns->timestamps);
    free(columns->types);
    Py_XDECREF(columns->headers);
    *columns = (Columns){0};
}

static void shut(Reader *self) {
    if (self->client == NULL) return;
    void *client = self->client;
    self->client = NULL;
    Py_BEGIN_ALLOW_THREADS
    kafka.consumer_close(client);
    kafka.queue_destroy(self->queue);
    kafka.set_log_queue(client, NULL);
    kafka.queue_destroy(self->logs);
    kafka.topic_partition_list_destroy(self->place);
    kafka.destroy(client);
    Py_END_ALLOW_THREADS
}

static void reader_dealloc(Reader *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    shut(self);
    let_go(&self->columns);
    free(self->seen);
    Py_XDECREF(self->unreadable);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyObject *reader_make(PyTypeObject *type, PyObject *arguments, PyObject *names) {
    const char *path, *topic;
    int partition;
    PyObject *properties, *unreadable;
    char said[SAID];
    static char *keywords[] = {"library", "properties", "topic", "partition", "unreadable", NULL};
    if (!PyArg_ParseTupleAndKeywords(arguments, names, "sO!siO", keywords, &path, &PyList_Type, &properties, &topic,
                                     &partition, &unreadable))
        return NULL;
    if (look_up(path) < 0) return NULL;
    Reader *self = PyObject_New(Reader, type);
    if (self == NULL) return NULL;
    memset((char *)self + sizeof(PyObject), 0, sizeof *self - sizeof(PyObject));
    self->unreadable = Py_NewRef(unreadable);
    self->last_epoch = NOTHING_READ;
    void *conf = empty_columns(self) < 0 ? NULL : configured(properties);
    if (conf == NULL) {
        reader_dealloc(self);
        return NULL;
    }
    self->client = kafka.new(CONSUMER, conf, said, sizeof said);
    if (self->client == NULL) {
        kafka.conf_destroy(conf);
        PyErr_SetString(PyExc_ValueError, said);
        reader_dealloc(self);
        return NULL;
    }
    kafka.poll_set_consumer(self->client);
    self->queue = kafka.queue_get_consumer(self->client);
    if (self->queue == NULL) {
        kafka.destroy(self->client);
        self->client = NULL;
        PyErr_SetString(PyExc_ValueError, "a consumer needs a group.id");
        reader_dealloc(self);
        return NULL;
    }
    self->logs = kafka.queue_new(self->client);
    kafka.set_log_queue(self->client, self->logs);
    self->place = kafka.topic_partition_list_new(1);
    kafka.topic_partition_list_add(self->place, topic, partition);
    return (PyObject *)self;
}

static int is_open(const Reader *self) {
    if (self->client != NULL && !self->broken) return 1;
    PyErr_SetString(PyExc_RuntimeError, self->broken ? "the reader has failed before" : "the reader is closed");
    return 0;
}

/* What librdkafka says may quote anything. */
static PyObject *words(const char *said) { return PyUnicode_DecodeUTF8(said, (Py_ssize_t)strlen(said), "replace"); }

static PyObject *refused(int code, const char *said) { return Py_BuildValue("(iN)", code, words(said)); }

static PyObject *reader_assign(PyObject *object, PyObject *arguments) {
    Reader *self = (Reader *)object;
    long long offset;
    int epoch, code;
    if (!PyArg_ParseTuple(arguments, "Li", &offset, &epoch) || !is_open(self)) return NULL;
    self->place->places[0].offset = offset;
    kafka.topic_partition_set_leader_epoch(&self->place->places[0], epoch);
    Py_BEGIN_ALLOW_THREADS
    code = kafka.assign(self->client, self->place);
    Py_END_ALLOW_THREADS
    if (code != NO_ERROR) return refused(code, kafka.err2str(code));
    Py_RETURN_NONE;
}

static PyObject *reader_position(PyObject *object, PyObject *unused) {
    Reader *self = (Reader *)object;
    (void)unused;
    if (!is_open(self)) return NULL;
    Place *place = &self->place->places[0];
    place->offset = OFFSET_INVALID;
    kafka.topic_partition_set_leader_epoch(place, -1);
    kafka.position(self->client, self->place);
    return Py_BuildValue("(Li)", (long long)place->offset, kafka.topic_partition_get_leader_epoch(place));
}

static PyObject *reader_logs(PyObject *object, PyObject *unused) {
    Reader *self = (Reader *)object;
    (void)unused;
    PyObject *lines = PyList_New(0);
    void *event;
    while (lines != NULL && self->client != NULL && (event = kafka.queue_poll(self->logs, 0)) != NULL) {
        const char *facility, *said;
        int level;
        if (kafka.event_log(event, &facility, &said, &level) == 0) {
            PyObject *line = Py_BuildValue("(iNN)", level, words(facility), words(said));
            if (line == NULL || PyList_Append(lines, line) < 0) Py_CLEAR(lines);
            Py_XDECREF(line);
        }
        kafka.event_destroy(event);
    }
    return lines;
}

static PyObject *reader_close(PyObject *object, PyObject *unused) {
    (void)unused;
    shut((Reader *)object);
    Py_RETURN_NONE;
}

/* -- reading -------------------------------------------------------------------------------------------------------- */

static int room_for(Columns *columns, size_t rows) {
    if (columns->room >= rows) return 0;
    size_t room = columns->room * 2 > rows ? columns->room * 2 : rows;
    int64_t *offsets = realloc(columns->offsets, room * sizeof *offsets);
    if (offsets != NULL) columns->offsets = offsets;
    int64_t *timestamps = realloc(columns->timestamps, room * sizeof *timestamps);
    if (timestamps != NULL) columns->timestamps = timestamps;
    uint8_t *types = realloc(columns->types, room);
    if (types != NULL) columns->types = types;
    if (offsets == NULL || timestamps == NULL || types == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    columns->room = room;
    return 0;
}

/* The headers as one run of bytes, behind `from` in `seen`: each name with its end, a size (-1 for null), the value. */
static int write_down(Reader *self, const void *headers, size_t from, size_t *size) {
    const char *name;
    const void *value;
    size_t length, at = from;
    for (size_t i = 0; kafka.header_get_all(headers, i, &name, &value, &length) == NO_ERROR; i++) {
        size_t name_size = strlen(name) + 1;
        int64_t said = value ? (int64_t)length : -1;
        size_t needed = name_size + sizeof said + (value ? length : 0);
        if (self->seen_room - at < needed) {
            size_t room = (at + needed) * 2;
            char *seen = realloc(self->seen, room);
            if (seen == NULL) {
                PyErr_NoMemory();
                return -1;
            }
            self->seen = seen;
            self->seen_room = room;
        }
        memcpy(self->seen + at, name, name_size);
        memcpy(self->seen + at + name_size, &said, sizeof said);
        if (value != NULL) memcpy(self->seen + at + name_size + sizeof said, value, length);
        at += needed;
    }
    *size = at - from;
    return 0;
}

/* What was written down as a list of pairs, None for none; `unreadable` where a name is not UTF-8. */
static PyObject *pairs(const Reader *self, const char *at, size_t size, Py_ssize_t *bytes) {
    const char *end = at + size;
    *bytes = 0;
    if (size == 0) return Py_NewRef(Py_None);
    PyObject *list = PyList_New(0);
    while (list != NULL && at < end) {
        size_t name_size = strlen(at);
        int64_t length;
        PyObject *name = PyUnicode_DecodeUTF8(at, (Py_ssize_t)name_size, "strict");
        if (name == NULL) {
            Py_DECREF(list);
            if (!PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) return NULL;
            PyErr_Clear();
            return Py_NewRef(self->unreadable);
        }
        at += name_size + 1;
        memcpy(&length, at, sizeof length);
        at += sizeof length;
        *bytes += PyUnicode_GetLength(name) + (length > 0 ? length : 0);
        PyObject *value = length < 0 ? Py_NewRef(Py_None) : PyBytes_FromStringAndSize(at, length);
        at += length > 0 ? length : 0;
        PyObject *pair = value ? Py_BuildValue("(NN)", name, value) : NULL;
        if (value == NULL) Py_DECREF(name);
        if (pair == NULL || PyList_Append(list, pair) < 0) Py_CLEAR(list);
        Py_XDECREF(pair);
    }
    return list;
}

/* Neighbours mostly have the same headers: these share one list. */
static int add_headers(Reader *self, const Message *message, size_t row) {
    void *headers;
    size_t size = 0;
    Columns *columns = &self->columns;
    int some = kafka.message_headers(message, &headers) == NO_ERROR;
    if (!some && columns->headers == NULL) return 0;
    if (columns->headers == NULL) {
        columns->headers = PyList_New(0);
        for (size_t i = 0; columns->headers != NULL && i < row; i++)
            if (PyList_Append(columns->headers, Py_None) < 0) return -1;
        if (columns->headers == NULL) return -1;
    }
    if (some && write_down(self, headers, self->seen_size, &size) < 0) return -1;
    int same = row > 0 && size == self->seen_size && (size == 0 || memcmp(self->seen, self->seen + size, size) == 0);
    PyObject *list;
    Py_ssize_t bytes = 0;
    if (same) {
        list = Py_NewRef(PyList_GetItem(columns->headers, (Py_ssize_t)row - 1));
        bytes = 0;
        for (Py_ssize_t i = 0, n = PyList_Check(list) ? PyList_Size(list) : 0; i < n; i++) {
            PyObject *pair = PyList_GetItem(list, i), *value = PyTuple_GetItem(pair, 1);
            bytes += PyUnicode_GetLength(PyTuple_GetItem(pair, 0)) + (value == Py_None ? 0 : PyBytes_Size(value));
        }
    } else {
        list = pairs(self, self->seen + self->seen_size, size, &bytes);
        if (size) memmove(self->seen, self->seen + self->seen_size, size);
        self->seen_size = size;
    }
    if (list == NULL) return -1;
    self->bytes += bytes;
    int failed = PyList_Append(columns->headers, list);
    Py_DECREF(list);
    return failed;
}

static int add(Reader *self, const Message *message) {
    Columns *columns = &self->columns;
    size_t row = columns->values->rows;
    int type = 0;
    if (room_for(columns, row + 1) < 0) return -1;
    if (store_add(columns->keys, message->key, message->key ? message->key_len : 0) < 0) return -1;
    if (store_add(columns->values, message->payload, message->payload ? message->len : 0) < 0) return -1;
    columns->offsets[row] = message->offset;
    columns->timestamps[row] = kafka.message_timestamp(message, &type);
    columns->types[row] = (uint8_t)type;
    self->bytes += (Py_ssize_t)((message->key ? message->key_len : 0) + (message->payload ? message->len : 0));
    self->last_epoch = kafka.message_leader_epoch(message);
    return add_headers(self, message, row);
}

static PyObject *reader_read(PyObject *object, PyObject *arguments) {
    Reader *self = (Reader *)object;
    int count, milliseconds;
    long long until;
    ssize_t n;
    if (!PyArg_ParseTuple(arguments, "iiL", &count, &milliseconds, &until) || !is_open(self)) return NULL;
    if (count < 1 || count > MESSAGES_MAX) {
        PyErr_Format(PyExc_ValueError, "%d messages a call; 1 to %d", count, MESSAGES_MAX);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    n = kafka.consume_batch_queue(self->queue, milliseconds, self->messages, (size_t)count);
    Py_END_ALLOW_THREADS
    if (n < 0) {
        int code = kafka.last_error();
        return refused(code, kafka.err2str(code));
    }
    PyObject *error = NULL;
    int refusing = 0, failed = 0;
    for (ssize_t i = 0; i < n && !refusing; i++) {
        refusing = self->messages[i]->err != NO_ERROR;
        if (refusing) error = refused(self->messages[i]->err, kafka.message_errstr(self->messages[i]));
    }
    for (ssize_t i = 0; i < n; i++) {
        if (!refusing && !failed && (until < 0 || self->messages[i]->offset < until))
            failed = add(self, self->messages[i]);
        kafka.message_destroy(self->messages[i]);
    }
    if (failed) {
        self->broken = 1; /* a message may be there in part */
        return NULL;
    }
    return refusing ? error : PyLong_FromSsize_t(n);
}

static PyObject *copied(const void *bytes, size_t size) {
    return PyBytes_FromStringAndSize(bytes, (Py_ssize_t)size);
}

static PyObject *reader_take(PyObject *object, PyObject *unused) {
    Reader *self = (Reader *)object;
    (void)unused;
    Module *module = PyType_GetModuleState(Py_TYPE((PyObject *)self));
    if (module == NULL) return NULL;
    if (self->broken) {
        is_open(self);
        return NULL;
    }
    Columns full = self->columns;
    size_t rows = full.values->rows;
    self->rows_hint = rows;
    self->bytes_hint = full.values->size + full.values->size / 8;
    if (empty_columns(self) < 0) return NULL;
    PyObject *offsets = copied(full.offsets, rows * sizeof *full.offsets);
    PyObject *timestamps = copied(full.timestamps, rows * sizeof *full.timestamps);
    PyObject *types = copied(full.types, rows);
    PyObject *keys = bytes_new(module->bytes_type, full.keys, 0, (Py_ssize_t)rows);
    PyObject *values = bytes_new(module->bytes_type, full.values, 0, (Py_ssize_t)rows);
    PyObject *headers = full.headers ? Py_NewRef(full.headers) : Py_NewRef(Py_None);
    full.keys = full.values = NULL; /* they are the sequences' now */
    let_go(&full);
    if (offsets && timestamps && types && keys && values)
        return Py_BuildValue("(NNNNNN)", offsets, timestamps, types, keys, values, headers);
    Py_XDECREF(offsets);
    Py_XDECREF(timestamps);
    Py_XDECREF(types);
    Py_XDECREF(keys);
    Py_XDECREF(values);
    Py_DECREF(headers);
    return NULL;
}

/* -- the type ------------------------------------------------------------------------------------------------------- */

static PyObject *get_rows(Reader *self, void *unused) {
    (void)unused;
    return PyLong_FromSize_t(self->columns.values->rows);
}

static PyObject *get_bytes(Reader *self, void *unused) {
    (void)unused;
    return PyLong_FromSsize_t(self->bytes);
}

static PyObject *get_last_epoch(Reader *self, void *unused) {
    (void)unused;
    return PyLong_FromLong(self->last_epoch);
}

static PyMethodDef methods[] = {
    {"assign", reader_assign, METH_VARARGS, "Read from (offset, leader epoch) on."},
    {"read", reader_read, METH_VARARGS, "Take in up to so many messages, within milliseconds, below an offset."},
    {"take", reader_take, METH_NOARGS, "What was taken in, as columns."},
    {"position", reader_position, METH_NOARGS, "The next offset and its leader epoch."},
    {"logs", reader_logs, METH_NOARGS, "What librdkafka has logged since."},
    {"close", reader_close, METH_NOARGS, "Leave the broker."},
    {0},
};
static PyGetSetDef properties[] = {
    {"rows", (getter)get_rows, NULL, "The messages that were taken in.", NULL},
    {"bytes", (getter)get_bytes, NULL, "Their keys, values and headers.", NULL},
    {"last_epoch", (getter)get_last_epoch, NULL, "The leader epoch of the last one; -1: it had none, -2: there was none.", NULL},
    {0},
};
static PyType_Slot slots[] = {
    {Py_tp_doc, "Reads one partition."},
    {Py_tp_new, reader_make},
    {Py_tp_dealloc, reader_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {0, NULL},
};
PyType_Spec reader_spec = {
    .name = "streamlake_native.Reader",
    .basicsize = sizeof(Reader),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};
