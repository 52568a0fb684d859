/* Assertions of the C tests: a failed one prints what was expected and ends the program with status 1. */
#ifndef TOMOCUT_TESTS_CHECK_H
#define TOMOCUT_TESTS_CHECK_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tomocut.h"

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: not true: %s\n  last error: %s\n", __FILE__, __LINE__, #condition,                 \
                    tomocut_last_error());                                                                             \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* The call answers this status. */
#define CHECK_STATUS(expected, call)                                                                                   \
    do {                                                                                                               \
        tomocut_status status_ = (call);                                                                               \
        if (status_ != (expected)) {                                                                                   \
            fprintf(stderr, "%s:%d: %s\n  answered %d (%s), expected %d (%s)\n  last error: %s\n", __FILE__, __LINE__, \
                    #call, (int)status_, tomocut_status_name(status_), (int)(expected),                                \
                    tomocut_status_name(expected), tomocut_last_error());                                              \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

#define CHECK_OK(call) CHECK_STATUS(TOMOCUT_OK, call)

/* The call fails with this status and a text that holds these words. */
#define CHECK_ERROR(expected, words, call)                                                                             \
    do {                                                                                                               \
        CHECK_STATUS(expected, call);                                                                                  \
        if (strstr(tomocut_last_error(), (words)) == NULL) {                                                           \
            fprintf(stderr, "%s:%d: %s\n  said \"%s\", without \"%s\"\n", __FILE__, __LINE__, #call,                   \
                    tomocut_last_error(), (words));                                                                    \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* An argument is refused, by name. */
#define CHECK_REFUSED(words, call) CHECK_ERROR(TOMOCUT_E_INVALID_ARGUMENT, words, call)

/* An engine on the CPU with one thread and this log (may be NULL). */
static inline tomocut_engine *new_engine(tomocut_log_fn log, void *user_data) {
    tomocut_engine_options options;
    tomocut_engine *engine = NULL;
    CHECK_OK(tomocut_engine_options_init(&options, sizeof options));
    options.n_threads = 1;
    options.log = log;
    options.log_user_data = user_data;
    CHECK_OK(tomocut_engine_create(&options, &engine));
    CHECK(engine != NULL);
    return engine;
}

/* A contiguous volume over `data`. */
static inline tomocut_volume volume_of(void *data, tomocut_dtype dtype, uint64_t nz, uint64_t ny, uint64_t nx) {
    tomocut_volume volume;
    memset(&volume, 0, sizeof volume);
    volume.data = data;
    volume.dtype = dtype;
    volume.shape[0] = nz;
    volume.shape[1] = ny;
    volume.shape[2] = nx;
    return volume;
}

/* A number of a report by its path. */
static inline double reported(const tomocut_report *report, const char *path) {
    double number = NAN;
    CHECK_OK(tomocut_report_number(report, path, &number));
    return number;
}

/* Whether two files hold the same. */
static inline int same_bytes(const char *one, const char *other) {
    FILE *a = fopen(one, "rb"), *b = fopen(other, "rb");
    int x = 0, y = 0;
    CHECK(a != NULL && b != NULL);
    while (x == y && x != EOF) {
        x = fgetc(a);
        y = fgetc(b);
    }
    fclose(a);
    fclose(b);
    return x == y;
}

/* A path in this test's own folder; static, good for the next seven calls. */
static inline const char *scratch(const char *name) {
    static char paths[8][4096];
    static int next;
    char *path = paths[next++ % 8];
    const char *folder = getenv("TOMOCUT_TEST_DIR");
    snprintf(path, sizeof paths[0], "%s/%s", folder == NULL ? "/tmp" : folder, name);
    return path;
}

#endif
