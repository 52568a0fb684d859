/* A segmentation network from labels to a volume: trained, saved, resumed, exported, predicted, and what is refused. */
#include <sys/stat.h>
#include <unistd.h>

#include "sample.h"

enum { FIRST = 4, END = 12, DEPTH = END - FIRST };

static const char network[] = "{\"network\": \"compact\", \"in_channels\": 1, \"widths\": [8], \"blocks_down\": [1], "
                              "\"blocks_up\": [], \"outputs\": [\"membrane\", \"molecule\", \"centre\"]}";

static int8_t truth[DEPTH][SAMPLE_NY][SAMPLE_NX];

static tomocut_trainer_options trainer_options(void) {
    tomocut_trainer_options options;
    CHECK_OK(tomocut_trainer_options_init(&options, sizeof options));
    options.network = network;
    options.steps = 6;
    options.settings = "{\"window\": [16, 16, 16], \"rate\": 0.004}";
    return options;
}

static tomocut_trainer *new_trainer(tomocut_engine *engine) {
    tomocut_trainer_options options = trainer_options();
    tomocut_trainer *trainer = NULL;
    CHECK_OK(tomocut_trainer_create(engine, &options, &trainer));
    return trainer;
}

/* The sample's shell is 1, its balls are 2. */
static tomocut_training_labels sample_labels(tomocut_volume *volume) {
    static const tomocut_pick balls[] = {{90, 84, 8, 900, 840, 80, 14, 1}, {112, 108, 8, 1120, 1080, 80, 14, 1}};
    tomocut_training_labels labels;
    for (int z = FIRST; z < END; z++) {
        for (int y = 0; y < SAMPLE_NY; y++) {
            for (int x = 0; x < SAMPLE_NX; x++) {
                float shell = sqrtf((float)((x - 40) * (x - 40) + (y - 44) * (y - 44))) - 26.0f;
                int8_t label = fabsf(shell) < 3.0f;
                for (int i = 0; i < 2; i++) {
                    double dx = x - balls[i].x, dy = y - balls[i].y, dz = z - balls[i].z;
                    label = dx * dx + dy * dy + dz * dz < 49.0 ? 2 : label;
                }
                truth[z - FIRST][y][x] = label;
            }
        }
    }
    *volume = volume_of(truth, TOMOCUT_DTYPE_I8, DEPTH, SAMPLE_NY, SAMPLE_NX);
    CHECK_OK(tomocut_training_labels_init(&labels, sizeof labels));
    labels.labels = volume;
    labels.points = balls;
    labels.n_points = 2;
    return labels;
}

static void add_labels(tomocut_trainer *trainer, const struct sample *sample) {
    tomocut_volume volume;
    tomocut_training_labels labels = sample_labels(&volume);
    CHECK_OK(tomocut_trainer_add_labels(trainer, sample->tomogram, FIRST, &labels, 0, NULL));
}

/* A number of the trainer's information. */
static double state_of(tomocut_trainer *trainer, const char *path) {
    tomocut_report *report = NULL;
    double number = NAN;
    CHECK_OK(tomocut_trainer_info(trainer, &report));
    CHECK_OK(tomocut_report_number(report, path, &number));
    tomocut_report_free(report);
    return number;
}

