/* tomocut-run: a data set in one command. Slabs are labelled by the diffusion model, a network learns from the labels, and
 * every tomogram is segmented with it.
 *
 *     cc -std=c99 -I include c-examples/run.c -o tomocut-run -L target/release -ltomocut -lm
 */
#define _POSIX_C_SOURCE 200809L
#include "run_request.h"

struct session {
    tomocut_cancel *cancel;
    tomocut_engine *engine;
    tomocut_model *model;
    struct path_list paths;
    tomocut_dataset_tomogram *tomograms; /* as many as paths */
    tomocut_dataset_outcome *outcomes;
    struct progress_display display;
};

/* Warnings, and what is being done with which tomogram, above the bar. */
static void show_run_log(tomocut_log_level level, const char *target, const char *message, void *user_data) {
    struct progress_display *display = user_data;
    if (level == TOMOCUT_LOG_INFO && strcmp(target, "dataset") != 0) {
        return;
    }
    progress_end(display);
    if (level == TOMOCUT_LOG_INFO) {
        fprintf(stderr, "%s\n", message);
    } else {
        show_log(level, target, message, NULL);
    }
}

/* A folder may hold results of an earlier run, or a tomogram that is named itself, beside its tomograms. */
static int is_taken(const char *name, void *data) {
    static const char *const results[] = {"_labels.mrc",   "_membrane.mrc", "_molecule.mrc", "_filament.mrc",
                                          "_centre.mrc", "_score.mrc",    "_std.mrc"};
    const struct request *request = data;
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        if (ends_with(name, results[i])) {
            return 1;
        }
    }
    for (size_t i = 0; i < request->n_inputs; i++) {
        const char *slash = strrchr(request->inputs[i], '/');
        if (strcmp(name, slash == NULL ? request->inputs[i] : slash + 1) == 0) {
            return 1;
        }
    }
    return 0;
}

/* The tomograms of all files and folders, with what is said of those that are named themselves. */
static enum exit_code list_tomograms(struct request *request, struct session *session) {
    struct path_list *paths = &session->paths;
    for (size_t i = 0; i < request->n_inputs; i++) {
        size_t first = paths->n;
        if (!tomogram_list_take(paths, request->inputs[i], is_taken, request)) {
            return EXIT_BAD_INPUT;
        }
        const char *z = said_of(&request->z, i), *truth = said_of(&request->truth, i);
        int is_itself = paths->n == first + 1 && strcmp(paths->paths[first], request->inputs[i]) == 0;
        if ((z != NULL || truth != NULL) && !is_itself) {
            complain("%s of %s: must stand after a tomogram, not a folder", z != NULL ? "--z" : "--truth",
                     request->inputs[i]);
            return EXIT_USAGE;
        }
        tomocut_dataset_tomogram *longer = realloc(session->tomograms, paths->n * sizeof *longer);
        if (longer == NULL) {
            complain("out of memory");
            return EXIT_NO_MEMORY;
        }
        session->tomograms = longer;
        memset(longer + first, 0, (paths->n - first) * sizeof *longer);
        for (size_t k = first; k < paths->n; k++) {
            longer[k].path = paths->paths[k];
        }
        longer[first].truth = truth;
        if (z != NULL) {
            parse_slices(z, &longer[first].z_first, &longer[first].z_end);
        }
    }
    session->outcomes = calloc(paths->n, sizeof *session->outcomes);
    if (session->outcomes == NULL) {
        complain("out of memory");
        return EXIT_NO_MEMORY;
    }
    return EXIT_DONE;
}

static enum exit_code start(struct request *request, struct session *session) {
    enum exit_code code = list_tomograms(request, session);
    if (code != EXIT_DONE) {
        return code;
    }
    tomocut_status status = tomocut_cancel_create(&session->cancel);
    if (status != TOMOCUT_OK) {
        return exit_code_after(status, EXIT_FAILED);
    }
    cancel_at_ctrl_c(session->cancel);
    progress_begin(&session->display, request->quiet);
    status = start_logging_engine(request->device, request->threads,
                                  request->quiet ? TOMOCUT_LOG_ERROR : TOMOCUT_LOG_INFO, show_run_log, &session->display,
                                  &session->engine);
    if (status != TOMOCUT_OK) {
        return exit_code_after(status, EXIT_USAGE);
    }
    status = request->diffusion == NULL
                 ? tomocut_model_builtin(session->engine, NULL, &session->model)
                 : tomocut_model_open(session->engine, request->diffusion, NULL, &session->model);
    if (status != TOMOCUT_OK) {
        return exit_code_after(status, EXIT_BAD_INPUT);
    }
    return make_folder(request->out) ? EXIT_DONE : EXIT_NOT_WRITTEN;
}

