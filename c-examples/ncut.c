/* A slice of a tomogram in segments, by cuts of the diffusion model's self-attention.
 *
 *     cc -std=c99 -I include c-examples/ncut.c -o ncut -L target/release -ltomocut
 *     ./ncut my.mrc 32 results
 */
#include <stdio.h>
#include <stdlib.h>

#include "tomocut.h"

static int failed(const char *what) {
    fprintf(stderr, "%s: %s\n", what, tomocut_last_error());
    return 1;
}

/* Prints how many pixels each segment has. */
static int print_segments(const tomocut_ncut *ncut) {
    size_t n = 0;
    tomocut_ncut_segment *segments;
    if (tomocut_ncut_segments(ncut, NULL, 0, &n) != TOMOCUT_OK) {
        return failed("segments");
    }
    segments = calloc(n + 1, sizeof *segments);
    if (segments == NULL || tomocut_ncut_segments(ncut, segments, n, &n) != TOMOCUT_OK) {
        free(segments);
        return failed("segments");
    }
    for (size_t i = 0; i < n; i++) {
        printf("segment %zu: %llu pixels\n", i, (unsigned long long)segments[i].pixels);
    }
    free(segments);
    return 0;
}

int main(int argc, char **argv) {
    tomocut_engine *engine = NULL;
    tomocut_model *model = NULL;
    tomocut_tomogram *tomogram = NULL;
    tomocut_ncut *ncut = NULL;
    tomocut_ncut_options options;
    uint64_t z;
    int code = 1;
    if (argc != 4) {
        fprintf(stderr, "usage: ncut TOMOGRAM SLICE FOLDER\n");
        return 2;
    }
    if (tomocut_engine_create(NULL, &engine) != TOMOCUT_OK || tomocut_model_builtin(engine, NULL,
                                                                                    &model) != TOMOCUT_OK ||
        tomocut_tomogram_open(engine, argv[1], NULL, &tomogram) != TOMOCUT_OK) {
        code = failed(argv[1]);
        goto end;
    }
    tomocut_ncut_options_init(&options, sizeof options);
    options.segments = 6;
    /* Anything else by its name, docs/settings.md lists them: here a coarse grid, which is fast. */
    options.settings = "{\"working_tokens\": 32, \"counts\": [2, 4]}";
    z = strtoull(argv[2], NULL, 10);
    if (tomocut_ncut_segment_slices(engine, model, tomogram, z, z + 1, &options, &ncut) != TOMOCUT_OK) {
        code = failed("segmenting");
        goto end;
    }
    /* Labels, those of the levels, a picture and the tree. */
    if (tomocut_ncut_write(ncut, NULL, tomogram, argv[3], "ncut", NULL, NULL) != TOMOCUT_OK) {
        code = failed("writing");
        goto end;
    }
    code = print_segments(ncut);
end:
    tomocut_ncut_free(ncut);
    tomocut_tomogram_free(tomogram);
    tomocut_model_free(model);
    tomocut_engine_free(engine);
    return code;
}