static void bad_options(tomocut_engine *engine) {
    tomocut_trainer_options options;
    tomocut_trainer *trainer = NULL;
    tomocut_predict_options predict;
    CHECK_REFUSED("tomocut_predict_options is NULL", tomocut_predict_options_init(NULL, sizeof predict));
    CHECK_REFUSED("size is 3", tomocut_trainer_options_init(&options, 3));
#define BAD(field, value, words)                                                                                       \
    do {                                                                                                               \
        options = trainer_options();                                                                                   \
        options.field = value;                                                                                         \
        CHECK_REFUSED(words, tomocut_trainer_create(engine, &options, &trainer));                                      \
        CHECK(trainer == NULL);                                                                                        \
    } while (0)
    BAD(network, "{\"network\": \"brain\"}", "network is");
    BAD(network, "{brain", "must be a name or one JSON object");
    BAD(start, "model.safetensors", "must be null where start is given");
    BAD(steps, 100000000, "steps");
    BAD(voxel_nm, 1e9, "voxel_nm");
    BAD(bright, 2, "bright is 2");
    BAD(scratch, 2, "scratch is 2");
    BAD(preset, "paper", "preset is \"paper\", must be default, adapt, slab-paper, "
        "membrain-seg, deepetpicker, deepict");
    BAD(settings, "{\"loss\": \"none\"}", "settings.loss is \"none\", must be dice-cross-entropy");
    BAD(settings, "{\"window\": [15, 16, 16]}", "must be multiples of 2");
    BAD(settings, "{\"rate\": -1}", "settings.rate is -1");
    BAD(settings, "{\"foreground\": 2}", "settings.foreground is 2");
    BAD(settings, "{\"label_smoothing\": 1}", "settings.label_smoothing is 1");
    BAD(settings, "{\"batch\": 257}", "settings.batch is 257");
    BAD(settings, "{\"augment\": 3}", "settings.augment is 3, must be true or false");
    BAD(settings, "{\"mask_loss\": 3}", "settings.mask_loss is 3");
    BAD(settings, "{\"optimiser\": \"adam\"}", "settings.optimiser is \"adam\", must be adamw, sgd, nesterov");
    BAD(settings, "{\"schedule\": \"linear\"}",
        "settings.schedule is \"linear\", must be cosine, step, poly, one-cycle, plateau");
    BAD(settings, "{\"validation_share\": 0.6}", "settings.validation_share is 0.6");
    BAD(settings, "{\"validation_every\": 100000000}", "settings.validation_every");
    BAD(settings, "{\"patience\": 10000000}", "settings.patience");
    BAD(settings, "{\"rounds\": 21}", "settings.rounds is 21");
    BAD(settings, "{\"sure\": 0.3}", "settings.sure is 0.3");
    BAD(settings, "{\"sure_not\": 0.7}", "settings.sure_not is 0.7");
    BAD(settings, "{\"teacher_share\": 2}", "settings.teacher_share is 2");
    BAD(settings, "{\"rescale\": 3}", "settings.rescale is 3");
    BAD(settings, "{\"mixed_precision\": 3}", "settings.mixed_precision is 3");
    BAD(settings, "{\"steps\": 7}", "must not be given where the struct's own field is set");
    BAD(settings, "{\"stepz\": 7}", "do you mean steps?");
    options = trainer_options();
    options.network = NULL;
    options.start = scratch("no.safetensors");
    CHECK_ERROR(TOMOCUT_E_IO, "no.safetensors", tomocut_trainer_create(engine, &options, &trainer));
}

static void bad_labels(struct sample *sample) {
    tomocut_trainer *trainer = new_trainer(sample->engine);
    tomocut_volume volume;
    tomocut_training_labels labels = sample_labels(&volume);
    CHECK_STATUS(TOMOCUT_E_STATE, tomocut_trainer_run(sample->engine, trainer, NULL));
    CHECK_ERROR(TOMOCUT_E_STATE, "no labels", tomocut_trainer_export(trainer, scratch("none.safetensors")));
    CHECK_REFUSED("labels is", tomocut_trainer_add_labels(trainer, sample->tomogram, SAMPLE_NZ - 1, &labels, 0, NULL));
    CHECK_REFUSED("labels is", tomocut_trainer_add_labels(trainer, sample->tomogram, UINT64_MAX, &labels, 0, NULL));
    CHECK_REFUSED("held_out is 2", tomocut_trainer_add_labels(trainer, sample->tomogram, FIRST, &labels, 2, NULL));
    labels.names = "membrane";
    CHECK_REFUSED("must be 0..=1", tomocut_trainer_add_labels(trainer, sample->tomogram, FIRST, &labels, 0, NULL));
    labels.names = "membrane,,molecule";
    CHECK_REFUSED("names is", tomocut_trainer_add_labels(trainer, sample->tomogram, FIRST, &labels, 0, NULL));
    labels = sample_labels(&volume);
    labels.confidence = &volume;
    CHECK_REFUSED("confidence.dtype is I8", tomocut_trainer_add_labels(trainer, sample->tomogram, FIRST, &labels, 0,
                                                                       NULL));
    labels = sample_labels(&volume);
    truth[0][0][0] = -1;
    CHECK_REFUSED("labels is -1", tomocut_trainer_add_labels(trainer, sample->tomogram, FIRST, &labels, 0, NULL));
    memset(truth, 0, sizeof truth);
    CHECK_ERROR(TOMOCUT_E_FORMAT, "nothing to learn", tomocut_trainer_add_labels(trainer, sample->tomogram, FIRST,
                                                                                 &labels, 0, NULL));
    CHECK_REFUSED("trainer is NULL", tomocut_trainer_add_labels(NULL, sample->tomogram, FIRST, &labels, 0, NULL));
    CHECK(state_of(trainer, "/learnt") == 0);
    tomocut_trainer_free(trainer);
    tomocut_trainer_free(NULL);
}

