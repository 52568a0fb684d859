/* Segmentation by cuts: matrices, images, slices; labels, trees, features, eigenvectors, files, and what is refused. */
#include <sys/stat.h>

#include "sample.h"

enum { ROWS = 4, COLUMNS = 6, TOKENS = ROWS * COLUMNS, DIM = 3 };

static tomocut_ncut_options ncut_options(const char *preset) {
    tomocut_ncut_options options;
    CHECK_OK(tomocut_ncut_options_init(&options, sizeof options));
    options.preset = preset;
    return options;
}

/* A number of the segmentation's report; NaN where it is null. */
static double number_of(const tomocut_ncut *ncut, const char *path) {
    tomocut_report *report = NULL;
    double number = NAN;
    CHECK_OK(tomocut_ncut_report(ncut, &report));
    tomocut_status status = tomocut_report_number(report, path, &number);
    CHECK(status == TOMOCUT_OK || strstr(tomocut_last_error(), "must lead to a number") != NULL);
    tomocut_report_free(report);
    return number;
}

/* A matrix on the grid, labelled on the grid. */
static tomocut_status cut(tomocut_engine *engine, tomocut_matrix_kind kind, const tomocut_volume *matrix,
                          const tomocut_ncut_options *options, tomocut_ncut **ncut) {
    return tomocut_ncut_segment_matrix(engine, kind, matrix, ROWS, COLUMNS, 0, 0, options, ncut);
}

/* Left, middle and right third of the grid. */
static int block_of(int token) {
    return token % COLUMNS / 2;
}

static int count_calls(const tomocut_progress *progress, void *user_data) {
    CHECK(progress->fraction >= 0.0 && progress->fraction <= 1.0);
    ++*(int *)user_data;
    return 0;
}

static int32_t stop_at_once(const tomocut_progress *progress, void *user_data) {
    (void)progress;
    (void)user_data;
    return 1;
}

