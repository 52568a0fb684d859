/* A network that learns from a slab which nobody labelled, and then segments the whole tomogram.
 *
 *     cc -std=c99 -I include c-examples/train_and_predict.c -o train_and_predict -L target/release -ltomocut
 *     ./train_and_predict my.mrc 40 60 results
 */
#include <stdio.h>
#include <stdlib.h>

#include "tomocut.h"

static int failed(const char *what) {
    fprintf(stderr, "%s: %s\n", what, tomocut_last_error());
    return 1;
}

/* Labels the slab with the built-in diffusion model and adds the labels to the trainer. */
static tomocut_status add_slab(tomocut_engine *engine, tomocut_trainer *trainer, const tomocut_tomogram *tomogram,
                               uint64_t first, uint64_t end) {
    tomocut_model *model = NULL;
    tomocut_slab *slab = NULL;
    tomocut_slab_options options;
    tomocut_status status = tomocut_model_builtin(engine, NULL, &model);
    tomocut_slab_options_init(&options, sizeof options);
    options.z_first = first;
    options.z_end = end;
    if (status == TOMOCUT_OK) {
        status = tomocut_slab_segment(engine, model, tomogram, &options, &slab);
    }
    if (status == TOMOCUT_OK) {
        status = tomocut_trainer_add_slab(trainer, tomogram, slab, 0, NULL);
    }
    tomocut_slab_free(slab);
    tomocut_model_free(model);
    return status;
}

/* Trains the built-in network on the slab and writes it. */
static tomocut_status train(tomocut_engine *engine, const tomocut_tomogram *tomogram, uint64_t first, uint64_t end,
                            const char *file) {
    tomocut_trainer *trainer = NULL;
    tomocut_trainer_options options;
    tomocut_status status;
    tomocut_trainer_options_init(&options, sizeof options);
    options.steps = 20; /* 300, the default, takes minutes */
    /* Anything else by its name, docs/settings.md lists them. */
    options.settings = "{\"window\": [16, 48, 48]}";
    status = tomocut_trainer_create(engine, &options, &trainer);
    if (status == TOMOCUT_OK) {
        status = add_slab(engine, trainer, tomogram, first, end);
    }
    if (status == TOMOCUT_OK) {
        status = tomocut_trainer_run(engine, trainer, NULL);
    }
    if (status == TOMOCUT_OK) {
        status = tomocut_trainer_export(trainer, file);
    }
    tomocut_trainer_free(trainer);
    return status;
}

/* Segments the whole tomogram; it is never wholly in memory. */
static tomocut_status predict(tomocut_engine *engine, const char *file, const tomocut_tomogram *tomogram,
                              const char *folder) {
    tomocut_predictor *predictor = NULL;
    tomocut_report *report = NULL;
    double tiles = 0.0;
    tomocut_status status = tomocut_predictor_open(engine, file, &predictor);
    if (status == TOMOCUT_OK) {
        status = tomocut_predictor_run(engine, predictor, tomogram, NULL, NULL, folder, &report, NULL);
    }
    if (status == TOMOCUT_OK && tomocut_report_number(report, "tiles", &tiles) == TOMOCUT_OK) {
        printf("%.0f tiles, results in %s\n", tiles, folder);
    }
    tomocut_report_free(report);
    tomocut_predictor_free(predictor);
    return status;
}

int main(int argc, char **argv) {
    tomocut_engine *engine = NULL;
    tomocut_tomogram *tomogram = NULL;
    char file[4096];
    int code = 0;
    if (argc != 5 || snprintf(file, sizeof file, "%s.safetensors", argv[4]) >= (int)sizeof file) {
        fprintf(stderr, "usage: train_and_predict TOMOGRAM FIRST END FOLDER\n");
        return 2;
    }
    if (tomocut_engine_create(NULL, &engine) != TOMOCUT_OK ||
        tomocut_tomogram_open(engine, argv[1], NULL, &tomogram) != TOMOCUT_OK) {
        code = failed(argv[1]);
    } else if (train(engine, tomogram, strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10), file) != TOMOCUT_OK) {
        code = failed("training");
    } else if (predict(engine, file, tomogram, argv[4]) != TOMOCUT_OK) {
        code = failed("predicting");
    }
    tomocut_tomogram_free(tomogram);
    tomocut_engine_free(engine);
    return code;
}
