/* SDSeg from pictures with masks through the C API: trained, exported, asked, and what is refused. */
#include "files.h"

enum { SIDE = 64, N = 2 };

static const char *images[N], *masks[N];

/* A grey TIFF file of SIDE x SIDE pixels: header, pixels, one directory. */
static const char *write_tiff(const char *folder, int number, uint8_t pixels[SIDE][SIDE]) {
    static char paths[2 * N + 2][4096];
    static int used = 0;
    char *path = paths[used++];
    const uint32_t bytes = SIDE * SIDE, start = 8 + bytes;
    const uint16_t tags[][2] = {{256, SIDE}, {257, SIDE}, {258, 8}, {259, 1}, {262, 1}, {273, 8}, {277, 1}, {278,
                                                                                                             SIDE}};
    const uint16_t n = sizeof tags / sizeof *tags + 1, kind_short = 3, kind_long = 4, end[2] = {0, 0};
    const uint16_t byte_count = 279;
    const uint32_t one = 1;
    mkdir(folder, 0700);
    snprintf(path, sizeof paths[0], "%s/%d.tif", folder, number);
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL);
    fwrite("II*\0", 4, 1, file);
    fwrite(&start, 4, 1, file);
    fwrite(pixels, bytes, 1, file);
    fwrite(&n, 2, 1, file);
    for (int i = 0; i < n - 1; i++) {
        const uint16_t value[2] = {tags[i][1], 0};
        fwrite(&tags[i][0], 2, 1, file);
        fwrite(&kind_short, 2, 1, file);
        fwrite(&one, 4, 1, file);
        fwrite(value, 4, 1, file);
    }
    fwrite(&byte_count, 2, 1, file);
    fwrite(&kind_long, 2, 1, file);
    fwrite(&one, 4, 1, file);
    fwrite(&bytes, 4, 1, file);
    fwrite(end, 4, 1, file);
    CHECK(fclose(file) == 0);
    return path;
}

/* A bright disc on a ramp, and its mask. */
static void write_pictures(void) {
    char folders[2][4096];
    snprintf(folders[0], sizeof folders[0], "%s", scratch("images"));
    snprintf(folders[1], sizeof folders[1], "%s", scratch("masks"));
    for (int i = 0; i < N; i++) {
        uint8_t image[SIDE][SIDE], mask[SIDE][SIDE];
        for (int y = 0; y < SIDE; y++) {
            for (int x = 0; x < SIDE; x++) {
                int dy = y - 20 - 8 * i, dx = x - 30;
                mask[y][x] = dy * dy + dx * dx < 150 ? 255 : 0;
                image[y][x] = (uint8_t)(x + y + mask[y][x] / 3);
            }
        }
        images[i] = write_tiff(folders[0], i, image);
        masks[i] = write_tiff(folders[1], i, mask);
    }
}

static tomocut_trainer_options small_options(void) {
    tomocut_trainer_options options;
    CHECK_OK(tomocut_trainer_options_init(&options, sizeof options));
    options.network = "sdseg-small";
    options.settings = "{\"window\": [1, 64, 64], \"batch\": 1}";
    options.steps = 2;
    options.seed = 3;
    return options;
}

static void options_out_of_range(tomocut_engine *engine) {
    tomocut_trainer_options options;
    tomocut_trainer *trainer = NULL;
#define REFUSED(field, value, words)                                                                                   \
    do {                                                                                                               \
        options = small_options();                                                                                     \
        options.field = value;                                                                                         \
        CHECK_REFUSED(words, tomocut_trainer_create(engine, &options, &trainer));                                      \
        CHECK(trainer == NULL);                                                                                        \
    } while (0)
    REFUSED(settings, "{\"mask_loss\": 7}", "mask_loss is 7");
    REFUSED(settings, "{\"latent_loss\": -1}", "latent_loss is -1");
    REFUSED(settings, "{\"frozen_encoder\": 2}", "frozen_encoder is 2");
    REFUSED(settings, "{\"conditioning\": \"sum\"}",
            "conditioning is \"sum\", must be concatenation or cross-attention");
    REFUSED(network, "sdseg-large", "network is \"sdseg-large\"");
    /* What only SDSeg has. */
    options = small_options();
    options.network = NULL;
    options.settings = "{\"mask_loss\": true}";
    CHECK_REFUSED("must be left alone where the network is not SDSeg", tomocut_trainer_create(engine, &options,
                                                                                              &trainer));
}

