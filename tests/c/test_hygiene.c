/* Hosts of every kind: a comma locale, threads of 64 KiB of stack, signals all the time, sixteen threads with handles
 * of their own. What the engine finds and writes is the same in all of them. */
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "sample.h"

enum { Z = 7, N_THREADS = 16 };

static const char *const endings[] = {"_labels.mrc",  "_score.mrc",   "_points.csv",   "_points.star",
                                      "_points.tbl", "_points.mod", "_points.coords"};
enum { N_ENDINGS = sizeof endings / sizeof endings[0] };

struct run {
    const struct sample *sample;
    char folder[4096];
};

/* A slab with its files, and a prediction. */
static void *everything(void *argument) {
    struct run *run = argument;
    const struct sample *sample = run->sample;
    tomocut_slab_options options = slab_options(Z, Z + 1);
    tomocut_predict_options predict;
    tomocut_predictor *predictor = NULL;
    tomocut_slab *slab = NULL;
    CHECK_OK(tomocut_slab_segment(sample->engine, sample->model, sample->tomogram, &options, &slab));
    CHECK_OK(tomocut_slab_write(slab, sample->tomogram, run->folder, "a", NULL));
    tomocut_slab_free(slab);
    CHECK_OK(tomocut_predictor_builtin(sample->engine, &predictor));
    CHECK_OK(tomocut_predict_options_init(&predict, sizeof predict));
    char region[80];
    snprintf(region, sizeof region, "{\"region_first\": [%d, 0, 0], \"region_end\": [%d, 64, 64]}", Z, Z + 1);
    predict.settings = region;
    CHECK_OK(tomocut_predictor_run(sample->engine, predictor, sample->tomogram, NULL, &predict, run->folder, NULL,
                                   NULL));
    tomocut_predictor_free(predictor);
    return NULL;
}

static void check_same(const struct run *one, const struct run *other) {
    char a[4200], b[4200];
    for (int i = 0; i <= N_ENDINGS; i++) {
        const char *stem = i == N_ENDINGS ? "tomogram_" : "a", *ending = i == N_ENDINGS ? "membrane.mrc" : endings[i];
        snprintf(a, sizeof a, "%s/%s%s", one->folder, stem, ending);
        snprintf(b, sizeof b, "%s/%s%s", other->folder, stem, ending);
        CHECK(same_bytes(a, b));
    }
}

static struct run run_in(const struct sample *sample, const char *name) {
    struct run run = {sample, ""};
    snprintf(run.folder, sizeof run.folder, "%s", scratch(name));
    return run;
}

/* A locale whose decimals have commas, made here where the system has none. */
static int comma_locale(void) {
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
    char command[8400];
    for (int i = 0; i < 4; i++) {
        if (setlocale(LC_ALL, names[i]) != NULL) {
            return 1;
        }
    }
    snprintf(command, sizeof command, "mkdir -p '%s' && localedef -i de_DE -f UTF-8 '%s/de_DE.UTF-8' 2>/dev/null",
             scratch("locales"), scratch("locales"));
    if (system(command) != 0 || setenv("LOCPATH", scratch("locales"), 1) != 0) {
        return 0;
    }
    return setlocale(LC_ALL, "de_DE.UTF-8") != NULL;
}

static void a_comma_locale(const struct sample *sample, const struct run *reference) {
    struct run run = run_in(sample, "comma");
    char text[16];
    if (!comma_locale()) {
        printf("  skipped: a comma locale (needs Debian's package locales)\n");
        return;
    }
    snprintf(text, sizeof text, "%.1f", 1.5);
    CHECK(strcmp(text, "1,5") == 0);
    everything(&run);
    CHECK(setlocale(LC_ALL, NULL) != NULL && strncmp(setlocale(LC_NUMERIC, NULL), "C", 2) != 0); /* left as it was */
    check_same(&run, reference);
    CHECK(setlocale(LC_ALL, "C") != NULL);
}

