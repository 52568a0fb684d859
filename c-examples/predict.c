/* tomocut-predict: a trained network over whole tomograms, one, several or all of a folder.
 *
 *     cc -std=c99 -I include c-examples/predict.c -o tomocut-predict -L target/release -ltomocut -lm
 */
#define _POSIX_C_SOURCE 200809L
#include "picture_list.h"
#include "predict_request.h"
#include "tomogram_list.h"

#define MOST_OUTPUTS 64

struct session {
    tomocut_cancel *cancel;
    tomocut_engine *engine;
    tomocut_predictor *predictor;
    struct path_list tomograms;
    char endings[MOST_OUTPUTS][80]; /* of the files that each tomogram gets: "_membrane.mrc" */
    size_t n_endings;
    struct progress_display display;
};

/* What is asked for, TOMOCUT_PREDICT_*. */
static uint32_t outputs_of(const struct request *request) {
    uint32_t outputs = (request->labels ? TOMOCUT_PREDICT_LABELS : 0U) |
                       (request->probabilities ? TOMOCUT_PREDICT_PROBABILITIES : 0U);
    if (outputs == 0) {
        outputs = TOMOCUT_PREDICT_LABELS | TOMOCUT_PREDICT_PROBABILITIES;
    }
    if ((request->mirrors || request->samples > 1) && (outputs & TOMOCUT_PREDICT_PROBABILITIES) != 0) {
        outputs |= TOMOCUT_PREDICT_DEVIATIONS;
    }
    return outputs;
}

static void add_ending(struct session *session, const char *name, const char *kind, const char *type) {
    if (session->n_endings < MOST_OUTPUTS) {
        snprintf(session->endings[session->n_endings++], sizeof session->endings[0], "_%s%s%s", name, kind, type);
    }
}

/* The endings of the files that a tomogram gets, after the names of the network's outputs. */
static void list_endings(const struct request *request, struct session *session) {
    uint32_t outputs = outputs_of(request);
    const char *type = request->format != NULL && strcmp(request->format, "zarr") == 0 ? ".zarr" : ".mrc";
    char name[64];
    if ((outputs & TOMOCUT_PREDICT_LABELS) != 0) {
        add_ending(session, "labels", "", type);
    }
    for (uint64_t i = 0; tomocut_predictor_output(session->predictor, i, name, sizeof name, NULL) == TOMOCUT_OK; i++) {
        if (strcmp(name, "background") == 0) {
            continue;
        }
        if ((outputs & TOMOCUT_PREDICT_PROBABILITIES) != 0) {
            add_ending(session, name, "", type);
        }
        if ((outputs & TOMOCUT_PREDICT_DEVIATIONS) != 0) {
            add_ending(session, name, "_std", type);
        }
    }
    for (size_t i = 0; request->after.picks != NULL && i < N_POINTS_FORMATS; i++) {
        if ((request->after.formats & points_formats[i].bit) != 0) {
            add_ending(session, points_formats[i].name, "", points_formats[i].type);
        }
    }
    if (request->after.membranes) {
        const char *output = request->after.membrane_output == NULL ? "membrane" : request->after.membrane_output;
        add_ending(session, output, "_mask", ".mrc");
        add_ending(session, output, "_objects", ".mrc");
    }
}

/* A folder may hold results of an earlier run beside its tomograms. */
static int is_result(const char *name, void *data) {
    const struct session *session = data;
    for (size_t i = 0; i < session->n_endings; i++) {
        if (ends_with(name, session->endings[i])) {
            return 1;
        }
    }
    return 0;
}

/* "OUT/STEM_ending.mrc"; 0 where it does not fit. */
static int result_path(char *path, size_t size, const char *folder, const char *stem, const char *ending) {
    int length = snprintf(path, size, "%s/%s%s", folder, stem, ending);
    return length > 0 && (size_t)length < size;
}

static int is_done(const struct request *request, const struct session *session, const char *stem) {
    char path[4096];
    struct stat status;
    for (size_t i = 0; i < session->n_endings; i++) {
        if (!result_path(path, sizeof path, request->out, stem, session->endings[i]) || stat(path, &status) != 0) {
            return 0;
        }
    }
    return 1;
}

/* What concerns tomograms and pictures alike. */
static void common_options(const struct request *request, struct session *session, tomocut_predict_options *options) {
    tomocut_predict_options_init(options, sizeof *options);
    options->outputs = outputs_of(request);
    options->threshold = request->threshold;
    options->sampler = request->sampler;
    options->steps = (uint32_t)request->sampler_steps;
    options->samples = (uint32_t)request->samples;
    options->seed = request->seed;
    options->cancel = session->cancel;
    options->progress = progress_show;
    options->progress_user_data = &session->display;
}

