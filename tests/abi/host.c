/* A host that uses every kind of handle that the oldest header of this soname has (abi/MAJOR.MINOR). It is compiled
 * against that header and against today's; both programs must print the same, and neither may find a byte changed
 * beyond its structs. */
#include "../c/sample.h"

/* A struct of this header's size, and bytes after it that are not the library's. */
#define GUARDED(type, name)          \
    struct {                         \
        type value;                  \
        unsigned char beyond[64];    \
    } name;                          \
    memset(&name, 0xA5, sizeof name)

#define UNTOUCHED(name)                                           \
    do {                                                          \
        for (size_t i_ = 0; i_ < sizeof name.beyond; i_++) {      \
            CHECK(name.beyond[i_] == 0xA5);                       \
        }                                                         \
    } while (0)

#define INIT(type, name)                                          \
    GUARDED(type, name);                                          \
    CHECK_OK(type##_init(&name.value, sizeof name.value));        \
    UNTOUCHED(name)

/* FNV-1a: enough to see that two runs gave the same. */
static unsigned long long hash_of(const void *data, size_t bytes) {
    const unsigned char *byte = data;
    unsigned long long hash = 1469598103934665603ULL;
    for (size_t i = 0; i < bytes; i++) {
        hash = (hash ^ byte[i]) * 1099511628211ULL;
    }
    return hash;
}

static int32_t count_reports(const tomocut_progress *progress, void *user_data) {
    CHECK(progress->struct_size >= sizeof *progress);
    CHECK(progress->stage_name != NULL && progress->fraction >= 0.0 && progress->fraction <= 1.0);
    ++*(int *)user_data;
    return 0;
}

static void slabs(struct sample *sample, int *reports, tomocut_slab **slab) {
    static uint8_t labels[SAMPLE_NY * SAMPLE_NX];
    static float queries[1 << 22];
    tomocut_attention *attention = NULL;
    size_t count = 0;
    INIT(tomocut_slab_options, options);
    INIT(tomocut_call_options, writing);
    INIT(tomocut_call_options, suggesting);
    options.value.z_first = 7;
    options.value.z_end = 8;
    options.value.progress = count_reports;
    options.value.progress_user_data = reports;
    CHECK_OK(tomocut_slab_segment(sample->engine, sample->model, sample->tomogram, &options.value, slab));
    tomocut_volume out = volume_of(labels, TOMOCUT_DTYPE_U8, 1, SAMPLE_NY, SAMPLE_NX);
    CHECK_OK(tomocut_slab_labels(*slab, &out));
    INIT(tomocut_geometry, place);
    CHECK_OK(tomocut_slab_info(*slab, &place.value));
    UNTOUCHED(place);
    CHECK_OK(tomocut_slab_points(*slab, NULL, 0, &count));
    CHECK_OK(tomocut_slab_write(*slab, sample->tomogram, scratch("slab"), "old", &writing.value));
    printf("slab %llx at %d, %zu points\n", hash_of(labels, sizeof labels), (int)place.value.start[0], count);

    suggesting.value.settings = "{\"thickness\": 4}";
    tomocut_suggested_slab best;
    CHECK_OK(tomocut_tomogram_suggest_slabs(sample->tomogram, &suggesting.value, &best, 1, &count, NULL, 0));
    printf("suggested %zu: %d to %d\n", count, (int)best.z_first, (int)best.z_end);

    CHECK_OK(tomocut_slab_attention_extract(sample->engine, sample->model, sample->tomogram, 7, &options.value,
                                            &attention));
    GUARDED(tomocut_attention_layer, layer);
    layer.value.struct_size = sizeof layer.value;
    CHECK_OK(tomocut_attention_layer_info(attention, 0, &layer.value));
    UNTOUCHED(layer);
    size_t n = (size_t)(layer.value.heads * layer.value.tokens * layer.value.dim);
    CHECK(n <= sizeof queries / sizeof *queries);
    out = volume_of(queries, TOMOCUT_DTYPE_F32, layer.value.heads, layer.value.tokens, layer.value.dim);
    CHECK_OK(tomocut_attention_query(attention, 0, &out));
    printf("queries %llx\n", hash_of(queries, n * sizeof *queries));
    tomocut_attention_free(attention);
}

static void cuts(struct sample *sample) {
    static uint32_t labels[SAMPLE_NY * SAMPLE_NX];
    tomocut_ncut *ncut = NULL;
    INIT(tomocut_ncut_options, options);
    options.value.settings = "{\"working_tokens\": 8}";
    options.value.segments = 3;
    tomocut_volume image = volume_of(sample_voxels[7], TOMOCUT_DTYPE_F32, 1, SAMPLE_NY, SAMPLE_NX);
    CHECK_OK(tomocut_ncut_segment_image(sample->engine, sample->model, &image, &options.value, &ncut));
    size_t segments = 0;
    CHECK_OK(tomocut_ncut_segments(ncut, NULL, 0, &segments));
    tomocut_volume out = volume_of(labels, TOMOCUT_DTYPE_U32, 1, SAMPLE_NY, SAMPLE_NX);
    CHECK_OK(tomocut_ncut_labels(ncut, &out));
    printf("ncut %llx, %d segments\n", hash_of(labels, sizeof labels), (int)segments);
    tomocut_ncut_free(ncut);
}

static void networks(struct sample *sample, const tomocut_slab *slab) {
    static float voxels[SAMPLE_NZ * SAMPLE_NY * SAMPLE_NX];
    tomocut_predictor *network = NULL;
    tomocut_tomogram *written = NULL;
    tomocut_trainer *trainer = NULL;
    INIT(tomocut_predict_options, options);
    tomocut_report *report = NULL;
    double computed = 0.0, finished = 0.0;
    options.value.settings = "{\"outputs\": [\"probabilities\"]}";
    CHECK_OK(tomocut_predictor_builtin(sample->engine, &network));
    CHECK_OK(tomocut_predictor_run(sample->engine, network, sample->tomogram, NULL, &options.value,
                                   scratch("predicted"),
                                   &report, NULL));
    CHECK_OK(tomocut_report_number(report, "/computed", &computed));
    CHECK_OK(tomocut_report_number(report, "/finished", &finished));
    tomocut_report_free(report);
    CHECK_OK(tomocut_tomogram_open(sample->engine, scratch("predicted/tomogram_membrane.mrc"), NULL, &written));
    tomocut_volume out = volume_of(voxels, TOMOCUT_DTYPE_F32, SAMPLE_NZ, SAMPLE_NY, SAMPLE_NX);
    CHECK_OK(tomocut_tomogram_read(written, 0, &out, NULL));
    printf("predicted %llx, %d tiles, finished %d\n", hash_of(voxels, sizeof voxels), (int)computed, (int)finished);
    tomocut_tomogram_free(written);
    tomocut_predictor_free(network);

    INIT(tomocut_trainer_options, training);
    training.value.steps = 2;
    training.value.settings = "{\"batch\": 1, \"window\": [8, 32, 32]}";
    INIT(tomocut_train_options, running);
    running.value.until_step = 1;
    CHECK_OK(tomocut_trainer_create(sample->engine, &training.value, &trainer));
    CHECK_OK(tomocut_trainer_add_slab(trainer, sample->tomogram, slab, 0, NULL));
    CHECK_OK(tomocut_trainer_run(sample->engine, trainer, &running.value));
    double step = 0.0, steps = 0.0;
    CHECK_OK(tomocut_trainer_info(trainer, &report));
    CHECK_OK(tomocut_report_number(report, "/step", &step));
    CHECK_OK(tomocut_report_number(report, "/steps", &steps));
    tomocut_report_free(report);
    CHECK_OK(tomocut_trainer_export(trainer, scratch("network.safetensors")));
    static unsigned char bytes[1 << 24];
    FILE *file = fopen(scratch("network.safetensors"), "rb");
    CHECK(file != NULL);
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    printf("trainer: step %d of %d, network %llx\n", (int)step, (int)steps, hash_of(bytes, size));
    tomocut_trainer_free(trainer);
}

int main(void) {
    struct sample sample = open_sample();
    tomocut_cancel *cancel = NULL;
    tomocut_slab *slab = NULL;
    int reports = 0;
    printf("abi %d\n", (int)(tomocut_version() / 1000 == TOMOCUT_VERSION / 1000));
    slabs(&sample, &reports, &slab);
    CHECK(reports > 0);
    cuts(&sample);
    networks(&sample, slab);

    CHECK_OK(tomocut_cancel_create(&cancel));
    tomocut_cancel_request(cancel);
    INIT(tomocut_call_options, simulating);
    simulating.value.cancel = cancel;
    CHECK_STATUS(TOMOCUT_E_CANCELLED,
                 tomocut_phantom_simulate(sample.engine, &simulating.value, scratch("phantom"), "old"));
    tomocut_cancel_free(cancel);
    tomocut_slab_free(slab);
    close_sample(&sample);
    return 0;
}