/* Walks that stay in their block: transition and affinity, cut to blocks; the tree, eigenvectors and levels. */
static void test_walks(tomocut_engine *engine) {
    static float walk[TOKENS][TOKENS], affinity[TOKENS][TOKENS], vectors[2][ROWS][COLUMNS];
    uint32_t labels[TOKENS], level[TOKENS];
    int calls = 0;
    for (int i = 0; i < TOKENS; i++) {
        float sum = 0.0f;
        for (int j = 0; j < TOKENS; j++) {
            affinity[i][j] = block_of(i) == block_of(j) ? 1.0f : (block_of(i) + block_of(j) == 1 ? 0.05f : 0.02f);
            sum += affinity[i][j];
        }
        for (int j = 0; j < TOKENS; j++) {
            walk[i][j] = affinity[i][j] / sum;
        }
    }
    tomocut_volume matrix = volume_of(walk, TOMOCUT_DTYPE_F32, 1, TOKENS, TOKENS);
    tomocut_volume out = volume_of(labels, TOMOCUT_DTYPE_U32, 1, ROWS, COLUMNS);
    tomocut_ncut_options options = ncut_options("walk_and_cut");
    options.settings = "{\"criterion\": \"fixed\", \"threshold\": 0.5, \"eigenvectors\": 2,"
                       " \"thresholds\": [0.05, 0.9]}";
    options.progress = count_calls;
    options.progress_user_data = &calls;
    tomocut_ncut *ncut = NULL;
    CHECK_OK(cut(engine, TOMOCUT_MATRIX_TRANSITION, &matrix, &options, &ncut));
    CHECK(calls > 0);
    CHECK(number_of(ncut, "/report/shape/0") == 1 && number_of(ncut, "/report/shape/1") == ROWS);
    CHECK(number_of(ncut, "/report/shape/2") == COLUMNS && number_of(ncut, "/report/segments") == 3);
    CHECK(number_of(ncut, "/report/dim") == TOKENS && number_of(ncut, "/report/cells") == 1);
    CHECK(number_of(ncut, "/report/levels") == 2 && number_of(ncut, "/report/eigenvectors") == 2);
    CHECK(number_of(ncut, "/report/grid/0") == ROWS && number_of(ncut, "/report/grid/1") == COLUMNS);
    CHECK(isnan(number_of(ncut, "/report/timestep")) && isnan(number_of(ncut, "/report/snr")));
    CHECK(number_of(ncut, "/settings/threshold") == 0.5 && number_of(ncut, "/settings/thresholds/1") == 0.9);
    CHECK_OK(tomocut_ncut_labels(ncut, &out));
    for (int i = 0; i < TOKENS; i++) {
        CHECK(labels[i] == (uint32_t)block_of(i));
    }

    tomocut_ncut_node nodes[5];
    size_t needed = 0;
    CHECK_OK(tomocut_ncut_tree(ncut, 0, NULL, 0, &needed));
    CHECK(needed == 5);
    CHECK_REFUSED("capacity", tomocut_ncut_tree(ncut, 0, nodes, 4, NULL));
    CHECK_REFUSED("cell is 1", tomocut_ncut_tree(ncut, 1, nodes, 5, NULL));
    CHECK_OK(tomocut_ncut_tree(ncut, 0, nodes, 5, NULL));
    CHECK(nodes[0].parent == -1 && nodes[0].segment == -1 && nodes[0].tokens == TOKENS);
    CHECK(nodes[0].ncut < 0.5 && nodes[0].value < nodes[0].limit);
    uint64_t leaves = 0;
    for (int i = 1; i < 5; i++) {
        CHECK(nodes[i].parent >= 0 && nodes[i].parent < i);
        leaves += nodes[i].segment >= 0 ? nodes[i].tokens : 0;
    }
    CHECK(leaves == TOKENS);

    tomocut_ncut_segment segments[3];
    CHECK_OK(tomocut_ncut_segments(ncut, segments, 3, &needed));
    CHECK(needed == 3 && segments[2].pixels == 8 && segments[2].z_first == 0 && segments[2].z_end == 1);

    float features[3][TOKENS];
    tomocut_volume means = volume_of(features, TOMOCUT_DTYPE_F32, 1, 3, TOKENS);
    CHECK_OK(tomocut_ncut_features(ncut, &means));
    CHECK(fabsf(features[1][2] - walk[2][2]) < 1e-6f && fabsf(features[0][5] - walk[0][5]) < 1e-6f);

    tomocut_volume maps = volume_of(vectors, TOMOCUT_DTYPE_F32, 2, ROWS, COLUMNS);
    CHECK_OK(tomocut_ncut_eigenvectors(ncut, 0, &maps));
    CHECK(fabsf(vectors[0][0][0] - vectors[0][3][1]) < 1e-3f && fabsf(vectors[0][0][0] - vectors[0][0][5]) > 0.1f);

    uint64_t n_segments = 0;
    tomocut_volume level_out = volume_of(level, TOMOCUT_DTYPE_U32, 1, ROWS, COLUMNS);
    CHECK_OK(tomocut_ncut_level_labels(ncut, 0, &level_out, &n_segments));
    CHECK(n_segments == 1 && level[TOKENS - 1] == 0);
    CHECK_OK(tomocut_ncut_level_labels(ncut, 1, NULL, &n_segments));
    CHECK(n_segments == 3);
    CHECK_REFUSED("level is 2", tomocut_ncut_level_labels(ncut, 2, NULL, &n_segments));

    tomocut_report *report = NULL;
    CHECK_OK(tomocut_ncut_report(ncut, &report));
    CHECK_OK(tomocut_report_json(report, NULL, 0, &needed));
    char *json = malloc(needed);
    CHECK(json != NULL);
    CHECK_OK(tomocut_report_json(report, json, needed, NULL));
    CHECK(strstr(json, "\"preset\":\"walk_and_cut\"") != NULL && strstr(json, "\"parent\":null") != NULL);
    tomocut_report_free(report);
    free(json);
    tomocut_ncut_free(ncut);

    matrix.data = affinity;
    options.settings = "{\"threshold\": 0.5}";
    CHECK_OK(tomocut_ncut_segment_matrix(engine, TOMOCUT_MATRIX_AFFINITY, &matrix, ROWS, COLUMNS, 40, 60, &options,
                                         &ncut));
    CHECK(number_of(ncut, "/report/shape/1") == 40 && number_of(ncut, "/report/shape/2") == 60);
    CHECK(number_of(ncut, "/report/segments") == 3);
    CHECK_ERROR(TOMOCUT_E_UNSUPPORTED, "settings.eigenvectors", tomocut_ncut_eigenvectors(ncut, 0, &maps));
    tomocut_ncut_free(ncut);

    options.progress = stop_at_once;
    CHECK_STATUS(TOMOCUT_E_CANCELLED,
                 cut(engine, TOMOCUT_MATRIX_AFFINITY, &matrix, &options, &ncut));
    CHECK(ncut == NULL);
    options.progress = NULL;

    /* What is no walk, and what does not go together. */
    walk[3][3] += 0.5f;
    matrix.data = walk;
    CHECK_REFUSED("sum of row 3", cut(engine, TOMOCUT_MATRIX_TRANSITION, &matrix, &options, &ncut));
    matrix.data = affinity;
    affinity[1][2] = affinity[2][1] = NAN;
    CHECK_REFUSED("affinity[1, 2] is NaN", cut(engine, TOMOCUT_MATRIX_AFFINITY, &matrix, &options, &ncut));
    affinity[1][2] = affinity[2][1] = 1.0f;
    CHECK_REFUSED("N = 5 x 5", tomocut_ncut_segment_matrix(engine, TOMOCUT_MATRIX_AFFINITY, &matrix, 5, 5, 0, 0,
                                                           &options, &ncut));
    CHECK_REFUSED("both be 0", tomocut_ncut_segment_matrix(engine, TOMOCUT_MATRIX_AFFINITY, &matrix, ROWS, COLUMNS, 9,
                                                           0, &options, &ncut));
    CHECK_REFUSED("kind is 3", cut(engine, 3, &matrix, &options, &ncut));
    options.preset = "diffseg";
    options.settings = NULL;
    CHECK_ERROR(TOMOCUT_E_UNSUPPORTED, "needs an image or a transition matrix",
                cut(engine, TOMOCUT_MATRIX_AFFINITY, &matrix, &options, &ncut));
    options.preset = "ncut";
    CHECK_REFUSED("must be walk_and_cut", cut(engine, TOMOCUT_MATRIX_AFFINITY, &matrix, &options, &ncut));
    options = ncut_options(NULL);
    options.settings = "{\"adjacency\": \"cosine\"}";
    for (int i = 0; i < TOKENS; i++) {
        for (int j = 0; j < TOKENS; j++) {
            walk[i][j] = 1.0f / TOKENS;
        }
    }
    matrix.data = walk;
    CHECK_REFUSED("MAN-C", cut(engine, TOMOCUT_MATRIX_TRANSITION, &matrix, &options, &ncut));
    CHECK(ncut == NULL);
}