static void pairs_that_do_not_fit(tomocut_trainer *trainer) {
    uint8_t levels[SIDE][SIDE];
    CHECK_REFUSED("number of images is 0", tomocut_trainer_add_pairs(trainer, images, masks, 0, 0, NULL));
    CHECK_REFUSED("masks is 2 entries at 0x0", tomocut_trainer_add_pairs(trainer, images, NULL, N, 0, NULL));
    CHECK_REFUSED("images is 2 entries at 0x0", tomocut_trainer_add_pairs(trainer, NULL, masks, N, 0, NULL));
    CHECK_REFUSED("held_out", tomocut_trainer_add_pairs(trainer, images, masks, N, 2, NULL));
    for (int y = 0; y < SIDE; y++) {
        memset(levels[y], 4 * y, SIDE);
    }
    const char *grey[N] = {masks[0], write_tiff(scratch("grey"), 0, levels)};
    CHECK_ERROR(TOMOCUT_E_FORMAT, "a mask has two levels", tomocut_trainer_add_pairs(trainer, images, grey, N, 0,
                                                                                     NULL));
    const char *absent[N] = {images[0], "/nowhere.png"};
    CHECK_ERROR(TOMOCUT_E_IO, "/nowhere.png", tomocut_trainer_add_pairs(trainer, absent, masks, N, 0, NULL));
}

/* Trains and writes the model. */
static void train(tomocut_engine *engine, const char *model) {
    const tomocut_trainer_options options = small_options();
    tomocut_train_options run;
    tomocut_report *report = NULL;
    double step = NAN, finished = NAN;
    tomocut_trainer *trainer = NULL;
    CHECK_OK(tomocut_trainer_create(engine, &options, &trainer));
    pairs_that_do_not_fit(trainer);
    CHECK_OK(tomocut_trainer_add_pairs(trainer, images, masks, N, 0, NULL));
    CHECK_OK(tomocut_train_options_init(&run, sizeof run));
    CHECK_OK(tomocut_trainer_run(engine, trainer, &run));
    CHECK_OK(tomocut_trainer_info(trainer, &report));
    CHECK_OK(tomocut_report_number(report, "/step", &step));
    CHECK_OK(tomocut_report_number(report, "/finished", &finished));
    CHECK(step == 2 && finished == 1);
    tomocut_report_free(report);
    CHECK_OK(tomocut_trainer_export(trainer, model));
    tomocut_trainer_free(trainer);
}

static void predict(tomocut_engine *engine, const char *model, const char *folder) {
    tomocut_predictor *predictor = NULL;
    tomocut_predict_options options;
    tomocut_report *report = NULL;
    double number = 0.0;
    CHECK_OK(tomocut_predict_options_init(&options, sizeof options));
    CHECK_OK(tomocut_predictor_builtin(engine, &predictor));
    CHECK_ERROR(TOMOCUT_E_UNSUPPORTED, "networks of slices",
                tomocut_predictor_run_pictures(engine, predictor, images, N, &options, folder, &report));
    tomocut_predictor_free(predictor);
    CHECK_OK(tomocut_predictor_open(engine, model, &predictor));
    CHECK_REFUSED("images is 2 entries at 0x0",
                  tomocut_predictor_run_pictures(engine, predictor, NULL, N, &options, folder, &report));
    const char *absent[N] = {images[0], "/nowhere.png"};
    CHECK_ERROR(TOMOCUT_E_IO, "/nowhere.png",
                tomocut_predictor_run_pictures(engine, predictor, absent, N, &options, folder, &report));
    CHECK_OK(tomocut_predictor_run_pictures(engine, predictor, images, N, &options, folder, &report));
    char last[64];
    snprintf(last, sizeof last, "/files/%d", count_files(folder) - 1);
    CHECK(count_files(folder) >= N && reported(report, "/seconds_per_picture") > 0.0);
    CHECK_REFUSED("must lead to a number", tomocut_report_number(report, last, &number));
    CHECK_REFUSED("must be in the report", tomocut_report_number(report, "/stability/dice", &number));
    tomocut_report_free(report);
    options.settings = "{\"samples\": 2}";
    CHECK_OK(tomocut_predictor_run_pictures(engine, predictor, images, N, &options, folder, &report));
    CHECK(reported(report, "/stability/dice") >= 0.0 && reported(report, "/stability/dice") <= 1.0);
    CHECK(reported(report, "/stability/psnr") <= 100.0 && reported(report, "/settings/samples") == 2.0);
    tomocut_report_free(report);
    tomocut_predictor_free(predictor);
}

int main(void) {
    char model[4096], folder[4096];
    tomocut_engine *engine = new_engine(NULL, NULL);
    snprintf(model, sizeof model, "%s", scratch("model.safetensors"));
    snprintf(folder, sizeof folder, "%s", scratch("answers"));
    write_pictures();
    options_out_of_range(engine);
    train(engine, model);
    predict(engine, model, folder);
    tomocut_engine_free(engine);
    printf("pictures and masks: ok\n");
    return 0;
}
