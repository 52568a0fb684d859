/* tomocut-slab as a user runs it: exit codes, files, JSON, Ctrl-C. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sample.h"

static char program[4096], input[4096], out[4096], said[65536];

/* The sample as an MRC file of mode 2, voxels of 10 Angstrom. */
static void write_sample(const char *path) {
    int32_t header[256];
    const int32_t start[] = {SAMPLE_NX, SAMPLE_NY, SAMPLE_NZ, 2, 0, 0, 0, SAMPLE_NX, SAMPLE_NY, SAMPLE_NZ};
    const float cell[] = {SAMPLE_NX * 10.0f, SAMPLE_NY * 10.0f, SAMPLE_NZ * 10.0f, 90.0f, 90.0f, 90.0f};
    const int32_t axes[] = {1, 2, 3};
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL);
    fill_sample();
    memset(header, 0, sizeof header);
    memcpy(header, start, sizeof start);
    memcpy(header + 10, cell, sizeof cell);
    memcpy(header + 16, axes, sizeof axes);
    memcpy(header + 52, "MAP \x44\x44\0\0", 8);
    CHECK(fwrite(header, sizeof header, 1, file) == 1);
    CHECK(fwrite(sample_voxels, sizeof sample_voxels, 1, file) == 1);
    CHECK(fclose(file) == 0);
}

/* Starts the program with these arguments, up to NULL; its text goes to a file that `finish` reads. */
static pid_t start(const char *first, ...) {
    const char *arguments[32] = {program, first};
    va_list list;
    int n = 1;
    va_start(list, first);
    while (arguments[n] != NULL) {
        CHECK(n < 30);
        arguments[++n] = va_arg(list, const char *);
    }
    va_end(list);
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        int text = open(scratch("said"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(text, STDERR_FILENO);
        text = open(scratch("json"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(text, STDOUT_FILENO);
        execv(program, (char *const *)(void *)arguments);
        _exit(99);
    }
    return pid;
}

static void read_said(const char *name) {
    FILE *file = fopen(scratch(name), "rb");
    CHECK(file != NULL);
    said[fread(said, 1, sizeof said - 1, file)] = '\0';
    fclose(file);
}

/* Waits for the program to end with this code. */
static void finish(pid_t pid, int expected) {
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid);
    read_said("said");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != expected) {
        fprintf(stderr, "ended with status %#x, expected exit code %d; it said:\n%s\n", (unsigned)status, expected, said);
        exit(1);
    }
}

static int count_files(const char *folder) {
    DIR *stream = opendir(folder);
    int count = 0;
    const struct dirent *entry;
    while (stream != NULL && (entry = readdir(stream)) != NULL) {
        count += entry->d_name[0] != '.';
    }
    if (stream != NULL) {
        closedir(stream);
    }
    return count;
}

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
    /* Wait until it reports, so that it is at work. */
    for (int i = 0; i < 600; i++) {
        usleep(50000);
        read_said("said");
        if (strstr(said, " %  ") != NULL) {
            break;
        }
    }
    CHECK(strstr(said, " %  ") != NULL);
    double time = now();
    CHECK(kill(pid, SIGINT) == 0);
    finish(pid, 130);
    printf("  Ctrl-C: ended in %.0f ms\n", (now() - time) * 1e3);
    CHECK(strstr(said, "cancelled during") != NULL);
    CHECK(count_files(folder) == 0);
}

int main(void) {
    const char *programs = getenv("TOMOCUT_PROGRAMS");
    if (programs == NULL) {
        printf("skipped: TOMOCUT_PROGRAMS does not name the folder of tomocut-slab\n");
        return 0;
    }
    snprintf(program, sizeof program, "%s/tomocut-slab", programs);
    snprintf(input, sizeof input, "%s", scratch("sample.mrc"));
    snprintf(out, sizeof out, "%s", scratch("out"));
    write_sample(input);
    usage_errors();
    bad_inputs();
    a_whole_run();
    suggestions();
    ctrl_c();
    return 0;
}
