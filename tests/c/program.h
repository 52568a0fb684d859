/* A program of c-examples as a user runs it: started, watched, ended. */
#ifndef TOMOCUT_TESTS_PROGRAM_H
#define TOMOCUT_TESTS_PROGRAM_H

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
static inline void write_sample(const char *path) {
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
static inline pid_t start(const char *first, ...) {
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
    /* Nothing that another run said is waited for. */
    unlink(scratch("said"));
    close(open(scratch("said"), O_WRONLY | O_CREAT | O_TRUNC, 0600));
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        int text = open(scratch("said"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(text, STDERR_FILENO);
        text = open(scratch("json"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(text, STDOUT_FILENO);
        signal(SIGINT, SIG_DFL); /* a shell's background jobs ignore it */
        execv(program, (char *const *)(void *)arguments);
        _exit(99);
    }
    return pid;
}

static inline void read_said(const char *name) {
    FILE *file = fopen(scratch(name), "rb");
    CHECK(file != NULL);
    said[fread(said, 1, sizeof said - 1, file)] = '\0';
    fclose(file);
}

/* Waits for the program to end with this code. */
static inline void finish(pid_t pid, int expected) {
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid);
    read_said("said");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != expected) {
        fprintf(stderr, "ended with status %#x, expected exit code %d; it said:\n%s\n", (unsigned)status, expected, said);
        exit(1);
    }
}

static inline int count_files(const char *folder) {
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

/* Waits until the program says these words. */
static inline void wait_until_it_says(const char *words) {
    for (int i = 0; i < 2400; i++) {
        read_said("said");
        if (strstr(said, words) != NULL) {
            return;
        }
        usleep(50000);
    }
    fprintf(stderr, "it did not say \"%s\" but:\n%s\n", words, said);
    exit(1);
}

/* Sets the program and the names of the input and the folder of results; 0 where the programs are not there. */
static inline int set_program(const char *name) {
    const char *programs = getenv("TOMOCUT_PROGRAMS");
    if (programs == NULL) {
        printf("skipped: TOMOCUT_PROGRAMS does not name the folder of %s\n", name);
        return 0;
    }
    snprintf(program, sizeof program, "%s/%s", programs, name);
    snprintf(input, sizeof input, "%s", scratch("sample.mrc"));
    snprintf(out, sizeof out, "%s", scratch("out"));
    write_sample(input);
    return 1;
}

#endif
