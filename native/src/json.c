/* One pass over a JSON text: grammar, UTF-8, rules and columns together. See json.h. */
#include "json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

enum { NO = 0, YES = 1, NO_MEMORY = -1 };

typedef struct {
    const uint8_t *at, *end;
    int levels; /* how many more may be opened */
    ToDouble to_double;
} Reader;

typedef struct {
    const uint8_t *begin, *end;
    int escaped;
} Span;

typedef struct {
    int integer;
    int64_t whole; /* of an integer */
    uint64_t digits;
    int exponent, exact, negative; /* of a double: digits * 10^exponent, all digits were kept */
    const uint8_t *begin, *end;
} Number;

static const Rule ANYTHING = {
    .kinds = KIND_ANY,
    .length_min = -1,
    .length_max = -1,
    .integer_min = INT64_MIN,
    .integer_max = INT64_MAX,
    .double_min = -INFINITY,
    .double_max = INFINITY,
    .items_min = -1,
    .items_max = -1,
};

static int value(Reader *reader, const Rule *rule, Column *out);

/* -- columns -------------------------------------------------------------------------------------------------------- */

static int reserve(Buffer *buffer, size_t more) {
    if (LIKELY(buffer->room - buffer->size >= more)) return YES;
    size_t room = buffer->room ? buffer->room : 4096;
    while (room - buffer->size < more) room *= 2;
    uint8_t *bytes = realloc(buffer->bytes, room);
    if (bytes == NULL) return NO_MEMORY;
    buffer->bytes = bytes;
    buffer->room = room;
    return YES;
}

static int append(Buffer *buffer, const void *bytes, size_t size) {
    if (reserve(buffer, size) < 0) return NO_MEMORY;
    if (size) memcpy(buffer->bytes + buffer->size, bytes, size);
    buffer->size += size;
    return YES;
}

/* The byte of a row that is there; bytes stand for bits until the columns are handed out. */
static int present(Column *out) {
    if (reserve(&out->valid, 1) < 0) return NO_MEMORY;
    out->valid.bytes[out->valid.size++] = 1;
    out->rows++;
    return YES;
}

static int end_of_row(Column *out, size_t end) {
    if (end > INT32_MAX) return NO;
    int32_t offset = (int32_t)end;
    return append(&out->offsets, &offset, sizeof offset);
}

static int missing(Column *out) {
    static const uint64_t nothing = 0;
    int done = YES;
    switch (out->holds) {
    case OUT_STRING:
        done = end_of_row(out, out->data.size);
        break;
    case OUT_LIST:
        done = end_of_row(out, (size_t)out->children[0]->rows);
        break;
    case OUT_INTEGER:
    case OUT_DOUBLE:
    case OUT_TIMESTAMP:
        done = append(&out->data, &nothing, 8);
        break;
    case OUT_DATE:
        done = append(&out->data, &nothing, 4);
        break;
    case OUT_BOOLEAN:
        done = append(&out->data, &nothing, 1);
        break;
    default:
        for (size_t i = 0; i < out->n_children && done > 0; i++) done = missing(out->children[i]);
    }
    if (done <= 0) return done;
    if ((done = present(out)) < 0) return done;
    out->valid.bytes[out->valid.size - 1] = 0;
    out->nulls++;
    return YES;
}

static void mark(Program *program) {
    for (size_t i = 0; i < program->n_columns; i++) {
        Column *column = program->columns[i];
        column->mark_rows = column->rows;
        column->mark_nulls = column->nulls;
        column->mark_data = column->data.size;
    }
}

static void back_to_mark(Program *program) {
    for (size_t i = 0; i < program->n_columns; i++) {
        Column *column = program->columns[i];
        column->rows = column->mark_rows;
        column->nulls = column->mark_nulls;
        column->data.size = column->mark_data;
        column->valid.size = (size_t)column->mark_rows;
        if (column->holds == OUT_STRING || column->holds == OUT_LIST)
            column->offsets.size = (size_t)column->mark_rows * sizeof(int32_t);
    }
}

