/* Molecules and membranes after a network: with a prediction, of volumes by themselves, in memory and in files. */
#include <sys/stat.h>

#include "sample.h"

enum { FIRST = 4, END = 12, DEPTH = END - FIRST, MOST = 4096 };

#define PICKING                                                                                                        \
    "{\"output\": \"molecule\", \"method\": \"peaks\", \"threshold\": 0.05, \"diameter_nm\": 8, "                      \
    "\"formats\": [\"csv\", \"mod\", \"eman2\"]}"
#define MEMBRANES "{\"threshold\": 0.2, \"least_nm3\": 2}"

/* Molecules and membranes of a prediction: in memory, in files, and those of its volumes by themselves. */
static void molecules_follow(struct sample *sample, const tomocut_predictor *predictor) {
    const char *folder = scratch("after");
    char path[4200], other[4200];
    tomocut_predict_options options;
    tomocut_call_options picking, membranes;
    tomocut_report *report = NULL;
    tomocut_picks *picks = NULL, *again = NULL;
    tomocut_tomogram *map = NULL;
    static tomocut_pick found[MOST], same[MOST];
    struct stat status;
    size_t n = 0, n_again = 0;
    uint64_t count = 0;
    CHECK_OK(tomocut_predict_options_init(&options, sizeof options));
    CHECK_OK(tomocut_call_options_init(&picking, sizeof picking));
    CHECK_OK(tomocut_call_options_init(&membranes, sizeof membranes));
    picking.settings = PICKING;
    membranes.settings = MEMBRANES;
    options.settings = "{\"region_first\": [4, 0, 0], \"region_end\": [12, 128, 128], \"picking\": " PICKING
                       ", \"membranes\": " MEMBRANES "}";
    CHECK_OK(tomocut_predictor_run(sample->engine, predictor, sample->tomogram, NULL, &options, folder, &report,
                                   &picks));
    CHECK(reported(report, "/finished") == 1 && picks != NULL);
    CHECK_OK(tomocut_picks_points(picks, NULL, 0, &n));
    CHECK(n > 0 && n <= MOST && (double)n == reported(report, "/n_picks"));
    CHECK_OK(tomocut_picks_points(picks, found, n, NULL));
    CHECK_REFUSED("capacity of points", tomocut_picks_points(picks, found, n - 1, NULL));
    for (size_t i = 0; i < n; i++) {
        CHECK(found[i].z >= FIRST && found[i].z < END && found[i].diameter_nm == 8.0);
        CHECK(fabs(found[i].z_angstrom - 10.0 * found[i].z) < 1e-9 && (i == 0 || found[i].score <= found[i - 1].score));
    }
    /* The files hold them, in the conventions of their programs. */
    static const char *const files[] = {"tomogram_points.csv", "tomogram_points.mod", "tomogram_info.json"};
    for (int k = 0; k < 3; k++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[k]);
        CHECK_OK(tomocut_picks_read(sample->engine, path, sample->tomogram, &again));
        CHECK_OK(tomocut_picks_points(again, same, n, &n_again));
        CHECK(n_again == n);
        for (size_t i = 0; i < n; i++) {
            CHECK(fabs(same[i].x - found[i].x) < 1e-3 && fabs(same[i].y - found[i].y) < 1e-3 &&
                  fabs(same[i].z - found[i].z) < 1e-3);
        }
        tomocut_picks_free(again);
    }
    snprintf(path, sizeof path, "%s/tomogram_points.csv", folder);
    snprintf(other, sizeof other, "%s/again.csv", folder);
    CHECK_OK(tomocut_picks_write(picks, other));
    CHECK(same_bytes(path, other));
    CHECK_REFUSED("name is NULL", tomocut_picks_read_named(sample->engine, path, sample->tomogram, NULL, &again));
    CHECK_OK(tomocut_picks_read_named(sample->engine, path, sample->tomogram, "TS_01", &again));
    snprintf(path, sizeof path, "%s/named.csv", folder);
    CHECK_OK(tomocut_picks_write(again, path));
    tomocut_picks_free(again);
    CHECK_OK(tomocut_picks_read_named(sample->engine, path, sample->tomogram, "TS_01", &again));
    tomocut_picks_free(again);
    CHECK_ERROR(TOMOCUT_E_FORMAT, "TS_01 (",
                tomocut_picks_read_named(sample->engine, path, sample->tomogram, "TS_02", &again));
    CHECK_REFUSED("must end in .csv", tomocut_picks_write(picks, scratch("points.txt")));
    tomocut_picks_free(picks);
    snprintf(path, sizeof path, "%s/tomogram_membrane_objects.mrc", folder);
    CHECK(stat(path, &status) == 0 && status.st_size == 1024 + 2 * DEPTH * SAMPLE_NY * SAMPLE_NX);
    snprintf(path, sizeof path, "%s/tomogram_membrane_mask.mrc", folder);
    CHECK(stat(path, &status) == 0 && status.st_size == 1024 + DEPTH * SAMPLE_NY * SAMPLE_NX);

    /* The volumes by themselves give the same; positions are those of the volume. */
    snprintf(path, sizeof path, "%s/tomogram_molecule.mrc", folder);
    CHECK_OK(tomocut_tomogram_open(sample->engine, path, NULL, &map));
    CHECK_OK(tomocut_picks_find(sample->engine, map, NULL, &picking, &again));
    CHECK_OK(tomocut_picks_points(again, same, MOST, &n_again));
    CHECK(n_again == n && same[0].z + FIRST == found[0].z && same[0].score == found[0].score);
    tomocut_picks_free(again);
    picking.settings = "{\"threshold\": 1}";
    CHECK_REFUSED("threshold is 1", tomocut_picks_find(sample->engine, map, NULL, &picking, &again));
    CHECK(again == NULL);
    picking.settings = "{\"threshold\": 0.5}";
    CHECK_REFUSED("excluded is", tomocut_picks_find(sample->engine, map, sample->tomogram, &picking, &again));
    picking.settings = "{\"method\": \"best\"}";
    CHECK_REFUSED("settings.method is \"best\", must be mean_pooling, peaks",
                  tomocut_picks_find(sample->engine, map, NULL, &picking, &again));
    picking.settings = "{\"formats\": [\"xyz\"]}";
    CHECK_REFUSED("settings.formats[0] is \"xyz\", must be csv, star, tbl, mod, coords, json",
                  tomocut_picks_find(sample->engine, map, NULL, &picking, &again));
    options.settings = "{\"picking\": {\"output\": \"brain\"}}";
    CHECK_REFUSED("must be one of the network's: membrane, molecule, centre",
                  tomocut_predictor_run(sample->engine, predictor, sample->tomogram, NULL, &options, folder, NULL,
                                        &picks));
    CHECK(picks == NULL);
    tomocut_tomogram_free(map);

    snprintf(path, sizeof path, "%s/tomogram_membrane.mrc", folder);
    CHECK_OK(tomocut_tomogram_open(sample->engine, path, NULL, &map));
    CHECK_OK(tomocut_membranes_write(sample->engine, map, &membranes, folder, &count));
    CHECK((double)count == reported(report, "/n_membranes"));
    tomocut_report_free(report);
    snprintf(path, sizeof path, "%s/tomogram_membrane_objects.mrc", folder);
    snprintf(other, sizeof other, "%s/tomogram_membrane_membrane_objects.mrc", folder);
    CHECK(same_bytes(path, other));
    membranes.settings = "{\"files\": [\"mesh\"]}";
    CHECK_REFUSED("settings.files[0] is \"mesh\", must be mask or objects",
                  tomocut_membranes_write(sample->engine, map, &membranes, folder, NULL));
    tomocut_tomogram_free(map);
    tomocut_picks_free(NULL);
}