/* All pictures of the list. */
static enum exit_code predict_all_pictures(const struct request *request, struct session *session) {
    struct path_list images;
    tomocut_predict_options options;
    tomocut_pictures_report report;
    memset(&images, 0, sizeof images);
    if (!picture_list_read(&images, request->pictures)) {
        path_list_free(&images);
        return EXIT_BAD_INPUT;
    }
    common_options(request, session, &options);
    tomocut_pictures_report_init(&report, sizeof report);
    progress_begin(&session->display, request->quiet);
    tomocut_status status =
        tomocut_predictor_run_pictures(session->engine, session->predictor, (const char *const *)images.paths, images.n,
                                       &options, request->out, &report);
    progress_end(&session->display);
    if (status == TOMOCUT_OK && request->json) {
        printf("{\"pictures\": %llu, \"files\": %llu, \"seconds_per_picture\": %.4f", (unsigned long long)images.n,
               (unsigned long long)report.files, report.seconds_per_picture);
        if (isfinite(report.stability_dice)) {
            printf(", \"stability\": {\"dice\": %.5f, \"psnr\": %.3f, \"ssim\": %.5f}", report.stability_dice,
                   report.stability_psnr, report.stability_ssim);
        }
        puts("}");
    } else if (status == TOMOCUT_OK && !request->quiet) {
        printf("%llu pictures, %.2f s each\n", (unsigned long long)images.n, report.seconds_per_picture);
        if (isfinite(report.stability_dice)) {
            printf("between samples: Dice %.3f, PSNR %.1f dB, SSIM %.3f\n", report.stability_dice, report.stability_psnr,
                   report.stability_ssim);
        }
    }
    path_list_free(&images);
    return exit_code_after(status, status == TOMOCUT_E_IO ? EXIT_NOT_WRITTEN : EXIT_BAD_INPUT);
}

static tomocut_status predict(const struct request *request, struct session *session, const char *path,
                              const char *stem, tomocut_predict_report *report) {
    tomocut_predict_options options;
    tomocut_geometry geometry;
    tomocut_picking_options picking;
    tomocut_membrane_options membranes;
    tomocut_tomogram *tomogram = NULL, *excluded = NULL;
    common_options(request, session, &options);
    tomocut_geometry_init(&geometry, sizeof geometry);
    tomocut_status status = tomocut_tomogram_open(session->engine, path, session->cancel, &tomogram);
    if (status == TOMOCUT_OK && request->region_text != NULL) {
        status = tomocut_tomogram_info(tomogram, &geometry);
        for (int axis = 0; axis < 3; axis++) {
            uint64_t end = request->region.end[axis];
            options.region_first[axis] = request->region.first[axis];
            options.region_end[axis] = end == 0 ? geometry.shape[axis] : end;
        }
    }
    options.voxel_nm = request->voxel_nm;
    options.rescale = request->no_rescale ? TOMOCUT_SWITCH_OFF : TOMOCUT_SWITCH_DEFAULT;
    options.bright = request->bright;
    options.mirrors = request->mirrors;
    options.z_smoothing = request->smooth_z;
    options.probability_dtype = request->byte ? TOMOCUT_DTYPE_U8 : TOMOCUT_DTYPE_F16;
    options.memory = request->memory;
    options.format = request->format;
    options.rank = request->rank;
    options.size = request->size;
    if (status == TOMOCUT_OK) {
        status = open_excluded(&request->after, session->engine, session->cancel, stem, &excluded);
    }
    after_options(&request->after, excluded, &picking, &membranes);
    options.picking = request->after.picks == NULL ? NULL : &picking;
    options.membranes = request->after.membranes ? &membranes : NULL;
    if (status == TOMOCUT_OK) {
        status = tomocut_predictor_run(session->engine, session->predictor, tomogram, &options, request->out, report);
    }
    progress_end(&session->display);
    tomocut_tomogram_free(excluded);
    tomocut_tomogram_free(tomogram);
    return status;
}

static void print_report(const tomocut_predict_report *report) {
    printf(", \"finished\": %s, \"tiles\": %llu, \"computed\": %llu, \"resumed\": %llu, \"core\": [%llu, %llu, %llu], "
           "\"voxels_per_second\": %.0f, \"picks\": %llu, \"membranes\": %llu",
           report->finished ? "true" : "false", (unsigned long long)report->tiles, (unsigned long long)report->computed,
           (unsigned long long)report->resumed, (unsigned long long)report->core[0],
           (unsigned long long)report->core[1], (unsigned long long)report->core[2], report->voxels_per_second,
           (unsigned long long)report->n_picks, (unsigned long long)report->n_membranes);
}