/* Features, through strides, by each method that takes them. */
static void test_features(tomocut_engine *engine) {
    static float columns[DIM][TOKENS];
    uint8_t labels[TOKENS];
    static const char *const presets[] = {"diffcut", "tokencut", "maskcut", "emerdiff_kmeans"};
    for (int i = 0; i < TOKENS; i++) {
        for (int k = 0; k < DIM; k++) {
            columns[k][i] = block_of(i) == k ? 1.0f : 0.01f * (float)(i % 5);
        }
    }
    tomocut_volume matrix = volume_of(columns, TOMOCUT_DTYPE_F32, 1, TOKENS, DIM);
    matrix.strides[0] = TOKENS * DIM;
    matrix.strides[1] = 1;
    matrix.strides[2] = TOKENS;
    tomocut_volume out = volume_of(labels, TOMOCUT_DTYPE_U8, 1, ROWS, COLUMNS);
    for (size_t k = 0; k < 4; k++) {
        tomocut_ncut_options options = ncut_options(presets[k]);
        tomocut_ncut *ncut = NULL;
        options.segments = k == 3 ? 3 : 0;
        CHECK_OK(cut(engine, TOMOCUT_MATRIX_FEATURES, &matrix, &options, &ncut));
        CHECK_OK(tomocut_ncut_labels(ncut, &out));
        for (int i = 0; i < TOKENS; i++) {
            /* Whatever the numbers: the same within a block, and another block beside it for the first two. */
            CHECK(labels[i] == labels[2 * block_of(i)]);
            CHECK(k != 0 || labels[i] == block_of(i));
        }
        tomocut_ncut_free(ncut);
    }
}

