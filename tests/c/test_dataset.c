/* The call that runs a whole data set: what it refuses. Runs, stopped and gone on with, are those of the program
 * (tests/program/run.rs). */
#include "files.h"

static void bad_arguments(const char *input, const char *out) {
    tomocut_engine *engine = new_engine(NULL, NULL);
    tomocut_model *model = NULL;
    tomocut_dataset_options o;
    tomocut_dataset_tomogram tomogram = {input, 0, 0, NULL}, twice[2] = {tomogram, tomogram};
    CHECK_OK(tomocut_model_builtin(engine, NULL, &model));
#define BAD_RUN(field, value, words)                                                                                   \
    do {                                                                                                               \
        CHECK_OK(tomocut_dataset_options_init(&o, sizeof o));                                                          \
        o.field = value;                                                                                               \
        CHECK_REFUSED(words, tomocut_dataset_run(engine, model, &tomogram, 1, &o, out, NULL));                         \
    } while (0)
    BAD_RUN(slabs, 65, "slabs is 65");
    BAD_RUN(voxel_nm, 1e9, "voxel_nm");
    BAD_RUN(settings, "{\"held_out\": 0.6}", "settings.held_out is 0.6");
    BAD_RUN(settings, "{\"bright\": 2}", "settings.bright is 2");
    BAD_RUN(settings, "{\"scores\": 1001}", "settings.scores is 1001");
    BAD_RUN(settings, "{\"checkpoint_seconds\": -1}", "settings.checkpoint_seconds is -1");
    BAD_RUN(settings, "{\"restart\": 5}", "settings.restart is 5");
    BAD_RUN(settings, "{\"training.label_smoothing\": 2}", "settings.training.label_smoothing is 2");
    BAD_RUN(settings, "{\"training\": {\"start\": \"s\", \"scratch\": true}}", "scratch is true");
    CHECK_OK(tomocut_dataset_options_init(&o, sizeof o));
    o.settings = "{\"training.start\": \"some.safetensors\"}";
    CHECK_ERROR(TOMOCUT_E_IO, "some.safetensors", tomocut_dataset_run(engine, model, &tomogram, 1, &o, out, NULL));
    CHECK_REFUSED("n is 0", tomocut_dataset_run(engine, model, &tomogram, 0, NULL, out, NULL));
    CHECK_REFUSED("n is 1", tomocut_dataset_run(engine, model, NULL, 1, NULL, out, NULL));
    CHECK_REFUSED("must not have the name", tomocut_dataset_run(engine, model, twice, 2, NULL, out, NULL));
    CHECK_REFUSED("folder is NULL", tomocut_dataset_run(engine, model, &tomogram, 1, NULL, NULL, NULL));
    CHECK_REFUSED("model is NULL", tomocut_dataset_run(engine, NULL, &tomogram, 1, NULL, out, NULL));
    tomogram.path = NULL;
    CHECK_REFUSED("tomogram.path is NULL", tomocut_dataset_run(engine, model, &tomogram, 1, NULL, out, NULL));
    tomocut_model_free(model);
    tomocut_engine_free(engine);
}

int main(void) {
    char input[4096], out[4096];
    snprintf(input, sizeof input, "%s", scratch("sample.mrc"));
    snprintf(out, sizeof out, "%s", scratch("out"));
    write_sample(input);
    bad_arguments(input, out);
    CHECK(count_files(out) == 0);
    return 0;
}
