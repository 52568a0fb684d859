/* Two engines at once, each on its own thread: one model, one tomogram, equal results, and the host's threads as
 * before. */
#include <pthread.h>

#include "sample.h"

enum { Z = 7 };

struct work {
    const struct sample *sample;
    uint32_t n_threads;
    int8_t labels[SAMPLE_NY][SAMPLE_NX];
};

static void *segment(void *argument) {
    struct work *work = argument;
    tomocut_engine_options engine_options;
    tomocut_engine *engine = NULL;
    tomocut_slab *slab = NULL;
    tomocut_slab_options options = slab_options(Z, Z + 1);
    CHECK_OK(tomocut_engine_options_init(&engine_options, sizeof engine_options));
    engine_options.n_threads = work->n_threads;
    CHECK_OK(tomocut_engine_create(&engine_options, &engine));
    CHECK_OK(tomocut_slab_segment(engine, work->sample->model, work->sample->tomogram, &options, &slab));
    tomocut_volume out = volume_of(work->labels, TOMOCUT_DTYPE_I8, 1, SAMPLE_NY, SAMPLE_NX);
    CHECK_OK(tomocut_slab_labels(slab, &out));
    tomocut_slab_free(slab);
    tomocut_engine_free(engine);
    return NULL;
}

/* The thread count that libtorch has on the calling thread. */
static void *threads_of_libtorch(void *argument) {
    static char report[8192];
    int *count = argument;
    CHECK_OK(tomocut_runtime_report(report, sizeof report, NULL));
    const char *line = strstr(report, "threads: ");
    CHECK(line != NULL && sscanf(line, "threads: %d", count) == 1);
    return NULL;
}

static int count_on_new_thread(void) {
    pthread_t thread;
    int count = 0;
    CHECK(pthread_create(&thread, NULL, threads_of_libtorch, &count) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    return count;
}

int main(void) {
    struct sample sample = open_sample();
    static struct work works[3];
    pthread_t threads[3];
    int before = 0, after = 0;
    threads_of_libtorch(&before);
    int fresh_before = count_on_new_thread();
    for (int i = 0; i < 3; i++) {
        works[i].sample = &sample;
        works[i].n_threads = (uint32_t)i; /* the host's, one, two */
        CHECK(pthread_create(&threads[i], NULL, segment, &works[i]) == 0);
    }
    for (int i = 0; i < 3; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    /* Sums may be split among threads: neighbours of a threshold may differ, nothing else. */
    int differ = 0;
    for (int i = 0; i < SAMPLE_NY * SAMPLE_NX; i++) {
        differ += (&works[0].labels[0][0])[i] != (&works[1].labels[0][0])[i];
        differ += (&works[2].labels[0][0])[i] != (&works[1].labels[0][0])[i];
    }
    printf("  %d of %d labels differ between thread counts\n", differ, 2 * SAMPLE_NY * SAMPLE_NX);
    CHECK(differ < SAMPLE_NY * SAMPLE_NX / 100);
    threads_of_libtorch(&after);
    CHECK(before == after);
    CHECK(count_on_new_thread() == fresh_before);
    close_sample(&sample);
    return 0;
}
