/* tomocut-predict: a trained network over whole tomograms, one, several or all of a folder.
 *
 *     cc -std=c99 -I include c-examples/predict.c -o tomocut-predict -L target/release -ltomocut -lm
 */
#define _POSIX_C_SOURCE 200809L
#include "after_network.h"
#include "picture_list.h"
#include "region.h"
#include "tomogram_list.h"

#define MOST_INPUTS 4096
#define MOST_OUTPUTS 64

static const char help[] =
    "Usage: tomocut-predict TOMOGRAM... | FOLDER --out DIR [options]\n"
    "       tomocut-predict --pictures LIST --model FILE --out DIR [options]\n"
    "\n"
    "Runs a segmentation network over tomograms. Writes <stem>_membrane.mrc and so on, the probabilities of each output,\n"
    "and <stem>_labels.mrc (0 background, else 1 + the number of the likeliest output). The tomogram is never wholly in\n"
    "memory. A run that was stopped, even by a kill, goes on where it was when it is started again. A tomogram that fails\n"
    "is told and the others go on. Tomograms whose files are in DIR already are left out.\n"
    "\n"
    "  --pictures LIST      pictures (PNG, JPEG, TIFF) for a network of slices, in place of tomograms: a folder, or a text file\n"
    "                       that names one on each line. Writes <stem>_<output>.png (0 and 255) and the probabilities\n"
    "  --model FILE         the network: one that tomocut-train wrote, MemBrain-seg's, a 2D U-Net or SDSeg (safetensors;\n"
    "                       default: the built-in one, of membrane, molecule and molecule's centre)\n"
    "  --out DIR            folder for the results; made where missing\n"
    "  --again              tomograms whose results are there already, too\n"
    "  --mirrors            average the mirrors of every window (8 times the time), and write <stem>_membrane_std.mrc and\n"
    "                       so on: how far they differ\n"
    "  --labels             only labels\n"
    "  --probabilities      only probabilities\n"
    "  --byte               probabilities as bytes, 0 to 255 (default: float16, 0 to 1)\n"
    "  --format NAME        mrc (default), or zarr: OME-Zarr folders <stem>_membrane.zarr and so on, with coarser copies\n"
    "  --threshold P        least probability of a label (default: of the largest expected Dice)\n"
    "  --sampler NAME       of SDSeg: ddim (default) or dpm-solver\n"
    "  --sampler-steps N    of SDSeg: passes from noise to an answer (default: 1, the direct step)\n"
    "  --samples N          of SDSeg: average so many answers, and write <stem>_membrane_std.mrc and so on: how far they differ\n"
    "  --seed N             of SDSeg: seed of the noises (default: 1)\n"
    "  --smooth-z S         of networks of slices: smooth along z by a Gaussian of S slices\n"
    "  --region Z,Y,X       part of the tomogram, such as 40:60,0:512,100:400 (counted from 0, ends left out); a : alone\n"
    "                       is the whole axis\n"
    "  --memory SIZE        what slices and tiles may take, such as 1.5G or 800M (default: 1G)\n"
    "  --rank R --size N    this is process R, 0 to N-1, of N that share each tomogram; all write into the same DIR\n"
    "  --voxel-nm X         edge of a voxel, where the file's is wrong or unknown\n"
    "  --no-rescale         take the data's voxel size for the network's\n"
    "  --bright             structures are brighter than their surroundings\n"
    "  --device NAME        cpu (default), cuda or cuda:N\n"
    "  --threads N          threads (default: as many as this process may use)\n"
    "  --json               print one JSON object on stdout: what was done with each tomogram, the files\n"
    "  --quiet              no progress, no text but errors\n"
    "  --help, --version\n"
    "\n";

struct request {
    const char *inputs[MOST_INPUTS];
    size_t n_inputs;
    const char *model, *out, *region_text, *memory_text, *device, *format, *pictures, *sampler;
    struct region region;
    uint64_t memory, rank, size, threads, sampler_steps, samples, seed;
    double threshold, voxel_nm, smooth_z;
    struct after_request after;
    int again, mirrors, labels, probabilities, byte, no_rescale, bright, json, quiet, help, version;
};

struct session {
    tomocut_cancel *cancel;
    tomocut_engine *engine;
    tomocut_predictor *predictor;
    struct tomogram_list tomograms;
    char endings[MOST_OUTPUTS][80]; /* of the files that each tomogram gets: "_membrane.mrc" */
    size_t n_endings;
    struct progress_display display;
};

