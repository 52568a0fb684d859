/* A slab of a tomogram in memory, from the voxels to labels, scores, points and report. */
#include "sample.h"

enum { FIRST = 7, END = 9, DEPTH = END - FIRST };

static int8_t labels[DEPTH][SAMPLE_NY][SAMPLE_NX];
static float scores[DEPTH][SAMPLE_NY][SAMPLE_NX];

static void take_results(const tomocut_slab *slab) {
    tomocut_volume out = volume_of(labels, TOMOCUT_DTYPE_I8, DEPTH, SAMPLE_NY, SAMPLE_NX);
    CHECK_OK(tomocut_slab_labels(slab, &out));
    out = volume_of(scores, TOMOCUT_DTYPE_F32, DEPTH, SAMPLE_NY, SAMPLE_NX);
    CHECK_OK(tomocut_slab_score(slab, &out));
}

static void results_are_sane(const tomocut_slab *slab) {
    tomocut_geometry geometry;
    size_t counts[4] = {0, 0, 0, 0};
    double inside = 0.0, outside = 0.0;
    CHECK_OK(tomocut_geometry_init(&geometry, sizeof geometry));
    CHECK_OK(tomocut_slab_info(slab, &geometry));
    CHECK(geometry.shape[0] == DEPTH && geometry.shape[1] == SAMPLE_NY && geometry.shape[2] == SAMPLE_NX);
    CHECK(geometry.start[0] == 2 + FIRST && geometry.start[1] == 2);
    CHECK(geometry.origin_angstrom[0] == 100.0 + FIRST * 10.0 && geometry.origin_angstrom[2] == 100.0);
    take_results(slab);
    for (int z = 0; z < DEPTH; z++) {
        for (int y = 0; y < SAMPLE_NY; y++) {
            for (int x = 0; x < SAMPLE_NX; x++) {
                float distance = sqrtf((float)((x - 40) * (x - 40) + (y - 44) * (y - 44)));
                CHECK(labels[z][y][x] >= 0 && labels[z][y][x] <= TOMOCUT_LABEL_FILAMENT);
                CHECK(scores[z][y][x] >= 0.0f && scores[z][y][x] <= 1.0f);
                counts[labels[z][y][x]]++;
                inside += fabsf(distance - 26.0f) < 2.0f ? scores[z][y][x] / 650.0 : 0.0;
                outside += distance < 18.0f ? scores[z][y][x] / 1009.0 : 0.0;
            }
        }
    }
    printf("  voxels: %zu background, %zu membrane, %zu molecule; mean score %.2f on the shell, %.2f in it\n",
           counts[0], counts[1], counts[2], inside / DEPTH, outside / DEPTH);
    CHECK(counts[1] + counts[2] > 0 && counts[0] > counts[1] + counts[2] + counts[3]);
    CHECK(inside > outside);
}

static void formats_agree(const tomocut_slab *slab) {
    static uint8_t unsigned_labels[SAMPLE_NX][SAMPLE_NY][DEPTH]; /* x slowest */
    static uint16_t half_scores[DEPTH][SAMPLE_NY][SAMPLE_NX];
    tomocut_volume out = volume_of(unsigned_labels, TOMOCUT_DTYPE_U8, DEPTH, SAMPLE_NY, SAMPLE_NX);
    out.strides[0] = 1;
    out.strides[1] = DEPTH;
    out.strides[2] = DEPTH * SAMPLE_NY;
    CHECK_OK(tomocut_slab_labels(slab, &out));
    for (int i = 0; i < DEPTH * SAMPLE_NY * SAMPLE_NX; i++) {
        int z = i / (SAMPLE_NY * SAMPLE_NX), y = i / SAMPLE_NX % SAMPLE_NY, x = i % SAMPLE_NX;
        CHECK(unsigned_labels[x][y][z] == (uint8_t)labels[z][y][x]);
    }
    out.strides[1] = 1; /* rows on top of slices */
    CHECK_REFUSED("overlap", tomocut_slab_labels(slab, &out));
    out = volume_of(half_scores, TOMOCUT_DTYPE_F16, DEPTH, SAMPLE_NY, SAMPLE_NX);
    CHECK_OK(tomocut_slab_score(slab, &out));
    CHECK(half_scores[0][0][0] <= 0x3c00); /* 0 to 1 */
    out.dtype = TOMOCUT_DTYPE_I16;
    CHECK_REFUSED("scores.dtype is I16, must be F32 or F16", tomocut_slab_score(slab, &out));
    out.dtype = TOMOCUT_DTYPE_F32;
    out.shape[0]--;
    CHECK_REFUSED("scores.shape", tomocut_slab_score(slab, &out));
    CHECK_REFUSED("labels is NULL", tomocut_slab_labels(slab, NULL));
    CHECK_REFUSED("slab is NULL", tomocut_slab_labels(NULL, &out));
    CHECK_REFUSED("slab is NULL", tomocut_slab_score(NULL, &out));
    CHECK_REFUSED("slab is NULL", tomocut_slab_info(NULL, NULL));
}

