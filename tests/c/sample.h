/* A small tomogram made in C, dark shells and balls in noise, and the handles to segment it with. */
#ifndef TOMOCUT_TESTS_SAMPLE_H
#define TOMOCUT_TESTS_SAMPLE_H

#include <math.h>
#include <time.h>

#include "check.h"

enum { SAMPLE_NZ = 16, SAMPLE_NY = 128, SAMPLE_NX = 128 };

static float sample_voxels[SAMPLE_NZ][SAMPLE_NY][SAMPLE_NX];

/* Roughly normal noise from a fixed sequence. */
static inline float sample_noise(uint32_t *state) {
    float sum = 0.0f;
    for (int i = 0; i < 4; i++) {
        *state = *state * 1664525U + 1013904223U;
        sum += (float)(*state >> 8) / 16777216.0f - 0.5f;
    }
    return sum * 1.7f;
}

static inline void fill_sample(void) {
    uint32_t state = 1;
    for (int z = 0; z < SAMPLE_NZ; z++) {
        for (int y = 0; y < SAMPLE_NY; y++) {
            for (int x = 0; x < SAMPLE_NX; x++) {
                float shell = sqrtf((float)((x - 40) * (x - 40) + (y - 44) * (y - 44))) - 26.0f;
                float value = 0.7f * sample_noise(&state);
                value -= fabsf(shell) < 3.0f ? 1.5f : 0.0f;
                for (int ball = 0; ball < 4; ball++) {
                    int cx = 90 + 22 * (ball % 2), cy = 84 + 24 * (ball / 2), cz = 8;
                    int r2 = (x - cx) * (x - cx) + (y - cy) * (y - cy) + (z - cz) * (z - cz);
                    value -= r2 < 49 ? 1.8f : 0.0f;
                }
                sample_voxels[z][y][x] = value;
            }
        }
    }
}

struct sample {
    tomocut_engine *engine;
    tomocut_model *model;
    tomocut_tomogram *tomogram;
};

/* Engine, built-in model and tomogram; voxels of 1 nm. */
static inline struct sample open_sample(void) {
    struct sample sample = {new_engine(NULL, NULL), NULL, NULL};
    tomocut_volume volume = volume_of(sample_voxels, TOMOCUT_DTYPE_F32, SAMPLE_NZ, SAMPLE_NY, SAMPLE_NX);
    tomocut_geometry geometry;
    fill_sample();
    CHECK_OK(tomocut_geometry_init(&geometry, sizeof geometry));
    for (int axis = 0; axis < 3; axis++) {
        geometry.voxel_angstrom[axis] = 10.0;
        geometry.origin_angstrom[axis] = 100.0;
        geometry.start[axis] = 2;
    }
    CHECK_OK(tomocut_tomogram_from_volume(sample.engine, &volume, &geometry, &sample.tomogram));
    CHECK_OK(tomocut_model_builtin(sample.engine, NULL, &sample.model));
    return sample;
}

static inline void close_sample(struct sample *sample) {
    tomocut_tomogram_free(sample->tomogram);
    tomocut_model_free(sample->model);
    tomocut_engine_free(sample->engine);
}

static inline tomocut_slab_options slab_options(uint64_t z_first, uint64_t z_end) {
    tomocut_slab_options options;
    CHECK_OK(tomocut_slab_options_init(&options, sizeof options));
    options.z_first = z_first;
    options.z_end = z_end;
    return options;
}

static inline double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

#endif
