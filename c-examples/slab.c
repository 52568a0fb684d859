/* tomocut-slab: membranes and molecules of a slab of a tomogram, without any annotation.
 *
 *     cc -std=c99 -I include c-examples/slab.c -o tomocut-slab -L target/release -ltomocut -lm
 */
#define _POSIX_C_SOURCE 200809L
#include "command_line.h"
#include "suggest.h"

static const char help[] =
    "Usage: tomocut-slab IN.mrc --z A:B [options]\n"
    "       tomocut-slab IN.mrc --suggest [N] [options]\n"
    "\n"
    "Segments slices A to B-1 (counted from 0) of a tomogram into membranes and molecules.\n"
    "Writes <stem>_labels.mrc (0 background, 1 membrane, 2 molecule, 3 filament), <stem>_score.mrc,\n"
    "<stem>_points.{csv,star,tbl,mod,coords} and <stem>_overlay.png.\n"
    "\n"
    "  --z A:B              slices of the slab; or auto: the slab that --suggest names first\n"
    "  --suggest [N]        segment nothing: print the N (default 1) slabs that hold most structure, the best\n"
    "                       first, as \"A:B  score\"; about 0 is noise, 1 structure everywhere. With --json also the\n"
    "                       score of every slice\n"
    "  --thickness N        slices of a suggested slab (default: 20)\n"
    "  --out DIR            folder for the results; made where missing (default: .)\n"
    "  --model DIR|FILE     Stable Diffusion weights: a diffusers folder or one .safetensors file\n"
    "                       (default: the built-in model)\n"
    "  --preset NAME        default, cvpr2026_code or cvpr2026_paper\n"
    "  --device NAME        cpu (default), cuda or cuda:N\n"
    "  --threads N          threads (default: as many as this process may use)\n"
    "  --voxel-nm X         voxel size, where the file's header is wrong or empty\n"
    "  --diameter-nm D      diameter of the molecules looked for, where they are of one kind\n"
    "  --picks N            the N best molecules (default: as many as promise the best balance)\n"
    "  --snr X              variance of the signal over variance of the noise (default: estimated)\n"
    "  --canvas NAME        structures, denoised, mixed or greedy: what is thresholded (default: the preset's)\n"
    "  --split NAME         structures, shape3d or circularity: membranes from molecules (default: the preset's)\n"
    "  --cellpose FILE      molecules are the instances of this CellPose network (safetensors)\n"
    "  --bright             structures are brighter than their surroundings (default: darker)\n"
    "  --float32            scores as float32 (default: float16)\n"
    "  --json               print one JSON object on stdout: what was done, how long each stage took, the files\n"
    "  --quiet              no progress, no text but errors\n"
    "  --help, --version\n"
    "\n"
    "To set a run beside another implementation:\n"
    "  --dump FILE.safetensors  keep the intermediates of the slab's middle slice: image, latent, Q and K of every\n"
    "                       attention layer under their diffusers names, U-Net output, eigenvectors, canvas\n"
    "  --timestep T         diffusion timestep, 0 to 999 (default: the model's rule)\n"
    "  --latent KIND        mean or sample of the encoder; or matched: the tomogram's noise is the diffusion noise\n"
    "  --noise SEED|none|FILE   seed of the noise (default 0), no noise, or a safetensors file with a tensor \"noise\"\n"
    "\n";

struct request {
    const char *input, *z, *model, *preset, *device, *out, *dump, *latent, *noise;
    double voxel_nm, diameter_nm, timestep, snr;
    const char *canvas, *split, *cellpose;
    uint64_t threads, picks, z_first, z_end, suggest, thickness;
    int z_auto, json, bright, float32, quiet, help, version;
};

/* Everything that must be freed, whatever happened. */
struct session {
    tomocut_cancel *cancel;
    tomocut_engine *engine;
    tomocut_model *model;
    tomocut_tomogram *tomogram;
    tomocut_slab *slab;
    char *stem;
    struct progress_display display;
};

static int parse_z(const char *text, uint64_t *first, uint64_t *end) {
    char begin[32];
    const char *colon = text == NULL ? NULL : strchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof begin) {
        return 0;
    }
    memcpy(begin, text, (size_t)(colon - text));
    begin[colon - text] = '\0';
    return parse_count(begin, first) && parse_count(colon + 1, end) && *first < *end;
}

