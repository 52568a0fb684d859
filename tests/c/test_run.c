/* tomocut-run as a user runs it: killed, stopped by Ctrl-C and gone on with, to the same bytes; and the call behind it. */
#include "program.h"

static const char network[] = "{\"network\": \"compact\", \"in_channels\": 1, \"widths\": [8], \"blocks_down\": [1], "
                              "\"blocks_up\": [], \"outputs\": [\"membrane\", \"molecule\", \"centre\"]}";

static char data[4096];

static pid_t start_run(const char *folder, const char *steps) {
    return start(data, "--out", folder, "--slabs", "1", "--thickness", "2", "--network", network, "--steps", steps, "--window",
                 "16,16,16", "--threads", "1", "--json", NULL);
}

static void usage_errors(void) {
    finish(start("--help", NULL), 0);
    read_said("json");
    CHECK(strstr(said, "Usage: tomocut-run") != NULL && strstr(said, "130  cancelled") != NULL);
    finish(start("--version", NULL), 0);
    finish(start(NULL), 2);
    CHECK(strstr(said, "no tomogram given") != NULL);
    finish(start(data, NULL), 2);
    CHECK(strstr(said, "no --out given") != NULL);
    finish(start("--z", "3:4", data, "--out", out, NULL), 2);
    finish(start(data, "--z", "4:4", "--out", out, NULL), 2);
    finish(start(data, "--z", "3:4", "--out", out, NULL), 2);
    CHECK(strstr(said, "must stand after a tomogram, not a folder") != NULL);
    finish(start(data, "--out", out, "--held-out", "0.7", NULL), 2);
    finish(start(data, "--out", out, "--memory", "much", NULL), 2);
    finish(start(data, "--out", out, "--window", "8,8", NULL), 2);
    finish(start(data, "--out", out, "--scratch", "--start", input, NULL), 2);
    finish(start(data, "--out", out, "--slabs", "65", NULL), 3);
    CHECK(strstr(said, "slabs is 65, must be 1..=64") != NULL);
    CHECK(count_files(out) == 0);
}

/* Ends a run while it does what these words say. */
static void end_while(const char *words, int signal) {
    int status = 0;
    pid_t pid = start_run(out, "8");
    wait_until_it_says(words);
    CHECK(kill(pid, signal) == 0);
    if (signal == SIGINT) {
        finish(pid, 130);
        CHECK(strstr(said, "the same command goes on") != NULL);
    } else {
        CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
    }
}

static int same_file(const char *one, const char *other, const char *name) {
    char a[8300], b[8300];
    snprintf(a, sizeof a, "%s/%s", one, name);
    snprintf(b, sizeof b, "%s/%s", other, name);
    return same_bytes(a, b);
}

static void a_killed_run_goes_on(void) {
    static const char *const results[] = {"network.safetensors", "one_labels.mrc", "one_centre.mrc", "two_membrane.mrc"};
    char whole[4096];
    snprintf(whole, sizeof whole, "%s", scratch("whole"));
    finish(start_run(whole, "8"), 0);
    CHECK(strstr(said, "labelling ") != NULL && strstr(said, "predicting two (2 of 2)") != NULL);
    read_said("json");
    CHECK(said[0] == '{' && strstr(said, "\"steps\": 8") != NULL && strstr(said, "\"outcome\": \"done\"") != NULL);
    end_while("labelling ", SIGKILL);
    end_while("training", SIGKILL);
    end_while("training", SIGINT);
    end_while("predicting one", SIGKILL);
    finish(start_run(out, "8"), 0);
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        CHECK(same_file(whole, out, results[i]));
    }
    finish(start_run(out, "8"), 0);
    read_said("json");
    CHECK(strstr(said, "there already") != NULL && strstr(said, "\"done\"") == NULL);
    finish(start_run(out, "9"), 3);
    CHECK(strstr(said, "training.steps is 9, must be 8 as in the run that stands in") != NULL);
}