/* Trains in one go and in two with a checkpoint between: the models have the same bytes. */
static void training_resumes(struct sample *sample, const char *model) {
    const char *checkpoint = scratch("training.checkpoint"), *other = scratch("other.safetensors");
    tomocut_train_options options;
    tomocut_report *scores = NULL;
    double dice = NAN;
    char text[1024];
    tomocut_trainer *trainer = new_trainer(sample->engine);
    add_labels(trainer, sample);
    CHECK_OK(tomocut_train_options_init(&options, sizeof options));
    options.until_step = 3;
    CHECK_OK(tomocut_trainer_run(sample->engine, trainer, &options));
    CHECK(state_of(trainer, "/step") == 3 && state_of(trainer, "/steps") == 6 && state_of(trainer, "/voxel_nm") == 1.0);
    CHECK(state_of(trainer, "/settings/rate") == 0.004 && state_of(trainer, "/window/0") == 16);
    CHECK_OK(tomocut_trainer_save(trainer, checkpoint));
    tomocut_volume volume;
    tomocut_training_labels labels = sample_labels(&volume);
    CHECK_STATUS(TOMOCUT_E_STATE, tomocut_trainer_add_labels(trainer, sample->tomogram, FIRST, &labels, 0, NULL));
    CHECK_STATUS(TOMOCUT_E_STATE, tomocut_trainer_resume(trainer, checkpoint));
    CHECK_OK(tomocut_trainer_run(sample->engine, trainer, NULL));
    CHECK(state_of(trainer, "/step") == 6);
    CHECK_OK(tomocut_trainer_export(trainer, model));
    CHECK_REFUSED("windows is 0", tomocut_trainer_score(sample->engine, trainer, 0, &scores));
    CHECK_OK(tomocut_trainer_score(sample->engine, trainer, 2, &scores));
    CHECK_OK(tomocut_report_json(scores, text, sizeof text, NULL));
    CHECK(strstr(text, "\"output\":\"molecule\"") != NULL);
    CHECK_OK(tomocut_report_number(scores, "/outputs/2/dice", &dice));
    CHECK(dice >= 0.0 && dice <= 1.0);
    CHECK_REFUSED("must be in the report", tomocut_report_number(scores, "/outputs/3/dice", &dice));
    tomocut_report_free(scores);
    tomocut_trainer_free(trainer);

    trainer = new_trainer(sample->engine);
    CHECK_STATUS(TOMOCUT_E_STATE, tomocut_trainer_resume(trainer, checkpoint)); /* no labels */
    add_labels(trainer, sample);
    CHECK_STATUS(TOMOCUT_E_IO, tomocut_trainer_resume(trainer, scratch("no.checkpoint")));
    CHECK_STATUS(TOMOCUT_E_FORMAT, tomocut_trainer_resume(trainer, model));
    CHECK_OK(tomocut_trainer_resume(trainer, checkpoint));
    CHECK(state_of(trainer, "/step") == 3);
    CHECK_OK(tomocut_trainer_run(sample->engine, trainer, NULL));
    CHECK_OK(tomocut_trainer_export(trainer, other));
    CHECK(same_bytes(model, other));
    tomocut_trainer_free(trainer);

    tomocut_trainer_options changed = trainer_options();
    changed.seed = 2;
    CHECK_OK(tomocut_trainer_create(sample->engine, &changed, &trainer));
    add_labels(trainer, sample);
    CHECK_REFUSED("seed is 2, must be 1 as in the run", tomocut_trainer_resume(trainer, checkpoint));
    options.minutes = -1.0;
    CHECK_REFUSED("minutes is -1", tomocut_trainer_run(sample->engine, trainer, &options));
    tomocut_trainer_free(trainer);
}

/* Validation, a stop for want of patience, a round of self-training; a cancel between changes nothing. */
static int32_t cancel_third(const tomocut_progress *progress, void *user_data) {
    int *calls = user_data;
    CHECK(progress->struct_size == sizeof *progress);
    CHECK(isnan(progress->score) || (progress->score >= 0.0 && progress->score <= 1.0));
    return ++*calls % 3 == 0;
}

