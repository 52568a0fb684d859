/* A segmentation network over a tomogram: what a predictor refuses. */
#include "sample.h"

static void bad_options(void) {
    tomocut_predict_options options;
    tomocut_predict_report report;
    CHECK_REFUSED("tomocut_predict_options is NULL", tomocut_predict_options_init(NULL, sizeof options));
    CHECK_REFUSED("size is 3", tomocut_predict_options_init(&options, 3));
    CHECK_REFUSED("tomocut_predict_report is NULL", tomocut_predict_report_init(NULL, sizeof report));
    CHECK_OK(tomocut_predict_options_init(&options, sizeof options));
    CHECK_OK(tomocut_predict_report_init(&report, sizeof report));
    CHECK(options.struct_size == sizeof options && options.memory == 0 && report.tiles == 0);
}

static void bad_files(tomocut_engine *engine) {
    tomocut_predictor *predictor = (tomocut_predictor *)(void *)engine;
    const char *path = scratch("no.safetensors");
    CHECK_ERROR(TOMOCUT_E_IO, "no.safetensors", tomocut_predictor_open(engine, path, &predictor));
    CHECK(predictor == NULL);
    CHECK_REFUSED("path is NULL", tomocut_predictor_open(engine, NULL, &predictor));
    CHECK_REFUSED("engine is NULL", tomocut_predictor_open(NULL, path, &predictor));
    CHECK_REFUSED("out predictor is NULL", tomocut_predictor_open(engine, path, NULL));
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL && fputs("this is no network", file) >= 0 && fclose(file) == 0);
    CHECK_ERROR(TOMOCUT_E_FORMAT, "no.safetensors", tomocut_predictor_open(engine, path, &predictor));
    CHECK_REFUSED("predictor is NULL", tomocut_predictor_info(NULL, NULL, 0, NULL));
    CHECK_REFUSED("predictor is NULL", tomocut_predictor_output(NULL, 0, NULL, 0, NULL));
    CHECK_REFUSED("predictor is NULL", tomocut_predictor_run(engine, NULL, NULL, NULL, NULL, NULL));
    tomocut_predictor_free(NULL);
}

int main(void) {
    tomocut_engine *engine = new_engine(NULL, NULL);
    bad_options();
    bad_files(engine);
    tomocut_engine_free(engine);
    return 0;
}
