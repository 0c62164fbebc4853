/* What a JSON text has to be, as rules; whether a text surely is that; and what it holds, column by column.
 *
 * Nothing here knows Python. A rule is a set of kinds with what holds of each; whatever is not surely allowed is
 * doubtful, and somebody else decides it: invalid JSON, a duplicate of a declared key, an escape where text is compared,
 * an integer past 64 bits with a sign, a number that might be no finite double.
 */
#ifndef STREAMLAKE_JSON_H
#define STREAMLAKE_JSON_H

#include <stddef.h>
#include <stdint.h>

enum {
    KIND_NULL = 1,
    KIND_BOOLEAN = 2,
    KIND_INTEGER = 4,
    KIND_DOUBLE = 8, /* a number with a fraction or an exponent */
    KIND_STRING = 16,
    KIND_ARRAY = 32,
    KIND_OBJECT = 64,
    KIND_ANY = 127,
};

enum { FORMAT_NONE, FORMAT_DATE, FORMAT_TIME, FORMAT_DATE_TIME, FORMAT_UUID };

/* What a column holds. A value that its column can't hold exactly is doubtful. */
enum { OUT_STRING, OUT_INTEGER, OUT_DOUBLE, OUT_BOOLEAN, OUT_DATE, OUT_TIMESTAMP, OUT_LIST, OUT_STRUCT };

typedef struct {
    uint8_t *bytes;
    size_t size, room;
} Buffer;

typedef struct Column Column;
struct Column {
    int holds;
    int64_t rows, nulls;
    Buffer valid;   /* a byte a row; only what is null makes it needed */
    Buffer offsets; /* int32, the end of each row: of strings and lists */
    Buffer data;
    Column **children; /* of a struct its fields, of a list its items */
    size_t n_children;
    int64_t mark_rows, mark_nulls;
    size_t mark_data;
};

typedef struct {
    uint8_t allowed[32]; /* a bit for each ASCII character */
    int32_t min, max;    /* how often; max -1 for any number */
} Atom;

typedef struct {
    Atom *atoms;
    size_t n_atoms;
    int to_end; /* `$`: nothing may follow */
} Pattern;

typedef struct {
    uint8_t *bytes;
    size_t size;
    uint64_t head, mask; /* the first 8 bytes, zeros for those that it has not; and ones for those that it has */
} Text;

typedef struct Rule Rule;
typedef struct {
    Text name;
    Rule *rule;
    Column *out;
} Field;

struct Rule {
    unsigned kinds;
    /* strings */
    int64_t length_min, length_max; /* in characters; -1 for none */
    int format;
    Pattern *pattern;
    Text *words; /* one of these, where there are any */
    size_t n_words;
    /* integers */
    int64_t integer_min, integer_max, multiple; /* multiple 0 for none */
    int64_t *integers;                          /* one of these, where there are any */
    size_t n_integers;
    /* doubles */
    double double_min, double_max;
    int above, below; /* the bound itself is not allowed */
    /* arrays */
    Rule *item; /* NULL for anything */
    int64_t items_min, items_max;
    /* objects */
    Field *fields;
    size_t n_fields; /* 64 at most */
    uint64_t required;
    int closed;
    Rule *others; /* of what is not declared; NULL for anything */
};

typedef struct {
    Rule *rule;
    int depth_max;
    Column *out;      /* a struct, or NULL where no columns are asked for */
    Column **columns; /* all of them */
    size_t n_columns;
} Program;

/* The correctly rounded double of a JSON number of at most 63 characters; 0 where there is none. */
typedef int (*ToDouble)(const char *text, double *value);

/* 1: the text is allowed, and is a row of the columns; 0: doubtful, the columns are as before; -1: no memory. */
int decide(Program *program, const uint8_t *text, size_t size, ToDouble to_double);

#endif