static void points_and_report(const tomocut_slab *slab) {
    size_t n = 99, needed = 0;
    CHECK_REFUSED("slab is NULL", tomocut_slab_points(NULL, NULL, 0, &n));
    CHECK_REFUSED("needed is NULL", tomocut_slab_points(slab, NULL, 0, NULL));
    CHECK_OK(tomocut_slab_points(slab, NULL, 0, &n));
    CHECK(n != 99);
    tomocut_pick *points = calloc(n + 1, sizeof *points);
    CHECK(points != NULL);
    if (n > 1) {
        CHECK_REFUSED("capacity of points", tomocut_slab_points(slab, points, n - 1, NULL));
    }
    CHECK_OK(tomocut_slab_points(slab, points, n + 1, &n));
    for (size_t i = 0; i < n; i++) {
        CHECK(points[i].x >= 0.0 && points[i].x < SAMPLE_NX && points[i].y >= 0.0 && points[i].y < SAMPLE_NY);
        CHECK(points[i].z >= FIRST - 0.5 && points[i].z <= END - 0.5);
        CHECK(fabs(points[i].x_angstrom - points[i].x * 10.0) < 1e-9);
        printf("  molecule at %.1f %.1f %.1f, %.1f nm\n", points[i].x, points[i].y, points[i].z, points[i].diameter_nm);
    }
    free(points);

    tomocut_report *report = NULL;
    double number = 0.0;
    CHECK_REFUSED("slab is NULL", tomocut_slab_report(NULL, &report));
    CHECK_OK(tomocut_slab_report(slab, &report));
    CHECK_OK(tomocut_report_json(report, NULL, 0, &needed));
    char *text = malloc(needed);
    CHECK(text != NULL);
    CHECK_OK(tomocut_report_json(report, text, needed, NULL));
    CHECK(text[0] == '{' && strlen(text) == needed - 1);
    CHECK(strstr(text, "\"preset\":\"default\"") != NULL && strstr(text, "\"seconds\"") != NULL);
    CHECK(strstr(text, "\"settings\":{") != NULL && strstr(text, "\"solver\":\"krylov\"") != NULL);
    free(text);
    CHECK_OK(tomocut_report_number(report, "/points", &number));
    CHECK((size_t)number == n);
    tomocut_report_free(report);
}

static void same_input_same_bytes(struct sample *sample, const tomocut_slab_options *options) {
    static int8_t labels_before[DEPTH][SAMPLE_NY][SAMPLE_NX];
    static float scores_before[DEPTH][SAMPLE_NY][SAMPLE_NX];
    tomocut_slab *slab = NULL;
    memcpy(labels_before, labels, sizeof labels);
    memcpy(scores_before, scores, sizeof scores);
    CHECK_OK(tomocut_slab_segment(sample->engine, sample->model, sample->tomogram, options, &slab));
    take_results(slab);
    CHECK(memcmp(labels_before, labels, sizeof labels) == 0 && memcmp(scores_before, scores, sizeof scores) == 0);
    tomocut_slab_free(slab);
}