static int parse_request(int argc, char **argv, struct request *request) {
    const struct argument arguments[] = {
        {"--z", TEXT, &request->z},
        {"--model", TEXT, &request->model},
        {"--preset", TEXT, &request->preset},
        {"--device", TEXT, &request->device},
        {"--out", TEXT, &request->out},
        {"--dump", TEXT, &request->dump},
        {"--latent", TEXT, &request->latent},
        {"--noise", TEXT, &request->noise},
        {"--voxel-nm", NUMBER, &request->voxel_nm},
        {"--diameter-nm", NUMBER, &request->diameter_nm},
        {"--picks", COUNT, &request->picks},
        {"--canvas", TEXT, &request->canvas},
        {"--split", TEXT, &request->split},
        {"--cellpose", TEXT, &request->cellpose},
        {"--snr", NUMBER, &request->snr},
        {"--timestep", NUMBER, &request->timestep},
        {"--threads", COUNT, &request->threads},
        {"--suggest", OPTIONAL_COUNT, &request->suggest},
        {"--thickness", COUNT, &request->thickness},
        {"--json", SWITCH, &request->json},
        {"--bright", SWITCH, &request->bright},
        {"--float32", SWITCH, &request->float32},
        {"--quiet", SWITCH, &request->quiet},
        {"--help", SWITCH, &request->help},
        {"--version", SWITCH, &request->version},
    };
    memset(request, 0, sizeof *request);
    request->out = ".";
    request->timestep = -1.0;
    request->suggest = NO_SUGGESTION;
    size_t n_inputs = 0;
    if (!parse_arguments(argc, argv, arguments, sizeof arguments / sizeof arguments[0], &request->input, 1, &n_inputs)) {
        return 0;
    }
    if (request->help || request->version) {
        return 1;
    }
    if (request->input == NULL) {
        complain("no tomogram given; see --help");
        return 0;
    }
    request->z_auto = request->z != NULL && strcmp(request->z, "auto") == 0;
    if (request->suggest != NO_SUGGESTION) {
        if (request->z != NULL) {
            complain("--z and --suggest exclude each other: --suggest segments nothing");
            return 0;
        }
        if (request->suggest < 1 || request->suggest > MOST_SUGGESTIONS) {
            complain("--suggest is %llu, must be 1 to %d", (unsigned long long)request->suggest, MOST_SUGGESTIONS);
            return 0;
        }
    } else if (!request->z_auto && !parse_z(request->z, &request->z_first, &request->z_end)) {
        complain("--z is \"%s\", must be A:B with A below B, such as 40:60, or auto",
                 request->z == NULL ? "" : request->z);
        return 0;
    }
    if (request->timestep != -1.0 && (request->timestep < 0.0 || request->timestep > 999.0 ||
                                      request->timestep != floor(request->timestep))) {
        complain("--timestep is %g, must be a whole number, 0 to 999", request->timestep);
        return 0;
    }
    if (request->diameter_nm < 0.0) {
        complain("--diameter-nm is %g, must be above 0", request->diameter_nm);
        return 0;
    }
    if (request->threads > 1024) {
        complain("--threads is %llu, must be 0 to 1024", (unsigned long long)request->threads);
        return 0;
    }
    return 1;
}

static int fill_slab_options(const struct request *request, struct session *session, tomocut_slab_options *options) {
    tomocut_slab_options_init(options, sizeof *options);
    options->z_first = request->z_first;
    options->z_end = request->z_end;
    options->preset = request->preset;
    options->voxel_nm = request->voxel_nm;
    options->diameter_nm = request->diameter_nm;
    /* Detected outlines vary about the true diameter. */
    options->molecule_min_nm = request->diameter_nm * 0.6;
    options->molecule_max_nm = request->diameter_nm * 1.6;
    options->bright = request->bright;
    options->n_points = request->picks;
    options->snr = request->snr;
    options->canvas = request->canvas;
    options->split = request->split;
    if (request->cellpose != NULL) {
        options->split = "cellpose";
        options->cellpose_weights = request->cellpose;
    }
    options->cancel = session->cancel;
    options->progress = progress_show;
    options->progress_user_data = &session->display;
    if (request->timestep >= 0.0) {
        options->timestep_rule = TOMOCUT_TIMESTEP_FIXED;
        options->timestep = (int64_t)request->timestep;
    }
    if (request->latent != NULL) {
        if (strcmp(request->latent, "matched") == 0) {
            options->latent_mode = "matched";
        } else if (strcmp(request->latent, "mean") == 0 || strcmp(request->latent, "sample") == 0) {
            options->latent_draw = request->latent;
        } else {
            complain("--latent is \"%s\", must be mean, sample or matched", request->latent);
            return 0;
        }
    }
    if (request->noise != NULL && !parse_count(request->noise, &options->seed)) {
        if (strcmp(request->noise, "none") == 0) {
            options->no_noise = 1;
        } else {
            options->noise_file = request->noise;
        }
    }
    return 1;
}