static tomocut_status run_data_set(const struct request *request, struct session *session,
                                   tomocut_dataset_report *report) {
    tomocut_dataset_options options;
    tomocut_trainer_options training;
    tomocut_predict_options prediction;
    tomocut_membrane_options membranes;
    tomocut_dataset_options_init(&options, sizeof options);
    tomocut_trainer_options_init(&training, sizeof training);
    tomocut_predict_options_init(&prediction, sizeof prediction);
    tomocut_dataset_report_init(report, sizeof *report);
    training.start = request->start;
    training.network_json = request->network;
    training.loss = request->loss;
    training.scratch = request->scratch;
    training.steps = request->steps;
    training.seed = request->seed;
    training.rate = request->rate;
    training.batch = (uint32_t)request->batch;
    memcpy(training.window, request->window, sizeof training.window);
    prediction.mirrors = request->mirrors;
    prediction.probability_dtype = request->byte ? TOMOCUT_DTYPE_U8 : TOMOCUT_DTYPE_F16;
    prediction.threshold = request->threshold;
    tomocut_membrane_options_init(&membranes, sizeof membranes);
    prediction.membranes = request->membranes ? &membranes : NULL;
    options.slabs = request->slabs;
    options.thickness = request->thickness;
    options.held_out = request->held_out_text == NULL ? 0.0 : request->held_out > 0.0 ? request->held_out : -1.0;
    options.voxel_nm = request->voxel_nm;
    options.bright = request->bright;
    options.training = &training;
    options.prediction = &prediction;
    options.memory = request->memory;
    options.restart = request->restart;
    options.cancel = session->cancel;
    options.progress = progress_show;
    options.progress_user_data = &session->display;
    tomocut_status status = tomocut_dataset_run(session->engine, session->model, session->tomograms, session->paths.n,
                                                &options, request->out, report, session->outcomes);
    progress_end(&session->display);
    return status;
}

static void print_json(const struct request *request, const struct session *session,
                       const tomocut_dataset_report *report) {
    fputs("{\"out\": ", stdout);
    print_json_text(stdout, request->out);
    printf(", \"slabs\": %llu, \"steps\": %llu, \"dice\": %.4f", (unsigned long long)report->slabs,
           (unsigned long long)report->steps, report->dice);
    if (isfinite(report->loss)) {
        printf(", \"loss\": %.6f", report->loss);
    }
    fputs(", \"tomograms\": [", stdout);
    for (size_t i = 0; i < session->paths.n; i++) {
        const tomocut_dataset_outcome *outcome = &session->outcomes[i];
        int failed = outcome->status != TOMOCUT_OK;
        printf("%s\n  {\"input\": ", i == 0 ? "" : ",");
        print_json_text(stdout, session->paths.paths[i]);
        printf(", \"outcome\": \"%s\"", failed ? "failed" : outcome->was_there ? "there already" : "done");
        if (failed) {
            fputs(", \"error\": ", stdout);
            print_json_text(stdout, outcome->text);
        }
        putchar('}');
    }
    puts("\n]}");
}

static void print_text(const struct request *request, const struct session *session,
                       const tomocut_dataset_report *report) {
    for (size_t i = 0; i < session->paths.n; i++) {
        const tomocut_dataset_outcome *outcome = &session->outcomes[i];
        printf("%s: %s\n", session->paths.paths[i],
               outcome->status != TOMOCUT_OK ? "failed" : outcome->was_there ? "there already" : "done");
    }
    printf("%llu slabs, %llu steps, mean Dice %.3f with the slabs' labels\n%s/report.html\n",
           (unsigned long long)report->slabs, (unsigned long long)report->steps, report->dice, request->out);
}

static enum exit_code run(struct request *request, struct session *session) {
    tomocut_dataset_report report;
    enum exit_code code = start(request, session);
    if (code != EXIT_DONE) {
        return code;
    }
    tomocut_status status = run_data_set(request, session, &report);
    if (status != TOMOCUT_OK) {
        code = exit_code_after(status, status == TOMOCUT_E_IO ? EXIT_NOT_WRITTEN : EXIT_BAD_INPUT);
        if (status == TOMOCUT_E_CANCELLED) {
            complain("what is done is kept in %s; the same command goes on", request->out);
        }
        return code;
    }
    if (request->json) {
        print_json(request, session, &report);
    } else if (!request->quiet) {
        print_text(request, session, &report);
    }
    if (report.failed == 0) {
        return EXIT_DONE;
    }
    for (size_t i = 0; i < session->paths.n; i++) {
        if (session->outcomes[i].status != TOMOCUT_OK) {
            complain("%s: %s", session->paths.paths[i], session->outcomes[i].text);
        }
    }
    complain("%llu of %zu tomograms failed", (unsigned long long)report.failed, session->paths.n);
    return EXIT_FAILED;
}

int main(int argc, char **argv) {
    static struct request request;
    static struct session session;
    program_name = "tomocut-run";
    if (!parse_request(argc, argv, &request)) {
        return EXIT_USAGE;
    }
    if (request.help) {
        printf("%s%s", help, exit_code_help);
        puts("1 also where some tomograms failed, whatever the reason; the others are done.");
        return EXIT_DONE;
    }
    if (!library_fits()) {
        return EXIT_FAILED;
    }
    if (request.version) {
        print_version();
        return EXIT_DONE;
    }
    enum exit_code code = run(&request, &session);
    progress_end(&session.display);
    cancel_on_signal = NULL;
    tomocut_model_free(session.model);
    tomocut_engine_free(session.engine);
    tomocut_cancel_free(session.cancel);
    path_list_free(&session.paths);
    free(session.tomograms);
    free(session.outcomes);
    return (int)code;
}