static void a_small_stack(const struct sample *sample, const struct run *reference) {
    struct run run = run_in(sample, "stack");
    pthread_attr_t attributes;
    pthread_t thread;
    CHECK(pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, 64 * 1024) == 0);
    CHECK(pthread_create(&thread, &attributes, everything, &run) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(pthread_attr_destroy(&attributes) == 0);
    check_same(&run, reference);
}

static volatile sig_atomic_t signals;

static void count_signal(int number) {
    (void)number;
    signals++;
}

/* Every millisecond, interrupting what the system was asked for. */
static void signals_all_the_time(const struct sample *sample, const struct run *reference) {
    struct run run = run_in(sample, "signals");
    struct sigaction action, before;
    struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    memset(&action, 0, sizeof action);
    action.sa_handler = count_signal;
    CHECK(sigaction(SIGALRM, &action, &before) == 0 && setitimer(ITIMER_REAL, &often, NULL) == 0);
    everything(&run);
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0 && sigaction(SIGALRM, &before, NULL) == 0);
    CHECK(signals > 100);
    check_same(&run, reference);
}

struct own {
    int index;
    float found[16 * 32 * 32];
};

/* Engine, tomogram and predictor of its own. */
static void *with_own_handles(void *argument) {
    struct own *own = argument;
    tomocut_engine_options engine_options;
    tomocut_predict_options options;
    tomocut_engine *engine = NULL;
    tomocut_tomogram *tomogram = NULL, *found = NULL;
    tomocut_predictor *predictor = NULL;
    tomocut_volume volume = volume_of(sample_voxels, TOMOCUT_DTYPE_F32, SAMPLE_NZ, SAMPLE_NY, SAMPLE_NX);
    tomocut_volume out = volume_of(own->found, TOMOCUT_DTYPE_F32, 16, 32, 32);
    char folder[4096], path[4200];
    snprintf(folder, sizeof folder, "%s/own%d", getenv("TOMOCUT_TEST_DIR"), own->index);
    CHECK_OK(tomocut_engine_options_init(&engine_options, sizeof engine_options));
    engine_options.n_threads = 1;
    CHECK_OK(tomocut_engine_create(&engine_options, &engine));
    CHECK_OK(tomocut_tomogram_from_volume(engine, &volume, NULL, &tomogram));
    CHECK_OK(tomocut_predictor_builtin(engine, &predictor));
    CHECK_OK(tomocut_predict_options_init(&options, sizeof options));
    options.settings = "{\"region_end\": [16, 32, 32]}";
    CHECK_OK(tomocut_predictor_run(engine, predictor, tomogram, NULL, &options, folder, NULL, NULL));
    snprintf(path, sizeof path, "%s/tomogram_membrane.mrc", folder);
    CHECK_OK(tomocut_tomogram_open(engine, path, NULL, &found));
    CHECK_OK(tomocut_tomogram_read(found, 0, &out, NULL));
    tomocut_tomogram_free(found);
    tomocut_tomogram_free(tomogram);
    tomocut_predictor_free(predictor);
    tomocut_engine_free(engine);
    return NULL;
}

static void sixteen_threads(void) {
    static struct own owns[N_THREADS];
    pthread_t threads[N_THREADS];
    for (int i = 0; i < N_THREADS; i++) {
        owns[i].index = i;
        CHECK(pthread_create(&threads[i], NULL, with_own_handles, &owns[i]) == 0);
    }
    for (int i = 0; i < N_THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        CHECK(memcmp(owns[i].found, owns[0].found, sizeof owns[0].found) == 0);
    }
}

int main(void) {
    struct sample sample = open_sample();
    struct run reference = run_in(&sample, "reference");
    everything(&reference);
    a_comma_locale(&sample, &reference);
    a_small_stack(&sample, &reference);
    signals_all_the_time(&sample, &reference);
    sixteen_threads();
    close_sample(&sample);
    return 0;
}