static enum exit_code open_inputs(const struct request *request, struct session *session) {
    tomocut_model_options model_options;
    tomocut_status status;

    status = start_engine(request->device, request->threads, request->quiet, &session->engine);
    if (status != TOMOCUT_OK) {
        return exit_code_after(status, EXIT_USAGE);
    }
    status = tomocut_tomogram_open(session->engine, request->input, session->cancel, &session->tomogram);
    if (status != TOMOCUT_OK || request->suggest != NO_SUGGESTION) {
        return exit_code_after(status, EXIT_BAD_INPUT);
    }
    tomocut_model_options_init(&model_options, sizeof model_options);
    model_options.cancel = session->cancel;
    status = request->model == NULL
                 ? tomocut_model_builtin(session->engine, &model_options, &session->model)
                 : tomocut_model_open(session->engine, request->model, &model_options, &session->model);
    return exit_code_after(status, EXIT_BAD_INPUT);
}

/* The files that tomocut_slab_write makes. */
static const char *const files[][2] = {
    {"labels", "_labels.mrc"},     {"score", "_score.mrc"},       {"points_csv", "_points.csv"},
    {"points_star", "_points.star"}, {"points_tbl", "_points.tbl"}, {"points_mod", "_points.mod"},
    {"points_coords", "_points.coords"}, {"overlay", "_overlay.png"},
    /* Only where the model predicts structures. */
    {"membrane", "_membrane.mrc"}, {"molecule", "_molecule.mrc"},
};

static int file_exists(const char *folder, const char *stem, const char *ending) {
    size_t size = strlen(folder) + strlen(stem) + strlen(ending) + 2;
    char *path = malloc(size);
    FILE *file = NULL;
    if (path != NULL) {
        snprintf(path, size, "%s/%s%s", folder, stem, ending);
        file = fopen(path, "rb");
        free(path);
    }
    if (file != NULL) {
        fclose(file);
    }
    return file != NULL;
}

static void print_file(FILE *stream, const char *folder, const char *stem, const char *ending, int as_json) {
    size_t size = strlen(folder) + strlen(stem) + strlen(ending) + 2;
    char *path = malloc(size);
    if (path == NULL) {
        return;
    }
    snprintf(path, size, "%s/%s%s", folder, stem, ending);
    if (as_json) {
        print_json_text(stream, path);
    } else {
        fputs(path, stream);
    }
    free(path);
}

static enum exit_code print_json(const struct request *request, const struct session *session) {
    size_t needed = 0;
    tomocut_status status = tomocut_slab_report_json(session->slab, NULL, 0, &needed);
    char *report = status == TOMOCUT_OK ? malloc(needed) : NULL;
    if (report == NULL) {
        return exit_code_after(status == TOMOCUT_OK ? TOMOCUT_E_OUT_OF_MEMORY : status, EXIT_FAILED);
    }
    status = tomocut_slab_report_json(session->slab, report, needed, NULL);
    if (status == TOMOCUT_OK) {
        fputs("{\"input\": ", stdout);
        print_json_text(stdout, request->input);
        printf(", \"report\": %s, \"files\": {", report);
        for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
            if (!file_exists(request->out, session->stem, files[i][1])) {
                continue;
            }
            printf("%s\"%s\": ", i == 0 ? "" : ", ", files[i][0]);
            print_file(stdout, request->out, session->stem, files[i][1], 1);
        }
        if (request->dump != NULL) {
            fputs(", \"dump\": ", stdout);
            print_json_text(stdout, request->dump);
        }
        puts("}}");
        if (fflush(stdout) != 0) {
            complain("writing to standard output: %s", strerror(errno));
            status = TOMOCUT_E_IO;
        }
    }
    free(report);
    return status == TOMOCUT_OK ? EXIT_DONE : EXIT_NOT_WRITTEN;
}