static void threads_line(char *line, size_t size) {
    static char report[8192];
    CHECK_OK(tomocut_runtime_report(report, sizeof report, NULL));
    const char *threads = strstr(report, "threads:");
    CHECK(threads != NULL);
    snprintf(line, size, "%s", threads);
}

/* One bad option at a time. */
static void bad_requests(struct sample *sample) {
    tomocut_slab *slab = (tomocut_slab *)(void *)sample;
    tomocut_slab_options o = slab_options(FIRST, END);
    tomocut_engine *e = sample->engine;
    const tomocut_model *m = sample->model;
    const tomocut_tomogram *t = sample->tomogram;
    CHECK_REFUSED("out slab is NULL", tomocut_slab_segment(e, m, t, &o, NULL));
    CHECK_REFUSED("engine is NULL", tomocut_slab_segment(NULL, m, t, &o, &slab));
    CHECK(slab == NULL);
    CHECK_REFUSED("model is NULL", tomocut_slab_segment(e, NULL, t, &o, &slab));
    CHECK_REFUSED("tomogram is NULL", tomocut_slab_segment(e, m, NULL, &o, &slab));
    CHECK_REFUSED("tomocut_slab_options is NULL", tomocut_slab_segment(e, m, t, NULL, &slab));
    CHECK_REFUSED("no live handle", tomocut_slab_segment(e, (const tomocut_model *)(const void *)t, t, &o, &slab));
    CHECK_REFUSED("tomocut_slab_options is NULL", tomocut_slab_options_init(NULL, sizeof o));
    CHECK_REFUSED("size is 3", tomocut_slab_options_init(&o, 3));
#define BAD(field, value, words)                                                                                       \
    do {                                                                                                               \
        o = slab_options(FIRST, END);                                                                                  \
        o.field = value;                                                                                               \
        CHECK_REFUSED(words, tomocut_slab_segment(e, m, t, &o, &slab));                                                \
    } while (0)
    BAD(struct_size, 0, "call tomocut_slab_options_init first");
    BAD(z_first, END, "z is 9:9");
    BAD(z_end, SAMPLE_NZ + 1, "within 0:16");
    BAD(z_end, UINT64_MAX, "z is");
    BAD(preset, "best", "preset is \"best\"");
    BAD(voxel_nm, -1.0, "voxel_nm is -1");
    BAD(voxel_nm, NAN, "voxel_nm is NaN");
    BAD(bright, 2, "bright is 2, must be 0 or 1");
#undef BAD
    static const struct {
        const char *settings, *words;
    } wrong[] = {
        {"{\"snr\": 1e999}", "settings is"},
        {"{\"snr\": 1e5}", "settings.snr is 100000, must be 0.0001..=10000"},
        {"{\"timestep_rule\": 7}", "settings.timestep_rule is 7"},
        {"{\"latent_mode\": \"warm\"}", "latent_mode is \"warm\", must be clean, noised, inverted, matched"},
        {"{\"latent_draw\": \"median\"}", "latent_draw"},
        {"{\"noise_draws\": 65}", "noise_draws is 65, must be 1..=64"},
        {"{\"n_eigenvectors\": 1}", "n_eigenvectors is 1, must be 2..=64"},
        {"{\"layers\": 3}", "settings.layers is 3"},
        {"{\"tiling\": \"hexagons\"}", "tiling"},
        {"{\"solver\": \"lobster\"}", "solver"},
        {"{\"canvas\": \"jute\"}", "canvas"},
        {"{\"split\": \"second\"}", "split"},
        {"{\"split\": \"cellpose\"}", "cellpose_weights is not given"},
        {"{\"diameter_nm\": 1e9}", "diameter_nm"},
        {"{\"z_correction\": 3}", "z_correction is 3"},
        {"{\"link_z\": -1}", "link_z is -1"},
        {"{\"score_smoothing_nm\": 1e9}", "score_smoothing_nm"},
        {"{\"molecule_max_nm\": 1e9}", "molecule_max_nm"},
        {"{\"molecule_max_nm\": 7}", "molecule_max_nm is 7, must be at least molecule_min_nm, 8"},
        {"{\"timestep_rule\": \"fixed\", \"timestep\": 1000}", "timestep is 1000, must be 0..=999"},
        {"{\"timestep_rule\": \"fixed\"}", "timestep is not given"},
        {"{\"layers\": [3, 16]}", "layers[1] is 16, must be 0..=15"},
        {"{\"layers\": [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]}", "layers is 17 items"},
        {"{\"no_noise\": true, \"noise_file\": \"noise.safetensors\"}", "no_noise is true"},
        {"{\"solvr\": \"adam\"}", "do you mean solver?"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        o = slab_options(FIRST, END);
        o.settings = wrong[i].settings;
        CHECK_REFUSED(wrong[i].words, tomocut_slab_segment(e, m, t, &o, &slab));
    }
    o = slab_options(FIRST, END);
    o.voxel_nm = 1.0;
    o.settings = "{\"voxel_nm\": 2}";
    CHECK_REFUSED("settings.voxel_nm", tomocut_slab_segment(e, m, t, &o, &slab));
    CHECK(slab == NULL);
}

static void constant_voxels(struct sample *sample) {
    static float zeros[4][64][64];
    tomocut_volume volume = volume_of(zeros, TOMOCUT_DTYPE_F32, 4, 64, 64);
    tomocut_slab_options options = slab_options(1, 3);
    tomocut_tomogram *tomogram = NULL;
    tomocut_slab *slab = NULL;
    CHECK_OK(tomocut_tomogram_from_volume(sample->engine, &volume, NULL, &tomogram));
    CHECK_ERROR(TOMOCUT_E_FORMAT, "constant",
                tomocut_slab_segment(sample->engine, sample->model, tomogram, &options, &slab));
    CHECK(slab == NULL);
    tomocut_tomogram_free(tomogram);
}

static void models_say_what_they_are(struct sample *sample) {
    char info[4096];
    tomocut_model *model = NULL;
    tomocut_call_options options;
    CHECK_OK(tomocut_model_info(sample->model, info, sizeof info, NULL));
    CHECK(info[0] == '{' && strstr(info, "\"attention_layers\":16") != NULL);
    CHECK_REFUSED("model is NULL", tomocut_model_info(NULL, info, sizeof info, NULL));
    CHECK_ERROR(TOMOCUT_E_IO, "no-such-model", tomocut_model_open(sample->engine, "no-such-model", NULL, &model));
    CHECK(model == NULL);
    CHECK_REFUSED("path is NULL", tomocut_model_open(sample->engine, NULL, NULL, &model));
    CHECK_REFUSED("engine is NULL", tomocut_model_builtin(NULL, NULL, &model));
    CHECK_REFUSED("out model is NULL", tomocut_model_builtin(sample->engine, NULL, NULL));
    CHECK_OK(tomocut_call_options_init(&options, sizeof options));
    options.settings = "{\"dtype\": \"int4\"}";
    CHECK_REFUSED("dtype is \"int4\"", tomocut_model_builtin(sample->engine, &options, &model));
    tomocut_model_free(NULL);
    tomocut_slab_free(NULL);
}

int main(void) {
    struct sample sample = open_sample();
    tomocut_slab_options options = slab_options(FIRST, END);
    tomocut_slab *slab = NULL;
    char before[64], after[64];
    models_say_what_they_are(&sample);
    bad_requests(&sample);
    constant_voxels(&sample);
    threads_line(before, sizeof before); /* the engine has one thread, the host what the machine gives */
    CHECK_OK(tomocut_slab_segment(sample.engine, sample.model, sample.tomogram, &options, &slab));
    threads_line(after, sizeof after);
    CHECK(strcmp(before, after) == 0);
    results_are_sane(slab);
    formats_agree(slab);
    points_and_report(slab);
    same_input_same_bytes(&sample, &options);
    close_sample(&sample);
    results_are_sane(slab); /* a slab needs none of what made it */
    tomocut_slab_free(slab);
    return 0;
}
