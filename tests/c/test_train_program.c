/* tomocut-train: Ctrl-C keeps a checkpoint and says how to go on, and the model is that of a run that was never stopped. */
#include "program.h"

static char labels[4096];

/* A sheet of label 1 across the sample, as an MRC file of mode 0. */
static void write_labels(const char *path) {
    static int8_t sheet[SAMPLE_NZ][SAMPLE_NY][SAMPLE_NX];
    int32_t header[256];
    const int32_t start[] = {SAMPLE_NX, SAMPLE_NY, SAMPLE_NZ, 0, 0, 0, 0, SAMPLE_NX, SAMPLE_NY, SAMPLE_NZ};
    const float cell[] = {SAMPLE_NX * 10.0f, SAMPLE_NY * 10.0f, SAMPLE_NZ * 10.0f, 90.0f, 90.0f, 90.0f};
    const int32_t axes[] = {1, 2, 3};
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL);
    for (int z = 0; z < SAMPLE_NZ; z++) {
        memset(sheet[z][40], 1, 4 * SAMPLE_NX);
    }
    memset(header, 0, sizeof header);
    memcpy(header, start, sizeof start);
    memcpy(header + 10, cell, sizeof cell);
    memcpy(header + 16, axes, sizeof axes);
    memcpy(header + 52, "MAP \x44\x44\0\0", 8);
    CHECK(fwrite(header, sizeof header, 1, file) == 1);
    CHECK(fwrite(sheet, sizeof sheet, 1, file) == 1);
    CHECK(fclose(file) == 0);
}

static pid_t train(const char *model) {
    return start(input, "--labels", labels, "--names", "membrane", "--out", model, "--network",
                 "{\"network\": \"compact\", \"in_channels\": 1, \"widths\": [8], \"blocks_down\": [1], "
                 "\"blocks_up\": [], \"outputs\": [\"membrane\"]}",
                 "--steps", "20", "--window", "16,16,16", "--validation", "0.2", "--rounds", "1", "--threads", "1", NULL);
}

static void wrong_arguments(void) {
    finish(start(input, "--z", "auto", "--labels", labels, "--out", "x", NULL), 2);
    CHECK(strstr(said, "--z auto") != NULL);
    finish(start(input, "--z", "1:2", "--validation", "0.7", "--out", "x", NULL), 2);
    CHECK(strstr(said, "--validation must be 0 to 0.5") != NULL);
    finish(start(input, "--z", "1:2", "--whole", "--out", "x", NULL), 2);
    CHECK(strstr(said, "--rounds") != NULL);
    finish(start(input, "--z", "1:2", "--preset", "other", "--out", "x", NULL), 3);
    CHECK(strstr(said, "must be default, adapt, slab-paper") != NULL);
}

int main(void) {
    char whole[4096], stopped[4096], checkpoint[4200];
    if (!set_program("tomocut-train")) {
        return 0;
    }
    snprintf(labels, sizeof labels, "%s", scratch("labels.mrc"));
    snprintf(whole, sizeof whole, "%s", scratch("whole.safetensors"));
    snprintf(stopped, sizeof stopped, "%s", scratch("stopped.safetensors"));
    snprintf(checkpoint, sizeof checkpoint, "%s.checkpoint", stopped);
    write_labels(labels);
    wrong_arguments();
    finish(train(whole), 0);
    CHECK(strstr(said, "score") != NULL && strstr(said, "round 1 of self-training") != NULL);
    /* Ctrl-C once it is at work, again and again. */
    int cancelled = 0, code = 130;
    for (int again = 0; again < 40 && code == 130; again++) {
        int status = 0;
        fclose(fopen(scratch("said"), "wb")); /* nothing of the run before is taken for this one's */
        pid_t pid = train(stopped);
        wait_until_it_says("%  train");
        usleep(30000);
        kill(pid, SIGINT);
        CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
        read_said("said");
        code = WEXITSTATUS(status);
        CHECK(code == 130 || code == 0);
        cancelled += strstr(said, "the same command goes on from there") != NULL;
        CHECK(cancelled == 0 || code == 0 || access(checkpoint, F_OK) == 0);
    }
    if (code == 130) {
        finish(train(stopped), 0);
    }
    printf("  Ctrl-C: %d checkpoints\n", cancelled);
    CHECK(access(checkpoint, F_OK) != 0);
    CHECK(same_bytes(whole, stopped));
    return 0;
}