/* The balls of the sample are molecules to the network that is compiled in, and nothing near the border is picked. */
static void balls_are_found(struct sample *sample, const tomocut_predictor *predictor) {
    tomocut_predict_options options;
    tomocut_picks *picks = NULL;
    static tomocut_pick found[MOST];
    size_t n = 0;
    CHECK_OK(tomocut_predict_options_init(&options, sizeof options));
    options.settings = "{\"outputs\": [\"labels\"], "
                       "\"picking\": {\"diameter_nm\": 14, \"formats\": [], \"border_nm\": [0, 6, 6]}}";
    CHECK_OK(tomocut_predictor_run(sample->engine, predictor, sample->tomogram, NULL, &options, scratch("balls"), NULL,
                                   &picks));
    CHECK_OK(tomocut_picks_points(picks, found, MOST, &n));
    for (int ball = 0; ball < 4; ball++) {
        double nearest = 1e9;
        for (size_t i = 0; i < n; i++) {
            double dx = found[i].x - 90 - 22 * (ball % 2), dy = found[i].y - 84 - 24 * (ball / 2);
            nearest = fmin(nearest, dx * dx + dy * dy + (found[i].z - 8) * (found[i].z - 8));
            CHECK(found[i].x >= 5.5 && found[i].x <= SAMPLE_NX - 6.5);
        }
        CHECK(nearest <= 16.0);
    }
    tomocut_picks_free(picks);
}

int main(void) {
    struct sample sample = open_sample();
    tomocut_predictor *predictor = NULL;
    tomocut_picks *picks = NULL;
    CHECK_REFUSED("picks is NULL", tomocut_picks_write(NULL, "points.csv"));
    CHECK_STATUS(TOMOCUT_E_IO, tomocut_picks_read(sample.engine, scratch("none.csv"), sample.tomogram, &picks));
    CHECK_OK(tomocut_predictor_builtin(sample.engine, &predictor));
    molecules_follow(&sample, predictor);
    balls_are_found(&sample, predictor);
    tomocut_predictor_free(predictor);
    close_sample(&sample);
    return 0;
}
