/* What else a model is good for: likelihoods of structures, denoising, adapting it to a data set. */
#include <sys/stat.h>
#include <unistd.h>

#include "sample.h"

enum { FIRST = 6, END = 9, DEPTH = END - FIRST };

static float maps[4][DEPTH][SAMPLE_NY][SAMPLE_NX];
static float denoised[DEPTH][SAMPLE_NY][SAMPLE_NX];

static void likelihoods_add_up_to_the_score(struct sample *sample) {
    static float score[DEPTH][SAMPLE_NY][SAMPLE_NX];
    static const char *const known[4] = {"membrane", "molecule", "filament", "molecule_centre"};
    tomocut_slab_options options = slab_options(FIRST, END);
    tomocut_slab *slab = NULL;
    tomocut_volume out = volume_of(score, TOMOCUT_DTYPE_F32, DEPTH, SAMPLE_NY, SAMPLE_NX);
    CHECK_OK(tomocut_slab_segment(sample->engine, sample->model, sample->tomogram, &options, &slab));
    CHECK_OK(tomocut_slab_score(slab, &out));
    for (int map = 0; map < 4; map++) {
        out.data = maps[map];
        CHECK_OK(tomocut_slab_likelihood(slab, known[map], &out));
    }
    double worst = 0.0, spread = 0.0;
    for (int i = 0; i < DEPTH * SAMPLE_NY * SAMPLE_NX; i++) {
        float sum = 0.0f;
        for (int map = 0; map < 3; map++) {
            float value = (&maps[map][0][0][0])[i];
            CHECK(value >= 0.0f && value <= 1.0f);
            sum += value;
        }
        sum = sum > 1.0f ? 1.0f : sum;
        worst = fmax(worst, fabs(sum - (&score[0][0][0])[i]));
        spread = fmax(spread, sum);
    }
    CHECK(worst < 1e-6 && spread > 0.05);
    CHECK_REFUSED("map is \"vesicle\"", tomocut_slab_likelihood(slab, "vesicle", &out));
    CHECK_REFUSED("map is NULL", tomocut_slab_likelihood(slab, NULL, &out));
    CHECK_REFUSED("slab is NULL", tomocut_slab_likelihood(NULL, "membrane", &out));
    tomocut_slab_free(slab);
    slab = NULL;

    /* Another canvas has no likelihoods. */
    options.settings = "{\"canvas\": \"denoised\"}";
    CHECK_OK(tomocut_slab_segment(sample->engine, sample->model, sample->tomogram, &options, &slab));
    CHECK_STATUS(TOMOCUT_E_UNSUPPORTED, tomocut_slab_likelihood(slab, "membrane", &out));
    tomocut_slab_free(slab);
}

/* Standard deviation over a square without structure. */
static double roughness(float volume[SAMPLE_NY][SAMPLE_NX]) {
    double sum = 0.0, squares = 0.0;
    for (int y = 4; y < 14; y++) {
        for (int x = 90; x < 124; x++) {
            sum += volume[y][x];
            squares += (double)volume[y][x] * volume[y][x];
        }
    }
    double mean = sum / 340.0;
    return sqrt(fmax(squares / 340.0 - mean * mean, 0.0));
}

static void denoising_lowers_the_noise(struct sample *sample) {
    tomocut_volume out = volume_of(denoised, TOMOCUT_DTYPE_F32, DEPTH, SAMPLE_NY, SAMPLE_NX);
    const char *path = scratch("denoised.mrc");
    struct stat status;
    CHECK_OK(tomocut_tomogram_denoise(sample->engine, sample->model, sample->tomogram, FIRST, END, NULL, &out));
    double before = roughness(sample_voxels[FIRST]), after = roughness(denoised[0]);
    printf("  noise %.3f, denoised %.3f\n", before, after);
    CHECK(after < 0.6 * before);
    /* All slices. */
    CHECK_OK(tomocut_tomogram_denoise_to_file(sample->engine, sample->model, sample->tomogram, 0, 0, NULL, path));
    CHECK(stat(path, &status) == 0 && status.st_size == 1024 + 4 * SAMPLE_NZ * SAMPLE_NY * SAMPLE_NX);
    out.shape[0] = DEPTH + 1;
    CHECK_REFUSED("denoised.shape",
                  tomocut_tomogram_denoise(sample->engine, sample->model, sample->tomogram, FIRST, END, NULL, &out));
    CHECK_STATUS(TOMOCUT_E_IO, tomocut_tomogram_denoise_to_file(sample->engine, sample->model, sample->tomogram, FIRST,
                                                                END, NULL, "/nonexistent/denoised.mrc"));
    unlink(path);
}

static void an_adapted_model_opens(struct sample *sample) {
    tomocut_call_options options;
    tomocut_model *adapted = NULL;
    const tomocut_tomogram *list[1] = {sample->tomogram};
    const char *path = scratch("adapted.safetensors");
    CHECK_OK(tomocut_call_options_init(&options, sizeof options));
    CHECK_REFUSED("n is 0", tomocut_model_adapt(sample->engine, NULL, list, 0, &options, path));
    CHECK_REFUSED("tomogram is NULL",
                  tomocut_model_adapt(sample->engine, NULL, (const tomocut_tomogram *const[]){NULL}, 1, &options,
                                      path));
    options.settings = "{\"batch\": 1}";
    CHECK_REFUSED("settings.batch is 1", tomocut_model_adapt(sample->engine, NULL, list, 1, &options, path));
    CHECK(access(path, F_OK) != 0);
    options.settings = "{\"batch\": 2, \"steps\": 1, \"snr\": 0.5}";
    CHECK_OK(tomocut_model_adapt(sample->engine, NULL, list, 1, &options, path));
    CHECK_OK(tomocut_model_open(sample->engine, path, NULL, &adapted));
    tomocut_model_free(adapted);
    unlink(path);
}

int main(void) {
    struct sample sample = open_sample();
    likelihoods_add_up_to_the_score(&sample);
    denoising_lowers_the_noise(&sample);
    an_adapted_model_opens(&sample);
    close_sample(&sample);
    return 0;
}
