/* tomocut-ncut: an image, or slices of a tomogram, in segments, by cuts of a diffusion model's self-attention.
 *
 *     cc -std=c99 -I include c-examples/ncut.c -o tomocut-ncut -L target/release -ltomocut -lm
 */
#define _POSIX_C_SOURCE 200809L
#include <strings.h>

#include "command_line.h"

static const char help[] =
    "Usage: tomocut-ncut IMAGE|TOMOGRAM [options]\n"
    "\n"
    "Cuts the self-attention of a diffusion model into segments. IMAGE is a PNG, JPEG or TIFF file, TOMOGRAM an MRC file\n"
    "(.mrc, .rec, .map, .st, also .gz and .bz2). Writes NAME_labels (PNG or TIFF; MRC for slices), NAME_overlay.png and\n"
    "NAME_tree.json into the output folder.\n"
    "\n"
    "  --out DIR            output folder, made where it is missing (default: .)\n"
    "  --z A:B              slices A to B-1 of a tomogram, counted from 0 (default: the middle one)\n"
    "  --preset NAME        walk_and_cut (default), random_walk, power_walk_mincut, diffseg, diffcut, tokencut, maskcut or\n"
    "                       emerdiff_kmeans\n"
    "  --segments K         this many segments (default: the preset's rule; 8 with the built-in model)\n"
    "  --threshold X        NCut below which is cut (diffseg: divergence below which is merged)\n"
    "  --criterion RULE     fixed, manc_ncut, manc_mincut or manc_min_degree\n"
    "  --power K            power of the walk\n"
    "  --adjacency FORM     walk, dot or cosine\n"
    "  --level X            a further segmentation at this threshold; may be given again\n"
    "  --count K            a further segmentation into K segments; may be given again\n"
    "  --tokens N           work on N x N attention tokens, 8 to 256 (default: 64)\n"
    "  --square             resize to a square, as the papers do\n"
    "  --pamr               let borders follow the edges of the image\n"
    "  --tiff               labels of an image as TIFF\n"
    "  --model PATH         Stable Diffusion, a folder or a file (default: the built-in model)\n"
    "  --latent MODE        clean, noised, inverted or matched\n"
    "  --timestep N         0 to 999\n"
    "  --snr X              variance of the signal over variance of the noise (default: estimated)\n"
    "  --seed N             seed of noise and k-means\n"
    "  --bright             structures are brighter than their surroundings\n"
    "  --device NAME        cpu (default), cuda or cuda:N\n"
    "  --threads N          threads (default: as many as this process may use)\n"
    "  --json               the tree on standard output\n"
    "  --quiet              no progress, no text but errors\n"
    "  --help, --version\n"
    "\n";

enum { MOST_LEVELS = 32 };

struct request {
    const char *input, *z, *preset, *criterion, *adjacency, *model, *latent, *device, *out;
    struct text_list levels, counts;
    double threshold, snr, timestep;
    uint64_t segments, power, tokens, seed, threads, z_first, z_end;
    double thresholds[MOST_LEVELS];
    uint32_t numbers[MOST_LEVELS];
    int square, pamr, tiff, bright, json, quiet, help, version;
};

/* Everything that must be freed, whatever happened. */
struct session {
    tomocut_cancel *cancel;
    tomocut_engine *engine;
    tomocut_model *model;
    tomocut_tomogram *tomogram;
    tomocut_volume image; /* data is NULL for tomograms */
    double range[2];
    tomocut_ncut *ncut;
    char *stem;
    struct progress_display display;
};

/* "A:B" to two numbers, A below B. */
static int parse_range(const char *text, uint64_t *first, uint64_t *end) {
    char copy[48];
    const char *colon = strchr(text, ':');
    if (colon == NULL || strlen(text) >= sizeof copy) {
        return 0;
    }
    strcpy(copy, text);
    copy[colon - text] = '\0';
    return parse_count(copy, first) && parse_count(colon + 1, end) && *first < *end;
}

/* The lists as numbers. */
static int parse_lists(struct request *request) {
    if (request->levels.n > 0 && request->counts.n > 0) {
        complain("--level and --count exclude each other");
        return 0;
    }
    for (size_t i = 0; i < request->levels.n; i++) {
        if (!parse_number(request->levels.items[i], &request->thresholds[i])) {
            complain("--level is \"%s\", must be a number", request->levels.items[i]);
            return 0;
        }
    }
    for (size_t i = 0; i < request->counts.n; i++) {
        uint64_t count = 0;
        if (!parse_count(request->counts.items[i], &count) || count < 1 || count > 4096) {
            complain("--count is \"%s\", must be 1 to 4096", request->counts.items[i]);
            return 0;
        }
        request->numbers[i] = (uint32_t)count;
    }
    return 1;
}