/* One tomogram's member of the JSON answer. */
static void print_json(const struct request *request, const struct session *session, const char *path, const char *stem,
                       const char *outcome, const tomocut_predict_report *report, int is_first) {
    char file[4096];
    printf("%s\n  {\"input\": ", is_first ? "" : ",");
    print_json_text(stdout, path);
    printf(", \"outcome\": \"%s\"", outcome);
    if (strcmp(outcome, "failed") == 0) {
        fputs(", \"error\": ", stdout);
        print_json_text(stdout, tomocut_last_error());
    }
    if (report != NULL) {
        print_report(report);
    }
    fputs(", \"files\": [", stdout);
    size_t n = is_done(request, session, stem) ? session->n_endings : 0;
    for (size_t i = 0; i < n && result_path(file, sizeof file, request->out, stem, session->endings[i]); i++) {
        fputs(i == 0 ? "" : ", ", stdout);
        print_json_text(stdout, file);
    }
    fputs("]}", stdout);
    fflush(stdout);
}

/* Predicts one tomogram, unless its results are there, and tells about it. */
static enum exit_code take(const struct request *request, struct session *session, size_t index) {
    const char *path = session->tomograms.paths[index];
    tomocut_predict_report report;
    tomocut_predict_report_init(&report, sizeof report);
    char *stem = stem_of(path);
    if (stem == NULL) {
        complain("out of memory");
        return EXIT_NO_MEMORY;
    }
    int there = !request->again && is_done(request, session, stem);
    tomocut_status status = there ? TOMOCUT_OK : predict(request, session, path, stem, &report);
    const char *outcome = there ? "there already" : status != TOMOCUT_OK ? "failed" : report.finished ? "done" : "part done";
    if (request->json) {
        print_json(request, session, path, stem, outcome, there || status != TOMOCUT_OK ? NULL : &report, index == 0);
    } else if (!request->quiet && status == TOMOCUT_OK) {
        printf("%s: %s\n", path, outcome);
        fflush(stdout);
    }
    free(stem);
    return exit_code_after(status, status == TOMOCUT_E_IO ? EXIT_NOT_WRITTEN : EXIT_BAD_INPUT);
}

static enum exit_code start(const struct request *request, struct session *session) {
    tomocut_status status = tomocut_cancel_create(&session->cancel);
    if (status != TOMOCUT_OK) {
        return exit_code_after(status, EXIT_FAILED);
    }
    cancel_at_ctrl_c(session->cancel);
    status = start_engine(request->device, request->threads, request->quiet, &session->engine);
    if (status != TOMOCUT_OK) {
        return exit_code_after(status, EXIT_USAGE);
    }
    status = request->model == NULL ? tomocut_predictor_builtin(session->engine, &session->predictor)
                                    : tomocut_predictor_open(session->engine, request->model, &session->predictor);
    if (status != TOMOCUT_OK) {
        return exit_code_after(status, EXIT_BAD_INPUT);
    }
    list_endings(request, session);
    for (size_t i = 0; i < request->n_inputs; i++) {
        if (!tomogram_list_take(&session->tomograms, request->inputs[i], is_result, session)) {
            return EXIT_BAD_INPUT;
        }
    }
    return make_folder(request->out) ? EXIT_DONE : EXIT_NOT_WRITTEN;
}

static enum exit_code run(const struct request *request, struct session *session) {
    enum exit_code code = start(request, session);
    size_t n_failed = 0, n = session->tomograms.n;
    if (code != EXIT_DONE) {
        return code;
    }
    if (request->pictures != NULL) {
        return predict_all_pictures(request, session);
    }
    if (request->json) {
        fputs("{\"model\": ", stdout);
        print_json_text(stdout, request->model == NULL ? "built-in" : request->model);
        fputs(", \"tomograms\": [", stdout);
    }
    for (size_t i = 0; i < n && code != EXIT_CANCELLED; i++) {
        progress_begin(&session->display, request->quiet);
        code = take(request, session, i);
        n_failed += code != EXIT_DONE;
    }
    if (request->json) {
        puts("\n]}");
    }
    if (n_failed > 0 && n > 1 && code != EXIT_CANCELLED) {
        complain("%zu of %zu tomograms failed", n_failed, n);
        return EXIT_FAILED;
    }
    return code;
}

int main(int argc, char **argv) {
    static struct request request;
    static struct session session;
    program_name = "tomocut-predict";
    if (!parse_request(argc, argv, &request)) {
        return EXIT_USAGE;
    }
    if (request.help) {
        printf("%s%s%s", help, after_network_help, exit_code_help);
        puts("Of several tomograms: 1 where some failed, whatever the reason.");
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
    path_list_free(&session.tomograms);
    tomocut_predictor_free(session.predictor);
    tomocut_engine_free(session.engine);
    tomocut_cancel_free(session.cancel);
    return (int)code;
}