/* -- strings -------------------------------------------------------------------------------------------------------- */

static inline void blanks(Reader *reader) {
    while (reader->at < reader->end && *reader->at <= ' ') {
        uint8_t c = *reader->at;
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return;
        reader->at++;
    }
}

/* How many bytes the UTF-8 character at `at` has (Unicode 15, table 3-7); 0 where there is none. */
static inline size_t character(const uint8_t *at, const uint8_t *end) {
    uint8_t first = at[0];
    size_t left = (size_t)(end - at);
#define FOLLOWS(i) ((at[i] & 0xC0) == 0x80)
    if (first < 0x80) return 1;
    if (first < 0xC2) return 0;
    if (first < 0xE0) return left >= 2 && FOLLOWS(1) ? 2 : 0;
    if (first < 0xF0) {
        if (left < 3 || !FOLLOWS(1) || !FOLLOWS(2)) return 0;
        if (first == 0xE0 && at[1] < 0xA0) return 0; /* overlong */
        if (first == 0xED && at[1] > 0x9F) return 0; /* a surrogate */
        return 3;
    }
    if (first > 0xF4 || left < 4 || !FOLLOWS(1) || !FOLLOWS(2) || !FOLLOWS(3)) return 0;
    if (first == 0xF0 && at[1] < 0x90) return 0;
    if (first == 0xF4 && at[1] > 0x8F) return 0;
    return 4;
#undef FOLLOWS
}

static inline int hex4(const uint8_t *at, unsigned *code) {
    unsigned found = 0;
    for (int i = 0; i < 4; i++) {
        unsigned c = at[i], digit;
        if (c - '0' < 10) digit = c - '0';
        else if ((c | 32) - 'a' < 6) digit = (c | 32) - 'a' + 10;
        else return NO;
        found = found << 4 | digit;
    }
    *code = found;
    return YES;
}

/* The length of the escape at `at` (a backslash), and what it stands for; 0 where there is none. */
static size_t escape(const uint8_t *at, const uint8_t *end, unsigned *code) {
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    if (end - at < 2) return 0;
    const char *letter = at[1] ? strchr(letters, at[1]) : NULL;
    if (letter != NULL) {
        *code = (unsigned char)meanings[letter - letters];
        return 2;
    }
    unsigned low;
    if (at[1] != 'u' || end - at < 6 || !hex4(at + 2, code)) return 0;
    if (*code < 0xD800 || *code > 0xDFFF) return 6;
    if (*code > 0xDBFF || end - at < 12 || at[6] != '\\' || at[7] != 'u' || !hex4(at + 8, &low)) return 0;
    if (low < 0xDC00 || low > 0xDFFF) return 0;
    *code = 0x10000 + ((*code - 0xD800) << 10) + (low - 0xDC00);
    return 12;
}

/* Reads on from behind the opening quote to behind the closing one. */
static inline int string(Reader *reader, Span *span) {
    const uint8_t *at = reader->at, *end = reader->end;
    unsigned code;
    span->begin = at;
    span->escaped = 0;
    for (;;) {
#if defined(__SSE2__)
        while (end - at >= 16) {
            __m128i bytes = _mm_loadu_si128((const __m128i *)at);
            /* Signed: control characters and what is not ASCII are both less than a space. */
            __m128i special = _mm_or_si128(_mm_cmplt_epi8(bytes, _mm_set1_epi8(' ')),
                                           _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                                                        _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))));
            unsigned found = (unsigned)_mm_movemask_epi8(special);
            if (found) {
                at += __builtin_ctz(found);
                break;
            }
            at += 16;
        }