static int parse_request(int argc, char **argv, struct request *request) {
    const struct argument arguments[] = {
        {"--model", TEXT, &request->model},
        {"--out", TEXT, &request->out},
        {"--pictures", TEXT, &request->pictures},
        {"--sampler", TEXT, &request->sampler},
        {"--sampler-steps", COUNT, &request->sampler_steps},
        {"--samples", COUNT, &request->samples},
        {"--seed", COUNT, &request->seed},
        {"--smooth-z", NUMBER, &request->smooth_z},
        {"--again", SWITCH, &request->again},
        AFTER_NETWORK_ARGUMENTS(&request->after),
        {"--mirrors", SWITCH, &request->mirrors},
        {"--labels", SWITCH, &request->labels},
        {"--probabilities", SWITCH, &request->probabilities},
        {"--byte", SWITCH, &request->byte},
        {"--format", TEXT, &request->format},
        {"--threshold", NUMBER, &request->threshold},
        {"--region", TEXT, &request->region_text},
        {"--memory", TEXT, &request->memory_text},
        {"--rank", COUNT, &request->rank},
        {"--size", COUNT, &request->size},
        {"--voxel-nm", NUMBER, &request->voxel_nm},
        {"--no-rescale", SWITCH, &request->no_rescale},
        {"--bright", SWITCH, &request->bright},
        {"--device", TEXT, &request->device},
        {"--threads", COUNT, &request->threads},
        {"--json", SWITCH, &request->json},
        {"--quiet", SWITCH, &request->quiet},
        {"--help", SWITCH, &request->help},
        {"--version", SWITCH, &request->version},
    };
    request->size = 1;
    request->after.close_nm = -1.0;
    if (!parse_arguments(argc, argv, arguments, sizeof arguments / sizeof arguments[0], request->inputs, MOST_INPUTS,
                         &request->n_inputs)) {
        return 0;
    }
    if (request->help || request->version) {
        return 1;
    }
    if (request->out == NULL || (request->n_inputs == 0) == (request->pictures == NULL)) {
        complain("%s; see --help", request->out == NULL        ? "no --out given"
                                   : request->n_inputs == 0 ? "no tomogram given"
                                                            : "tomograms and --pictures exclude each other");
        return 0;
    }
    if (request->sampler_steps > 1000 || request->samples > 1000) {
        complain("--sampler-steps and --samples must be 0 to 1000");
        return 0;
    }
    if (request->region_text != NULL && !parse_region(request->region_text, &request->region)) {
        complain("--region is \"%s\", must be three ranges Z,Y,X such as 40:60,0:512,100:400", request->region_text);
        return 0;
    }
    if (request->memory_text != NULL && !parse_bytes(request->memory_text, &request->memory)) {
        complain("--memory is \"%s\", must be a size such as 1.5G or 800M", request->memory_text);
        return 0;
    }
    if (!parse_after_request(&request->after)) {
        return 0;
    }
    if (request->format != NULL && strcmp(request->format, "mrc") != 0 && strcmp(request->format, "zarr") != 0) {
        complain("--format is \"%s\", must be mrc or zarr", request->format);
        return 0;
    }
    if (request->threshold < 0.0 || request->threshold > 1.0) {
        complain("--threshold is %g, must be above 0 and at most 1", request->threshold);
        return 0;
    }
    if (request->rank >= request->size) {
        complain("--rank is %llu, must be below --size, %llu", (unsigned long long)request->rank,
                 (unsigned long long)request->size);
        return 0;
    }
    if (request->again && request->size > 1) {
        complain("--again and --size exclude each other: one process would undo the others; remove the results first");
        return 0;
    }
    if (request->threads > 1024) {
        complain("--threads is %llu, must be 0 to 1024", (unsigned long long)request->threads);
        return 0;
    }
    return 1;
}

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
    struct picture_list images;
    tomocut_predict_options options;
    tomocut_pictures_report report;
    memset(&images, 0, sizeof images);
    if (!picture_list_read(&images, request->pictures)) {
        picture_list_free(&images);
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
    picture_list_free(&images);
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
    tomogram_list_free(&session.tomograms);
    tomocut_predictor_free(session.predictor);
    tomocut_engine_free(session.engine);
    tomocut_cancel_free(session.cancel);
    return (int)code;
}
