/* Code written against tomocut.h, which does not know how the library comes into the process: a matrix cut in two. */
#include <stdio.h>

#include "tomocut.h"

static void free_with(void (*free_handle)(tomocut_engine *), tomocut_engine *engine) { free_handle(engine); }

int segment(void) {
    static float affinity[6][6];
    static uint8_t labels[6];
    tomocut_volume matrix = {affinity, TOMOCUT_DTYPE_F32, 0, {1, 6, 6}, {0, 0, 0}};
    tomocut_volume out = {labels, TOMOCUT_DTYPE_U8, 0, {1, 2, 3}, {0, 0, 0}};
    tomocut_engine *engine = NULL;
    tomocut_ncut *ncut = NULL;
    tomocut_ncut_options options;
    char report[4096];
    size_t needed = 0;
    tomocut_status status = tomocut_ncut_options_init(&options, sizeof options);
    options.segments = 2;
    for (int i = 0; i < 36; i++) {
        affinity[i / 6][i % 6] = i / 6 / 3 == i % 6 / 3 ? 1.0f : 0.01f;
    }
    if (status == TOMOCUT_OK) status = tomocut_engine_create(NULL, &engine);
    if (status == TOMOCUT_OK) status = tomocut_runtime_report(report, sizeof report, &needed);
    if (status == TOMOCUT_OK) printf("%s", report);
    if (status == TOMOCUT_OK) {
        status = tomocut_ncut_segment_matrix(engine, TOMOCUT_MATRIX_AFFINITY, &matrix, 2, 3, 0, 0, &options, &ncut);
    }
    if (status == TOMOCUT_OK) status = tomocut_ncut_labels(ncut, &out);
    if (status != TOMOCUT_OK) {
        printf("%s: %s\n", tomocut_status_name(status), tomocut_last_error());
    } else {
        printf("labels: %s\n", labels[0] == labels[2] && labels[3] == labels[5]
               && labels[0] != labels[3] ? "right" : "wrong");
    }
    tomocut_ncut_free(ncut);
    free_with(tomocut_engine_free, engine);
    return status == TOMOCUT_OK ? 0 : 1;
}