static void print_summary(const struct request *request, const struct session *session,
                          const tomocut_slab_options *options) {
    FILE *stream = request->json ? stderr : stdout;
    size_t n_points = 0;
    if (request->quiet) {
        return;
    }
    tomocut_slab_points(session->slab, NULL, 0, &n_points);
    fprintf(stream, "Slices %llu to %llu: %zu molecules\n", (unsigned long long)options->z_first,
            (unsigned long long)options->z_end - 1, n_points);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (!file_exists(request->out, session->stem, files[i][1])) {
            continue;
        }
        fputs("  ", stream);
        print_file(stream, request->out, session->stem, files[i][1], 0);
        fputc('\n', stream);
    }
    if (request->dump != NULL) {
        fprintf(stream, "  %s\n", request->dump);
    }
}

/* Looks for slabs: prints them, or takes the best one for `options`. */
static enum exit_code suggest(const struct request *request, struct session *session, tomocut_slab_options *options) {
    struct suggestions found;
    tomocut_suggest_options settings;
    tomocut_suggest_options_init(&settings, sizeof settings);
    settings.thickness = request->thickness;
    settings.voxel_nm = request->voxel_nm;
    settings.cancel = session->cancel;
    settings.progress = progress_show;
    settings.progress_user_data = &session->display;
    size_t wanted = request->z_auto ? 1 : (size_t)request->suggest;
    enum exit_code code = suggestions_find(&found, session->tomogram, &settings, wanted);
    progress_end(&session->display);
    if (code == EXIT_DONE && request->z_auto) {
        options->z_first = found.slabs[0].z_first;
        options->z_end = found.slabs[0].z_end;
    } else if (code == EXIT_DONE) {
        code = suggestions_print(&found, request->input, request->json);
    }
    suggestions_free(&found);
    return code;
}

static enum exit_code run(const struct request *request, struct session *session) {
    tomocut_slab_options options;
    tomocut_write_options write_options;
    tomocut_status status = tomocut_cancel_create(&session->cancel);
    if (status != TOMOCUT_OK) {
        return exit_code_after(status, EXIT_FAILED);
    }
    cancel_at_ctrl_c(session->cancel);
    progress_begin(&session->display, request->quiet);
    session->stem = stem_of(request->input);
    if (session->stem == NULL) {
        complain("out of memory");
        return EXIT_NO_MEMORY;
    }
    if (!fill_slab_options(request, session, &options)) {
        return EXIT_USAGE;
    }
    enum exit_code code = open_inputs(request, session);
    if (code == EXIT_DONE && (request->suggest != NO_SUGGESTION || request->z_auto)) {
        code = suggest(request, session, &options);
    }
    if (code != EXIT_DONE || request->suggest != NO_SUGGESTION) {
        return code;
    }
    if (!make_folder(request->out)) {
        return EXIT_NOT_WRITTEN;
    }
    status = tomocut_slab_segment(session->engine, session->model, session->tomogram, &options, &session->slab);
    progress_end(&session->display);
    if (status != TOMOCUT_OK) {
        return exit_code_after(status, EXIT_BAD_INPUT);
    }
    tomocut_write_options_init(&write_options, sizeof write_options);
    write_options.float32_scores = request->float32;
    write_options.cancel = session->cancel;
    status = tomocut_slab_write(session->slab, session->tomogram, request->out, session->stem, &write_options);
    if (status != TOMOCUT_OK) {
        return exit_code_after(status, EXIT_NOT_WRITTEN);
    }
    if (request->dump != NULL) {
        uint64_t middle = options.z_first + (options.z_end - options.z_first) / 2;
        status = tomocut_slab_dump(session->engine, session->model, session->tomogram, middle, &options, request->dump);
        progress_end(&session->display);
        if (status != TOMOCUT_OK) {
            return exit_code_after(status, EXIT_NOT_WRITTEN);
        }
    }
    print_summary(request, session, &options);
    return request->json ? print_json(request, session) : EXIT_DONE;
}

int main(int argc, char **argv) {
    struct request request;
    struct session session;
    program_name = "tomocut-slab";
    if (!parse_request(argc, argv, &request)) {
        return EXIT_USAGE;
    }
    if (request.help) {
        printf("%s%s", help, exit_code_help);
        return EXIT_DONE;
    }
    if (!library_fits()) {
        return EXIT_FAILED;
    }
    if (request.version) {
        print_version();
        return EXIT_DONE;
    }
    memset(&session, 0, sizeof session);
    enum exit_code code = run(&request, &session);
    progress_end(&session.display);
    cancel_on_signal = NULL;
    tomocut_slab_free(session.slab);
    tomocut_tomogram_free(session.tomogram);
    tomocut_model_free(session.model);
    tomocut_engine_free(session.engine);
    tomocut_cancel_free(session.cancel);
    free(session.stem);
    return (int)code;
}