static void a_bad_tomogram_is_told(void) {
    const char *bad = scratch("data/bad.mrc");
    FILE *file = fopen(bad, "wb");
    CHECK(file != NULL && fputs("this is no tomogram", file) >= 0 && fclose(file) == 0);
    finish(start_run(out, "8"), 1);
    CHECK(strstr(said, "1 of 3 tomograms failed") != NULL && strstr(said, "bad.mrc") != NULL);
    CHECK(unlink(bad) == 0);
}

static void bad_arguments(void) {
    tomocut_engine *engine = new_engine(NULL, NULL);
    tomocut_model *model = NULL;
    tomocut_dataset_options o;
    tomocut_dataset_report report;
    tomocut_dataset_tomogram tomogram = {input, 0, 0, NULL}, twice[2] = {tomogram, tomogram};
    tomocut_trainer_options training;
    CHECK_OK(tomocut_model_builtin(engine, NULL, &model));
#define BAD_RUN(field, value, words)                                                                                   \
    do {                                                                                                               \
        CHECK_OK(tomocut_dataset_options_init(&o, sizeof o));                                                          \
        o.field = value;                                                                                               \
        CHECK_REFUSED(words, tomocut_dataset_run(engine, model, &tomogram, 1, &o, out, NULL, NULL));                   \
    } while (0)
    BAD_RUN(slabs, 65, "slabs is 65");
    BAD_RUN(held_out, 0.6, "held_out is 0.6");
    BAD_RUN(voxel_nm, 1e9, "voxel_nm");
    BAD_RUN(bright, 2, "bright is 2");
    BAD_RUN(scores, 1001, "scores is 1001");
    BAD_RUN(checkpoint_seconds, -1.0, "checkpoint_seconds is -1");
    BAD_RUN(restart, 5, "restart is 5");
    CHECK_OK(tomocut_trainer_options_init(&training, sizeof training));
    training.settings = "{\"label_smoothing\": 2}";
    BAD_RUN(training, &training, "label_smoothing");
    training.settings = NULL;
    training.start = "some.safetensors";
    CHECK_OK(tomocut_dataset_options_init(&o, sizeof o));
    o.training = &training;
    CHECK_ERROR(TOMOCUT_E_IO, "some.safetensors", tomocut_dataset_run(engine, model, &tomogram, 1, &o, out, NULL, NULL));
    training.scratch = 1;
    CHECK_REFUSED("scratch is true", tomocut_dataset_run(engine, model, &tomogram, 1, &o, out, NULL, NULL));
    CHECK_REFUSED("n is 0", tomocut_dataset_run(engine, model, &tomogram, 0, NULL, out, NULL, NULL));
    CHECK_REFUSED("n is 1", tomocut_dataset_run(engine, model, NULL, 1, NULL, out, NULL, NULL));
    CHECK_REFUSED("must not have the name", tomocut_dataset_run(engine, model, twice, 2, NULL, out, NULL, NULL));
    CHECK_REFUSED("folder is NULL", tomocut_dataset_run(engine, model, &tomogram, 1, NULL, NULL, NULL, NULL));
    CHECK_REFUSED("model is NULL", tomocut_dataset_run(engine, NULL, &tomogram, 1, NULL, out, NULL, NULL));
    memset(&report, 0, sizeof report);
    CHECK_REFUSED("tomocut_dataset_report.struct_size is 0",
                  tomocut_dataset_run(engine, model, &tomogram, 1, NULL, out, &report, NULL));
    tomogram.path = NULL;
    CHECK_REFUSED("tomogram.path is NULL", tomocut_dataset_run(engine, model, &tomogram, 1, NULL, out, NULL, NULL));
    tomocut_model_free(model);
    tomocut_engine_free(engine);
}

int main(void) {
    char path[8300];
    if (!set_program("tomocut-run")) {
        return 0;
    }
    snprintf(data, sizeof data, "%s", scratch("data"));
    CHECK(mkdir(data, 0700) == 0);
    snprintf(path, sizeof path, "%s/one.mrc", data);
    write_sample(path);
    snprintf(path, sizeof path, "%s/two.mrc", data);
    write_sample(path);
    bad_arguments();
    usage_errors();
    a_killed_run_goes_on();
    a_bad_tomogram_is_told();
    return 0;
}