static void a_round_follows(struct sample *sample) {
    const char *files[2] = {scratch("straight.safetensors"), scratch("cancelled.safetensors")};
    for (int cancelled = 0; cancelled < 2; cancelled++) {
        tomocut_trainer_options options = trainer_options();
        tomocut_train_options run;
        tomocut_trainer *trainer = NULL;
        int calls = 0;
        CHECK_OK(tomocut_train_options_init(&run, sizeof run));
        options.steps = 4;
        options.settings = "{\"window\": [16, 16, 16], \"rate\": 0.004, \"rounds\": 1, \"validation_share\": 0.25, "
                           "\"validation_every\": 2, \"optimiser\": \"sgd\", \"schedule\": \"plateau\"}";
        CHECK_OK(tomocut_trainer_create(sample->engine, &options, &trainer));
        CHECK_ERROR(TOMOCUT_E_INVALID_ARGUMENT, "z is", tomocut_trainer_add_unlabelled(trainer, sample->tomogram, 3, 2,
                                                                                       NULL));
        add_labels(trainer, sample);
        CHECK_OK(tomocut_trainer_add_unlabelled(trainer, sample->tomogram, 0, 4, NULL));
        if (cancelled) {
            run.progress = cancel_third;
            run.progress_user_data = &calls;
        }
        tomocut_status status = TOMOCUT_E_CANCELLED;
        while (status == TOMOCUT_E_CANCELLED) {
            status = tomocut_trainer_run(sample->engine, trainer, &run);
        }
        CHECK_OK(status);
        CHECK(state_of(trainer, "/step") == 8 && state_of(trainer, "/steps") == 8);
        CHECK(state_of(trainer, "/round") == 1 && state_of(trainer, "/finished") == 1);
        CHECK(state_of(trainer, "/score") >= 0.0 && state_of(trainer, "/best_score") >= state_of(trainer, "/score"));
        CHECK(fmod(state_of(trainer, "/best_step"), 2.0) == 0.0);
        CHECK_OK(tomocut_trainer_export(trainer, files[cancelled]));
        tomocut_trainer_free(trainer);
    }
    CHECK(same_bytes(files[0], files[1]));
}

/* A slab's labels and an exported model are where another training begins. */
static void a_slab_teaches(struct sample *sample, const char *model) {
    tomocut_trainer_options options = trainer_options();
    tomocut_slab_options slab_of = slab_options(7, 9);
    tomocut_trainer *trainer = NULL;
    tomocut_slab *slab = NULL;
    options.network = NULL;
    options.start = model;
    options.steps = 1;
    CHECK_OK(tomocut_slab_segment(sample->engine, sample->model, sample->tomogram, &slab_of, &slab));
    CHECK_OK(tomocut_trainer_create(sample->engine, &options, &trainer));
    CHECK_REFUSED("held_out is 2", tomocut_trainer_add_slab(trainer, sample->tomogram, slab, 2, NULL));
    CHECK_OK(tomocut_trainer_add_slab(trainer, sample->tomogram, slab, 0, NULL));
    CHECK_OK(tomocut_trainer_add_slab(trainer, sample->tomogram, slab, 1, NULL));
    tomocut_slab_free(slab);
    CHECK_OK(tomocut_trainer_run(sample->engine, trainer, NULL));
    CHECK(state_of(trainer, "/learnt") == 1 && state_of(trainer, "/held_out") == 1 && state_of(trainer, "/step") == 1);
    tomocut_trainer_free(trainer);
}

/* The slices of the labels. */
#define REGION "\"region_first\": [4, 0, 0], \"region_end\": [12, 128, 128]"

static tomocut_predict_options predict_options(const char *settings) {
    tomocut_predict_options options;
    CHECK_OK(tomocut_predict_options_init(&options, sizeof options));
    options.settings = settings;
    return options;
}

