/* Simulated tomograms: the files, the same bytes for the same seed, cancel, bad settings. */
#include <sys/stat.h>

#include "check.h"

static char *read_file(const char *folder, const char *name, size_t *size) {
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    CHECK(fseek(file, 0, SEEK_END) == 0);
    *size = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*size + 1);
    CHECK(bytes != NULL && fread(bytes, 1, *size, file) == *size);
    bytes[*size] = '\0';
    fclose(file);
    return bytes;
}

static int32_t stop_at_once(const tomocut_progress *progress, void *user_data) {
    (void)user_data;
    CHECK(progress->stage == TOMOCUT_STAGE_SIMULATE);
    return 1;
}

int main(void) {
    tomocut_engine *engine = new_engine(NULL, NULL);
    tomocut_phantom_options options;
    tomocut_tomogram *tomogram = NULL;
    char folder[4096], path[4200];
    size_t size_a = 0, size_b = 0;
    snprintf(folder, sizeof folder, "%s", scratch("phantoms"));
    CHECK_OK(tomocut_phantom_options_init(&options, sizeof options));
    options.shape[0] = 16;
    options.shape[1] = options.shape[2] = 32;
    options.seed = 3;
    options.parameters_json = "{\"tilt_step\": 12, \"membranes\": 1}";
    CHECK_OK(tomocut_phantom_simulate(engine, &options, folder, "a"));
    CHECK_OK(tomocut_phantom_simulate(engine, &options, folder, "b"));
    char *a = read_file(folder, "a.mrc", &size_a), *b = read_file(folder, "b.mrc", &size_b);
    CHECK(size_a == 1024 + 16 * 32 * 32 * 4 && size_a == size_b);
    CHECK(memcmp(a + 1024, b + 1024, size_a - 1024) == 0);
    free(a);
    free(b);
    a = read_file(folder, "a_parameters.json", &size_a);
    CHECK(strstr(a, "\"tilt_step\": 12") != NULL && strstr(a, "\"seed\": 3") != NULL);
    free(a);
    snprintf(path, sizeof path, "%s/a.mrc", folder);
    CHECK_OK(tomocut_tomogram_open(engine, path, NULL, &tomogram));
    tomocut_tomogram_free(tomogram);

    CHECK_REFUSED("engine is NULL", tomocut_phantom_simulate(NULL, &options, folder, "c"));
    CHECK_REFUSED("folder is NULL", tomocut_phantom_simulate(engine, &options, NULL, "c"));
    CHECK_REFUSED("stem is NULL", tomocut_phantom_simulate(engine, &options, folder, NULL));
    CHECK_REFUSED("stem is \"c/d\"", tomocut_phantom_simulate(engine, &options, folder, "c/d"));
    CHECK_REFUSED("tomocut_phantom_options is NULL", tomocut_phantom_options_init(NULL, sizeof options));
    options.parameters_json = "{\"colour\": 1}";
    CHECK_REFUSED("unknown field `colour`", tomocut_phantom_simulate(engine, &options, folder, "c"));
    options.parameters_json = NULL;
    options.shape[1] = 4;
    CHECK_REFUSED("must be 8..=1024", tomocut_phantom_simulate(engine, &options, folder, "c"));
    options.shape[1] = 32;
    options.snr = -1.0;
    CHECK_REFUSED("snr is -1", tomocut_phantom_simulate(engine, &options, folder, "c"));
    options.snr = 0.0;
    options.progress = stop_at_once;
    CHECK_STATUS(TOMOCUT_E_CANCELLED, tomocut_phantom_simulate(engine, &options, folder, "c"));
    snprintf(path, sizeof path, "%s/c.mrc", folder);
    struct stat status;
    CHECK(stat(path, &status) != 0);
    tomocut_engine_free(engine);
    return 0;
}