static int parse_request(int argc, char **argv, struct request *request) {
    const struct argument arguments[] = {
        {"--out", TEXT, &request->out},
        {"--z", TEXT, &request->z},
        {"--preset", TEXT, &request->preset},
        {"--segments", COUNT, &request->segments},
        {"--threshold", NUMBER, &request->threshold},
        {"--criterion", TEXT, &request->criterion},
        {"--power", COUNT, &request->power},
        {"--adjacency", TEXT, &request->adjacency},
        {"--level", TEXT_LIST, &request->levels},
        {"--count", TEXT_LIST, &request->counts},
        {"--tokens", COUNT, &request->tokens},
        {"--square", SWITCH, &request->square},
        {"--pamr", SWITCH, &request->pamr},
        {"--tiff", SWITCH, &request->tiff},
        {"--model", TEXT, &request->model},
        {"--latent", TEXT, &request->latent},
        {"--timestep", NUMBER, &request->timestep},
        {"--snr", NUMBER, &request->snr},
        {"--seed", COUNT, &request->seed},
        {"--bright", SWITCH, &request->bright},
        {"--device", TEXT, &request->device},
        {"--threads", COUNT, &request->threads},
        {"--json", SWITCH, &request->json},
        {"--quiet", SWITCH, &request->quiet},
        {"--help", SWITCH, &request->help},
        {"--version", SWITCH, &request->version},
    };
    size_t n_inputs = 0;
    memset(request, 0, sizeof *request);
    request->out = ".";
    request->timestep = -1.0;
    if (!parse_arguments(argc, argv, arguments, sizeof arguments / sizeof arguments[0], &request->input, 1, &n_inputs)) {
        return 0;
    }
    if (request->help || request->version) {
        return 1;
    }
    if (request->input == NULL) {
        complain("no image and no tomogram given; see --help");
        return 0;
    }
    if (request->z != NULL && !parse_range(request->z, &request->z_first, &request->z_end)) {
        complain("--z is \"%s\", must be A:B with A below B, such as 40:60", request->z);
        return 0;
    }
    if (request->timestep != -1.0 &&
        (request->timestep < 0.0 || request->timestep > 999.0 || request->timestep != floor(request->timestep))) {
        complain("--timestep is %g, must be a whole number, 0 to 999", request->timestep);
        return 0;
    }
    const uint64_t most[] = {request->segments, request->power, request->tokens, request->threads};
    static const char *const names[] = {"--segments", "--power", "--tokens", "--threads"};
    for (size_t i = 0; i < sizeof most / sizeof most[0]; i++) {
        if (most[i] > 4096) {
            complain("%s is %llu, must be at most 4096", names[i], (unsigned long long)most[i]);
            return 0;
        }
    }
    return parse_lists(request);
}

/* Whether the file is a tomogram, by its name. */
static int is_tomogram(const char *path) {
    static const char *const endings[] = {".mrc", ".rec", ".map", ".st", ".gz", ".bz2"};
    size_t length = strlen(path);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t tail = strlen(endings[i]);
        if (length > tail && strcasecmp(path + length - tail, endings[i]) == 0) {
            return 1;
        }
    }
    return 0;
}

static enum exit_code read_image(const char *path, struct session *session) {
    uint64_t shape[3];
    tomocut_status status = tomocut_picture_read(path, shape, session->range, NULL);
    if (status != TOMOCUT_OK) {
        return exit_code_after(status, EXIT_BAD_INPUT);
    }
    if (shape[0] * shape[1] > SIZE_MAX / sizeof(float) / shape[2]) {
        complain("%s is too large", path);
        return EXIT_NO_MEMORY;
    }
    session->image.data = malloc((size_t)(shape[0] * shape[1] * shape[2]) * sizeof(float));
    if (session->image.data == NULL) {
        complain("out of memory");
        return EXIT_NO_MEMORY;
    }
    session->image.dtype = TOMOCUT_DTYPE_F32;
    memcpy(session->image.shape, shape, sizeof shape);
    return exit_code_after(tomocut_picture_read(path, NULL, NULL, &session->image), EXIT_BAD_INPUT);
}

/* The name without its last ending, for pictures too. */
static char *stem_of_input(const char *path, int tomogram) {
    char *stem = stem_of(path);
    char *dot = stem == NULL || tomogram ? NULL : strrchr(stem, '.');
    if (dot != NULL && dot != stem) {
        *dot = '\0';
    }
    return stem;
}

static enum exit_code open_inputs(struct request *request, struct session *session) {
    tomocut_model_options model_options;
    tomocut_status status = start_engine(request->device, request->threads, request->quiet, &session->engine);
    if (status != TOMOCUT_OK) {
        return exit_code_after(status, EXIT_USAGE);
    }
    if (is_tomogram(request->input)) {
        tomocut_geometry geometry;
        status = tomocut_tomogram_open(session->engine, request->input, session->cancel, &session->tomogram);
        if (status != TOMOCUT_OK) {
            return exit_code_after(status, EXIT_BAD_INPUT);
        }
        tomocut_geometry_init(&geometry, sizeof geometry);
        tomocut_tomogram_info(session->tomogram, &geometry);
        if (request->z == NULL) {
            request->z_first = geometry.shape[0] / 2;
            request->z_end = request->z_first + 1;
        }
    } else {
        if (request->z != NULL) {
            complain("--z is for tomograms; %s is an image", request->input);
            return EXIT_USAGE;
        }
        enum exit_code code = read_image(request->input, session);
        if (code != EXIT_DONE) {
            return code;
        }
    }
    tomocut_model_options_init(&model_options, sizeof model_options);
    model_options.cancel = session->cancel;
    status = request->model == NULL
                 ? tomocut_model_builtin(session->engine, &model_options, &session->model)
                 : tomocut_model_open(session->engine, request->model, &model_options, &session->model);
    return exit_code_after(status, EXIT_BAD_INPUT);
}