static void predictions_are_refused(struct sample *sample, const tomocut_predictor *predictor, const char *folder) {
    static const char *const refused[][2] = {
        {"{\"region_first\": [17, 0, 0]}", "region_first, region_end along z is 17, 16"},
        {"{\"rescale\": 3}", "settings.rescale is 3, must be true or false"},
        {"{\"bright\": -1}", "settings.bright is -1"},
        {"{\"mirrors\": 2}", "settings.mirrors is 2"},
        {"{\"outputs\": [\"picks\"]}", "settings.outputs[0] is \"picks\", must be probabilities, labels"},
        {"{\"outputs\": [\"deviations\"]}", "must come with mirrors"},
        {"{\"probability\": \"float32\"}", "settings.probability is \"float32\", must be half or byte"},
        {"{\"resume\": 9}", "settings.resume is 9"},
        {"{\"format\": \"tiff\"}", "settings.format is \"tiff\", must be mrc or zarr"},
        {"{\"threshold\": 1.5}", "settings.threshold is 1.5"},
        {"{\"core\": [3, 0, 0]}", "settings.core[1] is 0"},
        {"{\"size\": 2, \"resume\": false}", "must be true with several processes"},
        {"{\"treshold\": 0.5}", "do you mean threshold?"},
    };
    tomocut_report *report = NULL;
    tomocut_predict_options o;
    char text[8];
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        o = predict_options(refused[i][0]);
        CHECK_REFUSED(refused[i][1], tomocut_predictor_run(sample->engine, predictor, sample->tomogram, NULL, &o,
                                                           folder, &report, NULL));
        CHECK(report == NULL);
    }
#define BAD_RUN(field, value, words)                                                                                   \
    do {                                                                                                               \
        o = predict_options(NULL);                                                                                     \
        o.field = value;                                                                                               \
        CHECK_REFUSED(words, tomocut_predictor_run(sample->engine, predictor, sample->tomogram, NULL, &o, folder,      \
                                                   NULL, NULL));                                                       \
    } while (0)
    BAD_RUN(voxel_nm, 1e9, "voxel_nm");
    BAD_RUN(rank, 1, "rank is 1, must be below size, 1");
    o = predict_options("{\"memory\": 5}");
    o.memory = 1;
    CHECK_REFUSED("settings.memory is 5, must not be given where the struct's own field is set",
                  tomocut_predictor_run(sample->engine, predictor, sample->tomogram, NULL, &o, folder, NULL, NULL));
    o = predict_options(NULL);
    o.memory = 1;
    CHECK_STATUS(TOMOCUT_E_OUT_OF_MEMORY,
                 tomocut_predictor_run(sample->engine, predictor, sample->tomogram, NULL, &o, folder, NULL, NULL));
    CHECK_REFUSED("folder is NULL",
                  tomocut_predictor_run(sample->engine, predictor, sample->tomogram, NULL, NULL, NULL, NULL, NULL));
    CHECK_REFUSED("predictor is NULL",
                  tomocut_predictor_run(sample->engine, NULL, sample->tomogram, NULL, NULL, folder, NULL, NULL));
    CHECK_REFUSED("index is 3, must be below the network's 3 outputs",
                  tomocut_predictor_output(predictor, 3, text, sizeof text, NULL));
    CHECK_REFUSED("capacity of buffer", tomocut_predictor_output(predictor, 0, text, sizeof text, NULL));
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
    CHECK(unlink(path) == 0);
    tomocut_predictor_free(NULL);
}

/* As OME-Zarr the labels are those of the MRC file; the tomogram's place is kept. */
static void zarr_holds_the_same(struct sample *sample, const tomocut_predictor *predictor) {
    static float mrc[DEPTH][SAMPLE_NY][SAMPLE_NX], zarr[DEPTH][SAMPLE_NY][SAMPLE_NX];
    const char *folder = scratch("zarr");
    tomocut_geometry geometries[2];
    tomocut_predict_options options = predict_options("{\"outputs\": [\"labels\"], " REGION "}");
    CHECK_OK(tomocut_predictor_run(sample->engine, predictor, sample->tomogram, NULL, &options, folder, NULL, NULL));
    options = predict_options("{\"outputs\": [\"labels\"], \"format\": \"zarr\", " REGION "}");
    CHECK_OK(tomocut_predictor_run(sample->engine, predictor, sample->tomogram, NULL, &options, folder, NULL, NULL));
    for (int i = 0; i < 2; i++) {
        char path[4200];
        tomocut_tomogram *labels = NULL;
        tomocut_volume volume = volume_of(i == 0 ? mrc : zarr, TOMOCUT_DTYPE_F32, DEPTH, SAMPLE_NY, SAMPLE_NX);
        snprintf(path, sizeof path, "%s/tomogram_labels.%s", folder, i == 0 ? "mrc" : "zarr");
        CHECK_OK(tomocut_tomogram_open(sample->engine, path, NULL, &labels));
        CHECK_OK(tomocut_geometry_init(&geometries[i], sizeof geometries[i]));
        CHECK_OK(tomocut_tomogram_info(labels, &geometries[i]));
        CHECK_OK(tomocut_tomogram_read(labels, 0, &volume, NULL));
        tomocut_tomogram_free(labels);
    }
    CHECK(memcmp(mrc, zarr, sizeof mrc) == 0);
    for (int axis = 0; axis < 3; axis++) {
        CHECK(fabs(geometries[0].voxel_angstrom[axis] - geometries[1].voxel_angstrom[axis]) < 1e-4);
        CHECK(fabs(geometries[0].origin_angstrom[axis] - geometries[1].origin_angstrom[axis]) < 1e-3);
    }
}