#endif
        while (at < end && *at >= ' ' && *at < 0x80 && *at != '"' && *at != '\\') at++;
        if (at >= end) return NO;
        if (*at == '"') break;
        size_t length = 0;
        if (*at == '\\') {
            span->escaped = 1;
            length = escape(at, end, &code);
        } else if (*at >= 0x80) {
            do {
                length = character(at, end);
                at += length;
            } while (length && at < end && *at >= 0x80);
            if (!length) return NO;
            continue;
        }
        if (!length) return NO;
        at += length;
    }
    span->end = at;
    reader->at = at + 1;
    return YES;
}

static int two(const uint8_t *at, int *number) {
    unsigned high = at[0] - '0', low = at[1] - '0';
    *number = (int)(high * 10 + low);
    return high < 10 && low < 10;
}

/* YYYY-MM-DD of a day that there is, from year 1 on; days since 1970. */
static int date(const uint8_t *at, size_t size, int32_t *days) {
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int century, year, month, day;
    if (size != 10 || at[4] != '-' || at[7] != '-') return NO;
    if (!two(at, &century) || !two(at + 2, &year) || !two(at + 5, &month) || !two(at + 8, &day)) return NO;
    year += century * 100;
    if (year < 1 || month < 1 || month > 12 || day < 1) return NO;
    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day > lengths[month - 1] + (month == 2 && leap)) return NO;
    /* Years from March on, in eras of 400 (Howard Hinnant, days_from_civil). */
    int y = year - (month <= 2), era = y / 400, of_era = y - era * 400;
    int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    *days = era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
    return YES;
}

/* hh:mm in minutes. */
static int clock_time(const uint8_t *at, int *minutes) {
    int hours, rest;
    if (!two(at, &hours) || at[2] != ':' || !two(at + 3, &rest) || hours > 23 || rest > 59) return NO;
    *minutes = hours * 60 + rest;
    return YES;
}

/* RFC 3339's full-time without leap seconds: microseconds since midnight in UTC; `exact`: these say all of it. */
static int time_of_day(const uint8_t *at, size_t size, int64_t *microseconds, int *exact) {
    const uint8_t *end = at + size;
    int minutes, seconds, away = 0;
    if (size < 9 || !clock_time(at, &minutes) || at[5] != ':' || !two(at + 6, &seconds) || seconds > 59) return NO;
    at += 8;
    int64_t parts = 0, unit = 1000000;
    *exact = YES;
    if (*at == '.') {
        const uint8_t *fraction = ++at;
        for (; at < end && (unsigned)(*at - '0') < 10; at++) {
            unit /= 10;
            parts += unit * (*at - '0');
            if (unit == 0 && *at != '0') *exact = NO;
        }
        if (at == fraction) return NO;
    }
    if (end - at == 1 && (*at | 32) == 'z') away = 0;
    else if (end - at != 6 || (*at != '+' && *at != '-') || !clock_time(at + 1, &away)) return NO;
    else if (*at == '-') away = -away;
    *microseconds = ((minutes - away) * 60 + seconds) * INT64_C(1000000) + parts;
    return YES;
}

static int date_time(const uint8_t *at, size_t size, int64_t *microseconds, int *exact) {
    int32_t days;
    if (size < 20 || !date(at, 10, &days) || (at[10] | 32) != 't') return NO;
    if (!time_of_day(at + 11, size - 11, microseconds, exact)) return NO;
    *microseconds += days * INT64_C(86400000000);
    return YES;
}

static int uuid(const uint8_t *at, size_t size) {
    if (size != 36) return NO;
    for (int i = 0; i < 36; i++) {
        int dash = i == 8 || i == 13 || i == 18 || i == 23;
        int hex = (unsigned)(at[i] - '0') < 10 || (unsigned)((at[i] | 32) - 'a') < 6;
        if (dash ? at[i] != '-' : !hex) return NO;
    }
    return YES;
}