static void fill_options(const struct request *request, struct session *session, tomocut_ncut_options *options) {
    tomocut_ncut_options_init(options, sizeof *options);
    options->preset = request->preset;
    options->latent_mode = request->latent;
    options->snr = request->snr;
    options->seed = request->seed;
    options->black = session->range[0];
    options->white = session->range[1];
    options->bright = request->bright;
    options->square = request->square;
    options->working_tokens = (uint32_t)request->tokens;
    options->adjacency = request->adjacency;
    options->walk_power = (uint32_t)request->power;
    options->segments = (uint32_t)request->segments;
    options->criterion = request->criterion;
    options->threshold = request->threshold;
    options->pamr = request->pamr ? TOMOCUT_SWITCH_ON : TOMOCUT_SWITCH_DEFAULT;
    if (request->levels.n > 0) {
        options->thresholds = request->thresholds;
        options->n_thresholds = request->levels.n;
    }
    if (request->counts.n > 0) {
        options->counts = request->numbers;
        options->n_counts = request->counts.n;
    }
    if (request->timestep >= 0.0) {
        options->timestep_rule = TOMOCUT_TIMESTEP_FIXED;
        options->timestep = (int64_t)request->timestep;
    }
    options->cancel = session->cancel;
    options->progress = progress_show;
    options->progress_user_data = &session->display;
}

static enum exit_code print_tree(const tomocut_ncut *ncut) {
    size_t needed = 0;
    tomocut_status status = tomocut_ncut_tree_json(ncut, NULL, 0, &needed);
    char *tree = status == TOMOCUT_OK ? malloc(needed) : NULL;
    if (tree == NULL) {
        return exit_code_after(status == TOMOCUT_OK ? TOMOCUT_E_OUT_OF_MEMORY : status, EXIT_FAILED);
    }
    status = tomocut_ncut_tree_json(ncut, tree, needed, NULL);
    int written = status == TOMOCUT_OK && puts(tree) >= 0 && fflush(stdout) == 0;
    free(tree);
    if (status == TOMOCUT_OK && !written) {
        complain("writing to standard output: %s", strerror(errno));
        return EXIT_NOT_WRITTEN;
    }
    return exit_code_after(status, EXIT_FAILED);
}

static enum exit_code run(struct request *request, struct session *session) {
    tomocut_ncut_options options;
    tomocut_ncut_info info;
    tomocut_status status = tomocut_cancel_create(&session->cancel);
    if (status != TOMOCUT_OK) {
        return exit_code_after(status, EXIT_FAILED);
    }
    cancel_at_ctrl_c(session->cancel);
    progress_begin(&session->display, request->quiet);
    session->stem = stem_of_input(request->input, is_tomogram(request->input));
    if (session->stem == NULL) {
        complain("out of memory");
        return EXIT_NO_MEMORY;
    }
    enum exit_code code = open_inputs(request, session);
    if (code != EXIT_DONE) {
        return code;
    }
    if (!make_folder(request->out)) {
        return EXIT_NOT_WRITTEN;
    }
    const tomocut_volume *image = session->image.data == NULL ? NULL : &session->image;
    fill_options(request, session, &options);
    status = image != NULL ? tomocut_ncut_segment_image(session->engine, session->model, image, &options, &session->ncut)
                           : tomocut_ncut_segment_slices(session->engine, session->model, session->tomogram,
                                                         request->z_first, request->z_end, &options, &session->ncut);
    progress_end(&session->display);
    if (status != TOMOCUT_OK) {
        return exit_code_after(status, EXIT_BAD_INPUT);
    }
    status = tomocut_ncut_write(session->ncut, image, session->tomogram, request->out, session->stem, request->tiff,
                                &options);
    progress_end(&session->display);
    if (status != TOMOCUT_OK) {
        return exit_code_after(status, EXIT_NOT_WRITTEN);
    }
    memset(&info, 0, sizeof info);
    info.struct_size = sizeof info;
    if (!request->quiet && tomocut_ncut_get_info(session->ncut, &info) == TOMOCUT_OK) {
        fprintf(request->json ? stderr : stdout, "%s: %llu segments; %s/%s_labels, _overlay.png, _tree.json\n",
                request->input, (unsigned long long)info.segments, request->out, session->stem);
    }
    return request->json ? print_tree(session->ncut) : EXIT_DONE;
}

int main(int argc, char **argv) {
    struct request request;
    struct session session;
    program_name = "tomocut-ncut";
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
    free(session.image.data);
    tomocut_ncut_free(session.ncut);
    tomocut_tomogram_free(session.tomogram);
    tomocut_model_free(session.model);
    tomocut_engine_free(session.engine);
    tomocut_cancel_free(session.cancel);
    free(session.stem);
    return (int)code;
}
