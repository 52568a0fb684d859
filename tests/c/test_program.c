/* tomocut-slab as a user runs it: exit codes, files, JSON, Ctrl-C. */
#include "program.h"

static void usage_errors(void) {
    finish(start("--help", NULL), 0);
    read_said("json");
    CHECK(strstr(said, "Usage: tomocut-slab") != NULL && strstr(said, "130  cancelled") != NULL);
    finish(start("--version", NULL), 0);
    finish(start(NULL), 2);
    CHECK(strstr(said, "no tomogram given") != NULL);
    finish(start(input, NULL), 2);
    CHECK(strstr(said, "--z is \"\"") != NULL);
    finish(start(input, "--z", "9:9", NULL), 2);
    finish(start(input, "--z", "3:x", NULL), 2);
    finish(start(input, "--z", NULL), 2);
    CHECK(strstr(said, "--z needs a value") != NULL);
    finish(start(input, "--z=1:2", "--gold", NULL), 2);
    CHECK(strstr(said, "--gold is no option") != NULL);
    finish(start(input, input, "--z=1:2", NULL), 2);
    finish(start(input, "--z=1:2", "--timestep", "1000", NULL), 2);
    finish(start(input, "--z=1:2", "--voxel-nm", "wide", NULL), 2);
    finish(start(input, "--z=1:2", "--latent", "vague", NULL), 2);
    finish(start(input, "--z=1:2", "--device", "abacus", NULL), 2);
    finish(start(input, "--z=1:2", "--suggest", NULL), 2);
    CHECK(strstr(said, "exclude each other") != NULL);
    finish(start(input, "--suggest", "0", NULL), 2);
}

static void bad_inputs(void) {
    finish(start(scratch("absent.mrc"), "--z", "1:2", NULL), 3);
    CHECK(strstr(said, "absent.mrc") != NULL);
    finish(start(program, "--z", "1:2", NULL), 3); /* no MRC file */
    finish(start(input, "--z", "10:99", "--out", out, NULL), 3);
    CHECK(strstr(said, "within 0:16") != NULL);
    finish(start(input, "--z", "1:2", "--model", "no-such-model", NULL), 3);
    CHECK(strstr(said, "no-such-model") != NULL);
    finish(start(input, "--z", "1:2", "--preset", "best", "--out", out, NULL), 3);
    finish(start(input, "--z", "1:2", "--out", "/proc/no-such-folder", NULL), 5);
    CHECK(count_files(out) == 0);
}

static void a_whole_run(void) {
    finish(start(input, "--z", "7:8", "--out", out, "--json", "--float32", "--threads", "1", "--dump",
                 scratch("dump.safetensors"), NULL), 0);
    CHECK(strstr(said, "\r") == NULL);           /* no bar without a terminal */
    CHECK(strstr(said, " %  ") != NULL);         /* but lines */
    CHECK(strstr(said, "_labels.mrc") != NULL);  /* where the files are */
    CHECK(count_files(out) == 10);
    read_said("json");
    CHECK(said[0] == '{' && strstr(said, "\"report\": {") != NULL && strstr(said, "\"seconds\"") != NULL);
    CHECK(strstr(said, "\"points_coords\": ") != NULL && said[strlen(said) - 2] == '}');
    struct stat status;
    CHECK(stat(scratch("dump.safetensors"), &status) == 0);
    finish(start(input, "--z", "7:8", "--out", out, "--quiet", "--threads", "1", NULL), 0);
    CHECK(said[0] == '\0');
    read_said("json");
    CHECK(said[0] == '\0');
}

static void suggestions(void) {
    /* Wherever the best five of the sixteen slices lie, five more fit beside them. */
    finish(start(input, "--suggest", "2", "--thickness", "5", "--quiet", NULL), 0);
    CHECK(said[0] == '\0');
    read_said("json");
    CHECK(strchr(said, ':') != NULL && strchr(said, '\n') != strrchr(said, '\n'));
    finish(start("--suggest", input, "--thickness=5", "--json", "--quiet", NULL), 0);
    read_said("json");
    CHECK(strstr(said, "\"slabs\": [{\"z_first\": ") != NULL && strstr(said, "\"profile\": [") != NULL);
    finish(start(input, "--suggest", "--thickness", "17", NULL), 3);
    CHECK(strstr(said, "thickness is 17, must be 1..=16") != NULL);
    finish(start(input, "--z", "auto", "--thickness", "1", "--out", out, "--threads", "1", NULL), 0);
    read_said("json");
    CHECK(strncmp(said, "Slices ", 7) == 0);
}

static void ctrl_c(void) {
    char folder[4096];
    snprintf(folder, sizeof folder, "%s", scratch("cancelled"));
    pid_t pid = start(input, "--z", "0:16", "--out", folder, "--threads", "1", NULL);
    wait_until_it_says(" %  "); /* it is at work */
    double time = now();
    CHECK(kill(pid, SIGINT) == 0);
    finish(pid, 130);
    printf("  Ctrl-C: ended in %.0f ms\n", (now() - time) * 1e3);
    CHECK(strstr(said, "cancelled during") != NULL);
    CHECK(count_files(folder) == 0);
}

int main(void) {
    if (!set_program("tomocut-slab")) {
        return 0;
    }
    usage_errors();
    bad_inputs();
    a_whole_run();
    suggestions();
    ctrl_c();
    return 0;
}
