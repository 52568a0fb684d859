/* A disk that fills up under a training and a prediction: an error, nothing half-written, no loss. */
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sample.h"

static int is_mounted(const char *folder, const char *size) {
    CHECK(mkdir(folder, 0700) == 0);
    if (mount("tmpfs", folder, "tmpfs", 0, size) != 0) {
        printf("  skipped: a full disk (mounting a tmpfs needs root)\n");
        return 0;
    }
    return 1;
}

/* Three volumes of 16 x 128 x 128 take more than 400 KiB. */
static void a_prediction(struct sample *sample) {
    static const char *const endings[] = {"membrane", "molecule", "labels"};
    char folder[4096], whole[4096], one[4200], other[4200];
    tomocut_predictor *predictor = NULL;
    tomocut_predict_options options;
    tomocut_report *report = NULL;
    snprintf(folder, sizeof folder, "%s", scratch("disk"));
    snprintf(whole, sizeof whole, "%s", scratch("whole"));
    if (!is_mounted(folder, "size=400k")) {
        return;
    }
    CHECK_OK(tomocut_predictor_builtin(sample->engine, &predictor));
    CHECK_OK(tomocut_predict_options_init(&options, sizeof options));
    options.settings = "{\"core\": [16, 64, 64]}";
    CHECK_OK(tomocut_predictor_run(sample->engine, predictor, sample->tomogram, NULL, &options, whole, &report, NULL));
    CHECK(reported(report, "/tiles") == 4.0);
    tomocut_report_free(report);
    CHECK_STATUS(TOMOCUT_E_IO,
                 tomocut_predictor_run(sample->engine, predictor, sample->tomogram, NULL, &options, folder, NULL,
                                       NULL));
    printf("  full disk: %s\n", tomocut_last_error());
    CHECK(strstr(tomocut_last_error(), folder) != NULL);
    for (int i = 0; i < 3; i++) {
        snprintf(one, sizeof one, "%s/tomogram_%s.mrc", folder, endings[i]);
        CHECK(access(one, F_OK) != 0);
    }
    CHECK(mount(NULL, folder, NULL, MS_REMOUNT, "size=64m") == 0);
    CHECK_OK(tomocut_predictor_run(sample->engine, predictor, sample->tomogram, NULL, &options, folder, &report, NULL));
    CHECK(reported(report, "/finished") == 1.0 && reported(report, "/computed") + reported(report, "/resumed") == 4.0);
    tomocut_report_free(report);
    for (int i = 0; i < 3; i++) {
        snprintf(one, sizeof one, "%s/tomogram_%s.mrc", folder, endings[i]);
        snprintf(other, sizeof other, "%s/tomogram_%s.mrc", whole, endings[i]);
        CHECK(same_bytes(one, other));
    }
    CHECK(umount2(folder, MNT_DETACH) == 0);
    tomocut_predictor_free(predictor);
}

static void a_checkpoint(struct sample *sample) {
    static int8_t truth[8][SAMPLE_NY][SAMPLE_NX];
    static char block[4096];
    char folder[4096], checkpoint[4200], filler[4200], kept[4200];
    snprintf(folder, sizeof folder, "%s", scratch("training"));
    snprintf(kept, sizeof kept, "%s", scratch("kept.checkpoint"));
    if (!is_mounted(folder, "size=4m")) {
        return;
    }
    memset(truth[2], 1, sizeof truth[2]);
    tomocut_volume volume = volume_of(truth, TOMOCUT_DTYPE_I8, 8, SAMPLE_NY, SAMPLE_NX);
    tomocut_training_labels labels;
    tomocut_trainer_options options;
    tomocut_train_options until;
    tomocut_trainer *trainer = NULL;
    CHECK_OK(tomocut_training_labels_init(&labels, sizeof labels));
    labels.labels = &volume;
    CHECK_OK(tomocut_trainer_options_init(&options, sizeof options));
    options.network = "{\"network\": \"compact\", \"in_channels\": 1, \"widths\": [8], \"blocks_down\": [1], "
                      "\"blocks_up\": [], \"outputs\": [\"membrane\"]}";
    options.steps = 4;
    options.settings = "{\"window\": [16, 16, 16]}";
    CHECK_OK(tomocut_trainer_create(sample->engine, &options, &trainer));
    CHECK_OK(tomocut_trainer_add_labels(trainer, sample->tomogram, 0, &labels, 0, NULL));
    CHECK_OK(tomocut_train_options_init(&until, sizeof until));
    until.until_step = 2;
    CHECK_OK(tomocut_trainer_run(sample->engine, trainer, &until));
    snprintf(checkpoint, sizeof checkpoint, "%s/training.checkpoint", folder);
    CHECK_OK(tomocut_trainer_save(trainer, checkpoint));
    CHECK_OK(tomocut_trainer_save(trainer, kept));
    snprintf(filler, sizeof filler, "%s/filler", folder);
    FILE *file = fopen(filler, "wb");
    CHECK(file != NULL);
    while (fwrite(block, sizeof block, 1, file) == 1 && fflush(file) == 0) {
    }
    fclose(file);
    CHECK_OK(tomocut_trainer_run(sample->engine, trainer, NULL));
    CHECK_ERROR(TOMOCUT_E_IO, "training.checkpoint", tomocut_trainer_save(trainer, checkpoint));
    printf("  full disk: %s\n", tomocut_last_error());
    CHECK(same_bytes(checkpoint, kept));
    CHECK(umount2(folder, MNT_DETACH) == 0);
    tomocut_trainer_free(trainer);
}

int main(void) {
    struct sample sample = open_sample();
    a_prediction(&sample);
    a_checkpoint(&sample);
    close_sample(&sample);
    return 0;
}