/* Two processes' parts give the bytes of one; nothing is seen before both are done. */
static void parts_make_the_whole(struct sample *sample, const tomocut_predictor *predictor) {
    const char *whole = scratch("whole"), *parts = scratch("parts");
    char one[4200], other[4200];
    struct stat status;
    tomocut_report *report = NULL;
    tomocut_predict_options options =
        predict_options("{\"core\": [8, 64, 64], " REGION "}");
    char json[4096];
    CHECK_OK(tomocut_predictor_run(sample->engine, predictor, sample->tomogram, NULL, &options, whole, &report, NULL));
    CHECK(reported(report, "/finished") == 1 && reported(report, "/tiles") == 4 && reported(report, "/computed") == 4);
    CHECK(reported(report, "/resumed") == 0 && reported(report, "/core/0") == 8);
    CHECK(reported(report, "/network_shape/1") == SAMPLE_NY && reported(report, "/voxels_per_second") > 0);
    CHECK_OK(tomocut_report_json(report, json, sizeof json, NULL));
    CHECK(strstr(json, "\"core\":[8,64,64]") != NULL && strstr(json, "\"format\":\"mrc\"") != NULL);
    tomocut_report_free(report);
    options.size = 2;
    CHECK_OK(tomocut_predictor_run(sample->engine, predictor, sample->tomogram, NULL, &options, parts, &report, NULL));
    CHECK(reported(report, "/finished") == 0 && reported(report, "/computed") == 2);
    tomocut_report_free(report);
    options.rank = 1;
    CHECK_OK(tomocut_predictor_run(sample->engine, predictor, sample->tomogram, NULL, &options, parts, &report, NULL));
    CHECK(reported(report, "/finished") == 1 && reported(report, "/computed") == 2);
    tomocut_report_free(report);
    snprintf(one, sizeof one, "%s/tomogram_labels.mrc", whole);
    snprintf(other, sizeof other, "%s/tomogram_labels.mrc", parts);
    CHECK(stat(one, &status) == 0 && status.st_size == 1024 + DEPTH * SAMPLE_NY * SAMPLE_NX);
    CHECK(same_bytes(one, other));
    snprintf(one, sizeof one, "%s/tomogram_membrane.mrc", whole);
    snprintf(other, sizeof other, "%s/tomogram_membrane.mrc", parts);
    CHECK(stat(one, &status) == 0 && status.st_size == 1024 + 2 * DEPTH * SAMPLE_NY * SAMPLE_NX);
    CHECK(same_bytes(one, other));
}

int main(void) {
    struct sample sample = open_sample();
    char model[4096], folder[4096], name[64], info[4096];
    tomocut_predictor *predictor = NULL;
    snprintf(model, sizeof model, "%s", scratch("model.safetensors"));
    snprintf(folder, sizeof folder, "%s", scratch("refused"));
    bad_options(sample.engine);
    bad_labels(&sample);
    bad_files(sample.engine);
    training_resumes(&sample, model);
    a_slab_teaches(&sample, model);
    a_round_follows(&sample);
    CHECK_OK(tomocut_predictor_open(sample.engine, model, &predictor));
    CHECK_OK(tomocut_predictor_output(predictor, 2, name, sizeof name, NULL));
    CHECK(strcmp(name, "centre") == 0);
    CHECK_OK(tomocut_predictor_info(predictor, info, sizeof info, NULL));
    CHECK(strstr(info, "\"voxel_nm\":1.0") != NULL && strstr(info, "\"network\":\"compact\"") != NULL);
    predictions_are_refused(&sample, predictor, folder);
    CHECK(access(folder, F_OK) != 0);
    parts_make_the_whole(&sample, predictor);
    zarr_holds_the_same(&sample, predictor);
    tomocut_predictor_free(predictor);
    close_sample(&sample);
    return 0;
}
