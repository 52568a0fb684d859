/* The sample as a file, and what a folder holds. */
#ifndef TOMOCUT_TESTS_FILES_H
#define TOMOCUT_TESTS_FILES_H

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sample.h"

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

/* Files of a folder, hidden ones left out. */
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

#endif