static int formatted(int format, const uint8_t *at, size_t size) {
    int32_t days;
    int64_t microseconds;
    int exact;
    switch (format) {
    case FORMAT_DATE:
        return date(at, size, &days);
    case FORMAT_TIME:
        return time_of_day(at, size, &microseconds, &exact);
    case FORMAT_DATE_TIME:
        return date_time(at, size, &microseconds, &exact);
    default:
        return uuid(at, size);
    }
}

static inline int allows(const Atom *atom, uint8_t c) { return atom->allowed[c >> 3] >> (c & 7) & 1; }

static int matches_from(const Pattern *pattern, size_t number, const uint8_t *at, const uint8_t *end) {
    for (; number < pattern->n_atoms; number++) {
        const Atom *atom = &pattern->atoms[number];
        int32_t taken = 0;
        for (; taken < atom->min; taken++, at++)
            if (at >= end || !allows(atom, *at)) return NO;
        if (atom->max == atom->min) continue;
        /* One atom at most is open: what follows it is fixed, so each place is tried once. */
        for (;; at++, taken++) {
            if (matches_from(pattern, number + 1, at, end)) return YES;
            if (at >= end || !allows(atom, *at) || (atom->max >= 0 && taken >= atom->max)) return NO;
        }
    }
    return !pattern->to_end || at == end;
}

static int64_t characters(const Span *span) {
    int64_t found = 0;
    for (const uint8_t *at = span->begin; at < span->end; at++) found += (*at & 0xC0) != 0x80;
    return found;
}

/* Whether `at`, of which `left` bytes may be read, begins with the text: most are short, and need no call. */
static inline int begins_with(const uint8_t *at, size_t left, const Text *text) {
    if (UNLIKELY(left < 8)) return left >= text->size && memcmp(at, text->bytes, text->size) == 0;
    uint64_t head;
    memcpy(&head, at, 8);
    if ((head ^ text->head) & text->mask) return NO;
    return text->size <= 8 || (left >= text->size && memcmp(at + 8, text->bytes + 8, text->size - 8) == 0);
}

static inline int text_allowed(const Reader *reader, const Rule *rule, const Span *span) {
    size_t size = (size_t)(span->end - span->begin);
    if (rule->n_words) {
        if (span->escaped) return NO;
        size_t left = (size_t)(reader->end - span->begin);
        for (size_t i = 0; i < rule->n_words; i++)
            if (rule->words[i].size == size && begins_with(span->begin, left, &rule->words[i])) return YES;
        return NO;
    }
    if (rule->format != FORMAT_NONE && (span->escaped || !formatted(rule->format, span->begin, size))) return NO;
    if (rule->pattern != NULL && (span->escaped || !matches_from(rule->pattern, 0, span->begin, span->end))) return NO;
    if (rule->length_min < 0 && rule->length_max < 0) return YES;
    if (span->escaped) return NO;
    int64_t length = characters(span);
    return length >= rule->length_min && (rule->length_max < 0 || length <= rule->length_max);
}

