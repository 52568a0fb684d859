/* valgrind */
/* Errors, handles, options and log: everything at the boundary that needs no model. */
#include <pthread.h>

#include "check.h"

struct record {
    int count;
    int level;
    char text[512];
};

static void keep_record(tomocut_log_level level, const char *target, const char *message, void *user_data) {
    struct record *record = user_data;
    CHECK(target != NULL && target[0] != '\0');
    record->count++;
    record->level = level;
    snprintf(record->text, sizeof record->text, "%s", message);
}

static void versions_agree(void) {
    CHECK(tomocut_version() == TOMOCUT_VERSION);
    CHECK(TOMOCUT_VERSION == TOMOCUT_VERSION_MAJOR * 1000000 + TOMOCUT_VERSION_MINOR * 1000 + TOMOCUT_VERSION_PATCH);
}

static void texts_are_never_null(void) {
    CHECK(tomocut_last_error() != NULL && tomocut_last_error()[0] == '\0');
    for (int status = -200; status < 20; status++) {
        CHECK(tomocut_status_name(status) != NULL && tomocut_status_name(status)[0] != '\0');
    }
    CHECK(strcmp(tomocut_status_name(TOMOCUT_E_CANCELLED), "cancelled") == 0);
    CHECK(strcmp(tomocut_status_name(-77), "unknown") == 0);
}

static void report_names_libraries(void) {
    char report[8192];
    size_t needed = 0;
    CHECK_OK(tomocut_runtime_report(NULL, 0, &needed));
    CHECK(needed > 10 && needed < sizeof report);
    CHECK_REFUSED("capacity of buffer is 3", tomocut_runtime_report(report, 3, &needed));
    CHECK_REFUSED("buffer is NULL", tomocut_runtime_report(NULL, 9, &needed));
    CHECK_REFUSED("needed is NULL", tomocut_runtime_report(NULL, 0, NULL));
    CHECK_OK(tomocut_runtime_report(report, sizeof report, NULL));
    CHECK(strlen(report) + 1 == needed);
    CHECK(strstr(report, "dgemm_") != NULL && strstr(report, "libtorch") != NULL);
}

static void engine_options_are_checked(void) {
    tomocut_engine *engine = (tomocut_engine *)&engine;
    tomocut_engine_options options;
    CHECK_REFUSED("tomocut_engine_options is NULL", tomocut_engine_options_init(NULL, sizeof options));
    CHECK_REFUSED("size is 0", tomocut_engine_options_init(&options, 0));
    CHECK_OK(tomocut_engine_options_init(&options, sizeof options));
    CHECK_REFUSED("out engine is NULL", tomocut_engine_create(&options, NULL));
    options.struct_size = 0;
    CHECK_REFUSED("call tomocut_engine_options_init first", tomocut_engine_create(&options, &engine));
    CHECK(engine == NULL);
    options.struct_size = sizeof options;
    options.n_threads = 5000;
    CHECK_REFUSED("n_threads is 5000, must be 0..=1024", tomocut_engine_create(&options, &engine));
    options.n_threads = 1;
    options.log_level = 9;
    CHECK_REFUSED("log_level is 9", tomocut_engine_create(&options, &engine));
    options.log_level = 0;
    options.device = "gpu";
    CHECK_REFUSED("device is \"gpu\", must be cpu, cuda or cuda:N", tomocut_engine_create(&options, &engine));
    options.device = "\xff\xfe";
    CHECK_REFUSED("must be UTF-8", tomocut_engine_create(&options, &engine));
}

/* A host compiled against a newer or an older header. */
static void options_of_other_versions(void) {
    struct {
        tomocut_engine_options known;
        uint64_t unknown[2];
    } newer;
    tomocut_engine *engine = NULL;
    CHECK_OK(tomocut_engine_options_init(&newer.known, sizeof newer));
    CHECK(newer.unknown[0] == 0 && newer.unknown[1] == 0);
    CHECK_OK(tomocut_engine_create(&newer.known, &engine));
    tomocut_engine_free(engine);
    newer.unknown[1] = 1;
    CHECK_REFUSED("sets a field that this library does not know", tomocut_engine_create(&newer.known, &engine));
    CHECK(engine == NULL);

    struct {
        size_t struct_size;
        const char *device;
    } *older = malloc(sizeof *older); /* exactly as long as it says: a read past it is seen by ASan and valgrind */
    CHECK(older != NULL);
    older->struct_size = sizeof *older;
    older->device = "cpu";
    CHECK_OK(tomocut_engine_create((const tomocut_engine_options *)(const void *)older, &engine));
    tomocut_engine_free(engine);
    free(older);
    CHECK_OK(tomocut_engine_create(NULL, &engine));
    tomocut_engine_free(engine);
}

