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

static int exists(const char *folder, const char *name) {
    char path[4200];
    struct stat status;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return stat(path, &status) == 0;
}

/* A ball of 7 voxels of 1 nm, bright in the dark. */
static void write_ball(const char *path) {
    enum { SIDE = 12 };
    int32_t header[256] = {SIDE, SIDE, SIDE, 2, 0, 0, 0, SIDE, SIDE, SIDE};
    const float cell[] = {SIDE * 10.0f, SIDE * 10.0f, SIDE * 10.0f, 90.0f, 90.0f, 90.0f};
    const int32_t axes[] = {1, 2, 3};
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL);
    memcpy(header + 10, cell, sizeof cell);
    memcpy(header + 16, axes, sizeof axes);
    memcpy(header + 52, "MAP \x44\x44\0\0", 8);
    CHECK(fwrite(header, sizeof header, 1, file) == 1);
    for (int i = 0; i < SIDE * SIDE * SIDE; i++) {
        int x = i % SIDE - SIDE / 2, y = i / SIDE % SIDE - SIDE / 2, z = i / (SIDE * SIDE) - SIDE / 2;
        float value = x * x + y * y + z * z < 12 ? 5.0f : 1.0f;
        CHECK(fwrite(&value, sizeof value, 1, file) == 1);
    }
    CHECK(fclose(file) == 0);
}

static size_t count(const char *text, const char *word) {
    size_t n = 0;
    while ((text = strstr(text, word)) != NULL) {
        text += strlen(word);
        n++;
    }
    return n;
}

/* Molecules from files. */
static void densities_are_placed(tomocut_engine *engine, const char *folder) {
    tomocut_call_options options;
    char ball[4096], json[9000];
    size_t size = 0;
    snprintf(ball, sizeof ball, "%s", scratch("ball.mrc"));
    write_ball(ball);
    CHECK_OK(tomocut_call_options_init(&options, sizeof options));
    snprintf(json, sizeof json,
             "{\"shape\": [24, 40, 40], \"tilt_step\": 12, \"membranes\": 0, \"filaments\": 0, \"species\": 0,"
             " \"tilt_axis_error\": 1,"
             " \"tilt_angle_error\": 0.5, \"densities\": [{\"path\": \"%s\", \"copies\": 3}]}", ball);
    options.settings = json;
    CHECK_OK(tomocut_phantom_simulate(engine, &options, folder, "balls"));
    char *table = read_file(folder, "balls_instances.csv", &size);
    CHECK(count(table, "2,density,1,") == 3 && count(table, "\n") == 4);
    free(table);
    options.settings = "{\"species\": 0}";
    CHECK_REFUSED("settings.species is 0", tomocut_phantom_simulate(engine, &options, folder, "none"));
    options.settings = "{\"densities\": [{\"path\": \"absent.mrc\"}]}";
    CHECK_ERROR(TOMOCUT_E_IO, "absent.mrc", tomocut_phantom_simulate(engine, &options, folder, "none"));
    CHECK(!exists(folder, "none.mrc"));

    snprintf(json, sizeof json,
             "{\"shape\": [24, 40, 40], \"tilt_step\": 12, \"membranes\": 0, \"species\": 2,"
             " \"densities\": [{\"path\": \"%s\"}, {\"path\": \"%s\"}]}", ball, ball);
    options.settings = json;
    CHECK_OK(tomocut_phantom_simulate(engine, &options, folder, "crowd"));
    table = read_file(folder, "crowd_instances.csv", &size);
    CHECK(count(table, "2,density,3,") > 0 && count(table, "2,density,4,") > 0);
    free(table);
}

static int32_t stop_at_once(const tomocut_progress *progress, void *user_data) {
    (void)user_data;
    CHECK(strcmp(progress->stage_name, "simulate") == 0);
    return 1;
}

int main(void) {
    tomocut_engine *engine = new_engine(NULL, NULL);
    tomocut_call_options options;
    tomocut_tomogram *tomogram = NULL;
    char folder[4096], path[4200];
    size_t size_a = 0, size_b = 0;
    snprintf(folder, sizeof folder, "%s", scratch("phantoms"));
    CHECK_OK(tomocut_call_options_init(&options, sizeof options));
    options.settings = "{\"shape\": [16, 32, 32], \"seed\": 3, \"tilt_step\": 12, \"membranes\": 1}";
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
    CHECK(exists(folder, "a_preview.png") && exists(folder, "a_labels.mrc"));
    densities_are_placed(engine, folder);
    snprintf(path, sizeof path, "%s/a.mrc", folder);
    CHECK_OK(tomocut_tomogram_open(engine, path, NULL, &tomogram));
    tomocut_tomogram_free(tomogram);

    CHECK_REFUSED("engine is NULL", tomocut_phantom_simulate(NULL, &options, folder, "c"));
    CHECK_REFUSED("folder is NULL", tomocut_phantom_simulate(engine, &options, NULL, "c"));
    CHECK_REFUSED("stem is NULL", tomocut_phantom_simulate(engine, &options, folder, NULL));
    CHECK_REFUSED("stem is \"c/d\"", tomocut_phantom_simulate(engine, &options, folder, "c/d"));
    CHECK_REFUSED("tomocut_call_options is NULL", tomocut_call_options_init(NULL, sizeof options));
    options.settings = "{\"colour\": 1}";
    CHECK_REFUSED("settings.colour is 1", tomocut_phantom_simulate(engine, &options, folder, "c"));
    options.settings = "{\"shape\": [16, 4, 32]}";
    CHECK_REFUSED("shape[1] is 4, must be 8..=1024", tomocut_phantom_simulate(engine, &options, folder, "c"));
    options.settings = "{\"snr\": -1}";
    CHECK_REFUSED("settings.snr is -1", tomocut_phantom_simulate(engine, &options, folder, "c"));
    options.settings = NULL;
    options.progress = stop_at_once;
    CHECK_STATUS(TOMOCUT_E_CANCELLED, tomocut_phantom_simulate(engine, &options, folder, "c"));
    CHECK(!exists(folder, "c.mrc"));
    tomocut_engine_free(engine);
    return 0;
}