/* The sample's middle slice as an image, and three of its slices as a slab, by the built-in model. */
static void test_model(const struct sample *sample) {
    static uint16_t labels[3][SAMPLE_NY][SAMPLE_NX];
    static float again[SAMPLE_NY][SAMPLE_NX];
    static uint8_t colours[SAMPLE_NY][SAMPLE_NX][3];
    struct stat file;
    tomocut_ncut_options options = ncut_options(NULL);
    tomocut_ncut *ncut = NULL;
    options.segments = 4;
    options.settings = "{\"working_tokens\": 32, \"pamr\": true}";
    tomocut_volume image = volume_of(sample_voxels[8], TOMOCUT_DTYPE_F32, 1, SAMPLE_NY, SAMPLE_NX);
    CHECK_OK(tomocut_ncut_segment_image(sample->engine, sample->model, &image, &options, &ncut));
    CHECK(number_of(ncut, "/report/shape/1") == SAMPLE_NY && number_of(ncut, "/report/segments") == 4);
    CHECK(number_of(ncut, "/report/timestep") >= 0 && number_of(ncut, "/report/snr") > 0.0);
    tomocut_volume out = volume_of(again, TOMOCUT_DTYPE_F32, 1, SAMPLE_NY, SAMPLE_NX);
    CHECK_OK(tomocut_ncut_labels(ncut, &out));
    for (int y = 0; y < SAMPLE_NY; y++) {
        for (int x = 0; x < SAMPLE_NX; x++) {
            CHECK(again[y][x] >= 0.0f && again[y][x] < 4.0f);
            float grey = 100.0f + 30.0f * sample_voxels[8][y][x];
            memset(colours[y][x], grey < 0.0f ? 0 : grey > 255.0f ? 255 : (int)grey, 3);
        }
    }
    CHECK_OK(tomocut_ncut_write(ncut, &image, NULL, scratch("ncut"), "image", "tiff", NULL));
    CHECK(stat(scratch("ncut/image_labels.tif"), &file) == 0 && stat(scratch("ncut/image_overlay.png"), &file) == 0);
    CHECK(stat(scratch("ncut/image_tree.json"), &file) == 0);
    CHECK_REFUSED("only one", tomocut_ncut_write(ncut, &image, sample->tomogram, scratch("ncut"), "image", NULL, NULL));
    CHECK_REFUSED("must be png or tiff",
                  tomocut_ncut_write(ncut, &image, NULL, scratch("ncut"), "image", "jpeg", NULL));
    tomocut_ncut_free(ncut);

    /* The labels written are read back as a picture. */
    uint64_t shape[3];
    double range[2];
    const char *path = scratch("ncut/image_labels.tif");
    CHECK_OK(tomocut_picture_read(path, shape, range, NULL));
    CHECK(shape[0] == 1 && shape[1] == SAMPLE_NY && shape[2] == SAMPLE_NX && range[1] == 255.0);
    static float picture[SAMPLE_NY][SAMPLE_NX];
    tomocut_volume pixels = volume_of(picture, TOMOCUT_DTYPE_F32, 1, SAMPLE_NY, SAMPLE_NX);
    CHECK_OK(tomocut_picture_read(path, NULL, NULL, &pixels));
    CHECK(memcmp(picture, again, sizeof picture) == 0);
    CHECK_STATUS(TOMOCUT_E_IO, tomocut_picture_read(scratch("ncut/none.png"), shape, range, NULL));
    CHECK_REFUSED("shape is NULL", tomocut_picture_read(path, NULL, NULL, NULL));

    /* Interleaved colours. */
    image = volume_of(colours, TOMOCUT_DTYPE_U8, 3, SAMPLE_NY, SAMPLE_NX);
    image.strides[0] = 1;
    image.strides[1] = 3 * SAMPLE_NX;
    image.strides[2] = 3;
    CHECK_OK(tomocut_ncut_segment_image(sample->engine, sample->model, &image, &options, &ncut));
    CHECK(number_of(ncut, "/report/segments") == 4);
    tomocut_ncut_free(ncut);
    image.shape[0] = 2;
    CHECK_REFUSED("1 or 3 channels",
                  tomocut_ncut_segment_image(sample->engine, sample->model, &image, &options, &ncut));

    options.settings = "{\"working_tokens\": 32}";
    CHECK_OK(tomocut_ncut_segment_slices(sample->engine, sample->model, sample->tomogram, 6, 9, &options, &ncut));
    CHECK(number_of(ncut, "/report/shape/0") == 3 && number_of(ncut, "/report/cells") == 2);
    CHECK(number_of(ncut, "/report/segments") >= 4);
    out = volume_of(labels, TOMOCUT_DTYPE_U16, 3, SAMPLE_NY, SAMPLE_NX);
    CHECK_OK(tomocut_ncut_labels(ncut, &out));
    /* The shell and the ground keep their numbers from slice to slice. */
    size_t same = 0;
    for (int y = 0; y < SAMPLE_NY; y++) {
        for (int x = 0; x < SAMPLE_NX; x++) {
            same += labels[0][y][x] == labels[2][y][x];
        }
    }
    CHECK(same > (size_t)SAMPLE_NY * SAMPLE_NX / 2);
    CHECK_OK(tomocut_ncut_write(ncut, NULL, sample->tomogram, scratch("ncut"), "slab", NULL, NULL));
    CHECK(stat(scratch("ncut/slab_labels.mrc"), &file) == 0 && file.st_size == 1024 + 2 * (long)(sizeof labels / 2));
    tomocut_ncut_free(ncut);
    CHECK_REFUSED("within 0..16", tomocut_ncut_segment_slices(sample->engine, sample->model, sample->tomogram, 14, 17,
                                                              &options, &ncut));
    CHECK(ncut == NULL);
}

int main(void) {
    struct sample sample = open_sample();
    tomocut_ncut_options options;
    CHECK_REFUSED("NULL", tomocut_ncut_options_init(NULL, sizeof options));
    CHECK_REFUSED("ncut is NULL", tomocut_ncut_labels(NULL, NULL));
    test_walks(sample.engine);
    test_features(sample.engine);
    test_model(&sample);
    tomocut_ncut_free(NULL);
    close_sample(&sample);
    puts("ncut: ok");
    return 0;
}