static void handles_are_checked(void) {
    tomocut_engine *engine = new_engine(NULL, NULL);
    tomocut_cancel *cancel = NULL;
    tomocut_tomogram *tomogram = NULL;
    CHECK_OK(tomocut_cancel_create(&cancel));
    CHECK_REFUSED("engine is NULL", tomocut_debug_panic(NULL));
    CHECK_REFUSED("cancel is NULL", tomocut_cancel_reset(NULL));
    CHECK_REFUSED("out cancel is NULL", tomocut_cancel_create(NULL));
    CHECK_REFUSED("no live handle", tomocut_cancel_reset((tomocut_cancel *)(void *)engine));
    CHECK_REFUSED("no live handle", tomocut_debug_panic((tomocut_engine *)(void *)cancel));
    CHECK_REFUSED("no live handle", tomocut_cancel_reset((tomocut_cancel *)((char *)cancel + 1)));
    CHECK_REFUSED("path is NULL", tomocut_tomogram_open(engine, NULL, cancel, &tomogram));
    CHECK_REFUSED("path is \"\"", tomocut_tomogram_open(engine, "", cancel, &tomogram));
    CHECK_REFUSED("out tomogram is NULL", tomocut_tomogram_open(engine, "a.mrc", cancel, NULL));
    tomocut_cancel_request(NULL);
    tomocut_cancel_request(cancel);
    CHECK_OK(tomocut_cancel_reset(cancel));
    tomocut_cancel_free(NULL);
    tomocut_engine_free(NULL);
    tomocut_tomogram_free(NULL);
    tomocut_engine_free((tomocut_engine *)(void *)cancel); /* refused, nothing happens */
    CHECK(strstr(tomocut_last_error(), "no live handle") != NULL);
    CHECK_OK(tomocut_cancel_reset(cancel));
    tomocut_cancel_free(cancel);
    tomocut_engine_free(engine);
}

static void a_panic_poisons_its_engine_only(void) {
    struct record record = {0, 0, ""};
    tomocut_engine *engine = new_engine(keep_record, &record), *other = new_engine(NULL, NULL);
    tomocut_tomogram *tomogram = NULL;
    int before = record.count;
    CHECK(before > 0); /* "engine on Cpu, 1 threads" */
    CHECK_ERROR(TOMOCUT_E_INTERNAL, "forced by tomocut_debug_panic", tomocut_debug_panic(engine));
    CHECK(record.count == before + 1 && record.level == TOMOCUT_LOG_ERROR);
    CHECK(strstr(record.text, "forced by tomocut_debug_panic") != NULL && strstr(record.text, ".rs:") != NULL);
    CHECK_ERROR(TOMOCUT_E_STATE, "poisoned", tomocut_debug_panic(engine));
    CHECK_ERROR(TOMOCUT_E_STATE, "poisoned", tomocut_tomogram_open(engine, "a.mrc", NULL, &tomogram));
    CHECK_ERROR(TOMOCUT_E_IO, "no-such-file", tomocut_tomogram_open(other, "no-such-file.mrc", NULL, &tomogram));
    CHECK(tomogram == NULL);
    tomocut_engine_free(engine);
    tomocut_engine_free(other);
}

static void *fail_elsewhere(void *unused) {
    (void)unused;
    CHECK(tomocut_last_error()[0] == '\0');
    CHECK_REFUSED("cancel is NULL", tomocut_cancel_reset(NULL));
    return NULL;
}

static void each_thread_has_its_text(void) {
    pthread_t thread;
    CHECK_REFUSED("engine is NULL", tomocut_debug_panic(NULL));
    CHECK(pthread_create(&thread, NULL, fail_elsewhere, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(strstr(tomocut_last_error(), "engine is NULL") != NULL);
}

int main(void) {
    texts_are_never_null();
    versions_agree();
    report_names_libraries();
    engine_options_are_checked();
    options_of_other_versions();
    handles_are_checked();
    a_panic_poisons_its_engine_only();
    each_thread_has_its_text();
    return 0;
}