static size_t utf8(unsigned code, uint8_t *into) {
    if (code < 0x80) {
        into[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        into[0] = (uint8_t)(0xC0 | code >> 6);
        into[1] = (uint8_t)(0x80 | (code & 63));
        return 2;
    }
    if (code < 0x10000) {
        into[0] = (uint8_t)(0xE0 | code >> 12);
        into[1] = (uint8_t)(0x80 | (code >> 6 & 63));
        into[2] = (uint8_t)(0x80 | (code & 63));
        return 3;
    }
    into[0] = (uint8_t)(0xF0 | code >> 18);
    into[1] = (uint8_t)(0x80 | (code >> 12 & 63));
    into[2] = (uint8_t)(0x80 | (code >> 6 & 63));
    into[3] = (uint8_t)(0x80 | (code & 63));
    return 4;
}

/* What a span stands for is never longer than itself. */
static int append_text(Column *out, const Span *span) {
    if (reserve(&out->data, (size_t)(span->end - span->begin)) < 0) return NO_MEMORY;
    uint8_t *into = out->data.bytes + out->data.size;
    if (span->begin == span->end) {
        ; /* perhaps there is no buffer yet */
    } else if (!span->escaped) {
        memcpy(into, span->begin, (size_t)(span->end - span->begin));
        into += span->end - span->begin;
    } else {
        unsigned code;
        for (const uint8_t *at = span->begin; at < span->end;) {
            if (*at != '\\') {
                *into++ = *at++;
                continue;
            }
            at += escape(at, span->end, &code);
            into += utf8(code, into);
        }
    }
    out->data.size = (size_t)(into - out->data.bytes);
    int done = end_of_row(out, out->data.size);
    return done > 0 ? present(out) : done;
}

static int string_value(Reader *reader, const Rule *rule, Column *out) {
    Span span;
    reader->at++;
    if (!string(reader, &span) || !(rule->kinds & KIND_STRING) || !text_allowed(reader, rule, &span)) return NO;
    if (out == NULL) return YES;
    if (out->holds == OUT_STRING) return append_text(out, &span);
    size_t size = (size_t)(span.end - span.begin);
    if (out->holds == OUT_TIMESTAMP) {
        int64_t microseconds;
        int exact;
        if (span.escaped || !date_time(span.begin, size, &microseconds, &exact) || !exact) return NO;
        return append(&out->data, &microseconds, sizeof microseconds) < 0 ? NO_MEMORY : present(out);
    }
    int32_t days;
    if (out->holds != OUT_DATE || span.escaped || !date(span.begin, size, &days)) return NO;
    return append(&out->data, &days, sizeof days) < 0 ? NO_MEMORY : present(out);
}

/* -- numbers -------------------------------------------------------------------------------------------------------- */

static inline int number(Reader *reader, Number *found) {
    const uint8_t *at = reader->at, *end = reader->end;
    uint64_t digits = 0;
    found->begin = at;
    found->negative = *at == '-';
    at += found->negative;
    const uint8_t *whole = at;
    while (at < end && (unsigned)(*at - '0') < 10) digits = digits * 10 + (*at++ - '0');
    ptrdiff_t length = at - whole;
    if (length == 0 || (*whole == '0' && length > 1)) return NO;
    found->integer = at >= end || (*at != '.' && *at != 'e' && *at != 'E');
    if (found->integer) {
        if (length > 19 || digits > INT64_MAX) return NO;
        if (found->negative && digits == 0) return NO; /* minus zero is another double */
        found->whole = found->negative ? -(int64_t)digits : (int64_t)digits;
    } else {
        int exponent = 0;
        if (*at == '.') {
            const uint8_t *fraction = ++at;
            while (at < end && (unsigned)(*at - '0') < 10) digits = digits * 10 + (*at++ - '0');
            if (at == fraction) return NO;
            length += at - fraction;
            exponent = -(int)(at - fraction);
        }
        if (length > 40) return NO; /* and so surely finite */
        if (at < end && (*at | 32) == 'e') {
            int minus = 0, power = 0;
            at++;
            if (at < end && (*at == '+' || *at == '-')) minus = *at++ == '-';
            const uint8_t *begin = at;
            while (at < end && (unsigned)(*at - '0') < 10 && at - begin < 3) power = power * 10 + (*at++ - '0');
            if (at == begin || at - begin > 2) return NO;
            exponent += minus ? -power : power;
        }
        found->exact = length <= 19;
        found->digits = digits;
        found->exponent = exponent;
    }
    found->end = at;
    reader->at = at;
    return YES;
}

/* Exact where digits and power both are exact doubles: one rounding, of the one operation. */
static int double_of(const Reader *reader, const Number *number, double *result) {
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (number->exact && number->digits <= (UINT64_C(1) << 53) && number->exponent >= -22 && number->exponent <= 22) {
        double found = (double)number->digits;
        found = number->exponent < 0 ? found / powers[-number->exponent] : found * powers[number->exponent];
        *result = number->negative ? -found : found;
        return YES;
    }
    char text[64];
    size_t size = (size_t)(number->end - number->begin);
    if (size >= sizeof text) return NO;
    memcpy(text, number->begin, size);
    text[size] = 0;
    return reader->to_double(text, result);
}

static int integer_allowed(const Rule *rule, int64_t whole) {
    if (!(rule->kinds & KIND_INTEGER) || whole < rule->integer_min || whole > rule->integer_max) return NO;
    if (rule->multiple && whole % rule->multiple) return NO;
    if (!rule->n_integers) return YES;
    for (size_t i = 0; i < rule->n_integers; i++)
        if (rule->integers[i] == whole) return YES;
    return NO;
}

static int number_value(Reader *reader, const Rule *rule, Column *out) {
    Number found;
    double result = 0;
    if (!number(reader, &found)) return NO;
    if (found.integer) {
        if (!integer_allowed(rule, found.whole)) return NO;
        if (out == NULL) return YES;
        if (out->holds == OUT_INTEGER) return append(&out->data, &found.whole, 8) < 0 ? NO_MEMORY : present(out);
        int64_t limit = INT64_C(1) << 53;
        if (found.whole < -limit || found.whole > limit) return NO;
        result = (double)found.whole;
    } else {
        if (!(rule->kinds & KIND_DOUBLE)) return NO;
        int bounded = rule->double_min > -INFINITY || rule->double_max < INFINITY;
        if ((bounded || out != NULL) && !double_of(reader, &found, &result)) return NO;
        if (bounded && (result < rule->double_min || result > rule->double_max)) return NO;
        if (bounded && ((rule->above && result == rule->double_min) || (rule->below && result == rule->double_max))) return NO;
        if (out == NULL) return YES;
    }
    if (out->holds != OUT_DOUBLE) return NO;
    return append(&out->data, &result, 8) < 0 ? NO_MEMORY : present(out);
}

/* -- arrays, objects, and everything -------------------------------------------------------------------------------- */

static int word(Reader *reader, const char *name, size_t size) {
    if ((size_t)(reader->end - reader->at) < size || memcmp(reader->at, name, size) != 0) return NO;
    reader->at += size;
    return YES;
}

static int array(Reader *reader, const Rule *rule, Column *out) {
    const Rule *item = rule->item ? rule->item : &ANYTHING;
    int64_t items = 0;
    if (!(rule->kinds & KIND_ARRAY) || reader->levels-- == 0) return NO;
    if (out != NULL && out->holds != OUT_LIST) return NO;
    reader->at++;
    blanks(reader);
    if (reader->at < reader->end && *reader->at == ']') {
        reader->at++;
    } else {
        for (;;) {
            int done = value(reader, item, out ? out->children[0] : NULL);
            if (done <= 0) return done;
            items++;
            blanks(reader);
            if (reader->at >= reader->end) return NO;
            uint8_t next = *reader->at++;
            if (next == ']') break;
            if (next != ',') return NO;
            blanks(reader);
        }
    }
    reader->levels++;
    if (items < rule->items_min || (rule->items_max >= 0 && items > rule->items_max)) return NO;
    if (out == NULL) return YES;
    int done = end_of_row(out, (size_t)out->children[0]->rows);
    return done > 0 ? present(out) : done;
}

/* The declared field of the key that the reader stands before, and what comes after the key; -1 for none. */
static inline int key(Reader *reader, const Rule *rule, size_t expected, ptrdiff_t *which) {
    if (reader->at >= reader->end || *reader->at != '"') return NO;
    reader->at++;
    if (LIKELY(expected < rule->n_fields)) {
        const Text *name = &rule->fields[expected].name;
        size_t left = (size_t)(reader->end - reader->at);
        if (LIKELY(left > name->size && reader->at[name->size] == '"' && begins_with(reader->at, left, name))) {
            reader->at += name->size + 1;
            *which = (ptrdiff_t)expected;
            return YES;
        }
    }
    Span span;
    *which = -1;
    if (!string(reader, &span)) return NO;
    if (rule->n_fields && span.escaped) return NO; /* it may be a declared one's name */
    size_t size = (size_t)(span.end - span.begin);
    for (size_t i = 0; i < rule->n_fields; i++) {
        const Text *name = &rule->fields[i].name;
        if (name->size == size && memcmp(name->bytes, span.begin, size) == 0) {
            *which = (ptrdiff_t)i;
            return YES;
        }
    }
    return !rule->closed;
}

static int object(Reader *reader, const Rule *rule, Column *out) {
    const Rule *others = rule->others ? rule->others : &ANYTHING;
    uint64_t seen = 0;
    size_t expected = 0;
    if (!(rule->kinds & KIND_OBJECT) || reader->levels-- == 0) return NO;
    if (out != NULL && out->holds != OUT_STRUCT) return NO;
    reader->at++;
    blanks(reader);
    if (reader->at < reader->end && *reader->at == '}') {
        reader->at++;
    } else {
        for (;;) {
            ptrdiff_t which;
            if (!key(reader, rule, expected, &which)) return NO;
            const Rule *inner = others;
            Column *into = NULL;
            if (which >= 0) {
                if (seen >> which & 1) return NO;
                seen |= UINT64_C(1) << which;
                expected = (size_t)which + 1;
                inner = rule->fields[which].rule;
                into = out ? rule->fields[which].out : NULL;
            }
            blanks(reader);
            if (reader->at >= reader->end || *reader->at != ':') return NO;
            reader->at++;
            blanks(reader);
            int done = value(reader, inner, into);
            if (done <= 0) return done;
            blanks(reader);
            if (reader->at >= reader->end) return NO;
            uint8_t next = *reader->at++;
            if (next == '}') break;
            if (next != ',') return NO;
            blanks(reader);
        }
    }
    reader->levels++;
    if ((seen & rule->required) != rule->required) return NO;
    if (out == NULL) return YES;
    for (size_t i = 0; i < rule->n_fields; i++) {
        if (seen >> i & 1) continue;
        int done = missing(rule->fields[i].out);
        if (done <= 0) return done;
    }
    return present(out);
}

static int boolean(Reader *reader, const Rule *rule, Column *out) {
    uint8_t truth = *reader->at == 't';
    if (!word(reader, truth ? "true" : "false", truth ? 4 : 5) || !(rule->kinds & KIND_BOOLEAN)) return NO;
    if (out == NULL) return YES;
    if (out->holds != OUT_BOOLEAN) return NO;
    return append(&out->data, &truth, 1) < 0 ? NO_MEMORY : present(out);
}

static int value(Reader *reader, const Rule *rule, Column *out) {
    if (UNLIKELY(reader->at >= reader->end)) return NO;
    switch (*reader->at) {
    case '"':
        return string_value(reader, rule, out);
    case '{':
        return object(reader, rule, out);
    case '[':
        return array(reader, rule, out);
    case 't':
    case 'f':
        return boolean(reader, rule, out);
    case 'n':
        if (!word(reader, "null", 4) || !(rule->kinds & KIND_NULL)) return NO;
        return out == NULL ? YES : missing(out);
    default:
        return number_value(reader, rule, out);
    }
}

int decide(Program *program, const uint8_t *text, size_t size, ToDouble to_double) {
    Reader reader = {text, text + size, program->depth_max, to_double};
    if (program->out != NULL) mark(program);
    blanks(&reader);
    int done = value(&reader, program->rule, program->out);
    if (done > 0) {
        blanks(&reader);
        done = reader.at == reader.end;
    }
    if (done <= 0 && program->out != NULL) back_to_mark(program);
    return done;
}
