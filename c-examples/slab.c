/* Membranes and molecules of a slab of a tomogram: labels, scores and points as files, and the points in memory.
 *
 *     cc -std=c99 -I include c-examples/slab.c -o slab -L target/release -ltomocut
 *     ./slab my.mrc 40 60 results
 *
 * Ctrl-C stops it and leaves no half-written file.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "tomocut.h"

static tomocut_cancel *cancel;

static void on_signal(int number) {
    (void)number;
    tomocut_cancel_request(cancel);
}

static int32_t show(const tomocut_progress *progress, void *user_data) {
    (void)user_data;
    fprintf(stderr, "\r%3.0f %%  %-14s", progress->fraction * 100.0, progress->stage_name);
    return 0; /* anything else cancels the call */
}

static int failed(const char *what) {
    fprintf(stderr, "\n%s: %s\n", what, tomocut_last_error());
    return 1;
}

/* Prints the five best molecules. */
static int print_points(const tomocut_slab *slab) {
    size_t n = 0;
    tomocut_pick *points;
    if (tomocut_slab_points(slab, NULL, 0, &n) != TOMOCUT_OK) {
        return failed("points");
    }
    points = calloc(n + 1, sizeof *points);
    if (points == NULL || tomocut_slab_points(slab, points, n, &n) != TOMOCUT_OK) {
        free(points);
        return failed("points");
    }
    printf("%zu molecules\n", n);
    for (size_t i = 0; i < n && i < 5; i++) {
        printf("  x %.1f, y %.1f, z %.1f, diameter %.1f nm, score %.2f\n", points[i].x, points[i].y, points[i].z,
               points[i].diameter_nm, points[i].score);
    }
    free(points);
    return 0;
}

int main(int argc, char **argv) {
    tomocut_engine *engine = NULL;
    tomocut_model *model = NULL;
    tomocut_tomogram *tomogram = NULL;
    tomocut_slab *slab = NULL;
    tomocut_slab_options options;
    int code = 1;
    if (argc != 5) {
        fprintf(stderr, "usage: slab TOMOGRAM FIRST END FOLDER\n");
        return 2;
    }
    if (tomocut_cancel_create(&cancel) != TOMOCUT_OK || tomocut_engine_create(NULL, &engine) != TOMOCUT_OK) {
        return failed("engine");
    }
    signal(SIGINT, on_signal);

    if (tomocut_model_builtin(engine, NULL, &model) != TOMOCUT_OK ||
        tomocut_tomogram_open(engine, argv[1], cancel, &tomogram) != TOMOCUT_OK) {
        code = failed(argv[1]);
        goto end;
    }
    tomocut_slab_options_init(&options, sizeof options);
    options.z_first = strtoull(argv[2], NULL, 10);
    options.z_end = strtoull(argv[3], NULL, 10);
    /* Anything else by its name, docs/settings.md lists them. */
    options.settings = "{\"molecule_min_nm\": 6, \"molecule_max_nm\": 40}";
    options.cancel = cancel;
    options.progress = show;
    if (tomocut_slab_segment(engine, model, tomogram, &options, &slab) != TOMOCUT_OK) {
        code = failed("segmenting");
        goto end;
    }
    fputc('\n', stderr);
    if (tomocut_slab_write(slab, tomogram, argv[4], "slab", NULL) != TOMOCUT_OK) {
        code = failed("writing");
        goto end;
    }
    code = print_points(slab);
end:
    /* In any order; NULL is fine. */
    tomocut_slab_free(slab);
    tomocut_tomogram_free(tomogram);
    tomocut_model_free(model);
    tomocut_engine_free(engine);
    tomocut_cancel_free(cancel);
    return code;
}
