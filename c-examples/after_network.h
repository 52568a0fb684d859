/* What tomocut-predict makes of the network's volumes: arguments of molecules and membranes, and their files. C99 and POSIX. */
#ifndef TOMOCUT_AFTER_NETWORK_H
#define TOMOCUT_AFTER_NETWORK_H

#include "command_line.h"

static const char after_network_help[] =
    "Molecules and membranes, of the network's volumes:\n"
    "  --picks METHOD       pick molecules; objects (what hangs together), mp-nms (DeepETPicker's, for molecules that touch),\n"
    "                       peaks (for maps of centres) or auto (objects of an output molecule, else peaks of centres)\n"
    "  --formats LIST       files of picks: csv, star (RELION 5), tbl (Dynamo), mod (IMOD), coords (DeepETPicker), json\n"
    "                       (copick), eman2, joined by commas (default: csv,star): <stem>_points.csv and so on\n"
    "  --pick-output NAME   output of the network that is searched (default: molecule where there is one, else centre)\n"
    "  --pick-threshold P   least probability of a pick (default: 0.3)\n"
    "  --diameter-nm X      diameter of the molecules, for mp-nms and peaks (default: 25)\n"
    "  --border-nm X        leave out picks this close to the tomogram's ends\n"
    "  --exclude FILE       leave out picks where this volume is not 0 (carbon); a folder: FOLDER/<stem>.mrc of each\n"
    "                       tomogram that has one\n"
    "  --exclude-nm X       and picks this close to it\n"
    "  --molecule-nm3 A:B   volumes of molecules, for objects (default: 100:, a ball of 6 nm)\n"
    "  --membranes          write <stem>_membrane_mask.mrc and <stem>_membrane_objects.mrc (numbered from 1)\n"
    "  --membrane-output NAME, --membrane-threshold P\n"
    "                       output that is taken, and least probability in it (default: membrane, 0.3)\n"
    "  --close-nm X         close gaps of membranes up to this width (default: 8; 0: none)\n"
    "  --membrane-nm3 A:B   leave out membranes of other volumes (default: 1000:, without specks)\n"
    "\n";

struct after_request {
    const char *picks, *formats_text, *pick_output, *exclude, *molecule_nm3_text, *membrane_output, *membrane_nm3_text;
    double pick_threshold, diameter_nm, border_nm, exclude_nm, membrane_threshold;
    double close_nm; /* below 0: not given */
    int membranes;
    /* Read from the texts. */
    tomocut_picking_method method;
    uint32_t formats;
    double molecule_nm3[2], membrane_nm3[2];
};

/* The lines of the table of arguments. */
#define AFTER_NETWORK_ARGUMENTS(request)                                                                               \
    {"--picks", TEXT, &(request)->picks}, {"--formats", TEXT, &(request)->formats_text},                               \
        {"--pick-output", TEXT, &(request)->pick_output}, {"--pick-threshold", NUMBER, &(request)->pick_threshold},    \
        {"--diameter-nm", NUMBER, &(request)->diameter_nm}, {"--border-nm", NUMBER, &(request)->border_nm},            \
        {"--exclude", TEXT, &(request)->exclude}, {"--exclude-nm", NUMBER, &(request)->exclude_nm},                    \
        {"--molecule-nm3", TEXT, &(request)->molecule_nm3_text}, {"--membranes", SWITCH, &(request)->membranes},       \
        {"--membrane-output", TEXT, &(request)->membrane_output},                                                      \
        {"--membrane-threshold", NUMBER, &(request)->membrane_threshold},                                              \
        {"--close-nm", NUMBER, &(request)->close_nm}, {"--membrane-nm3", TEXT, &(request)->membrane_nm3_text}

/* How --formats calls a file, and what it is called: STEM_points.csv. */
static const struct points_format {
    const char *word, *name, *type;
    uint32_t bit;
} points_formats[] = {
    {"csv", "points", ".csv", TOMOCUT_POINTS_CSV},       {"star", "points", ".star", TOMOCUT_POINTS_STAR},
    {"tbl", "points", ".tbl", TOMOCUT_POINTS_DYNAMO},    {"mod", "points", ".mod", TOMOCUT_POINTS_IMOD},
    {"coords", "points", ".coords", TOMOCUT_POINTS_COORDS}, {"json", "points", ".json", TOMOCUT_POINTS_COPICK},
    {"eman2", "info", ".json", TOMOCUT_POINTS_EMAN2},
};
enum { N_POINTS_FORMATS = sizeof points_formats / sizeof points_formats[0] };

/* "csv,mod" to bits. */
static int parse_formats(const char *text, uint32_t *bits) {
    while (*text != '\0') {
        size_t length = strcspn(text, ","), i = 0;
        while (i < N_POINTS_FORMATS &&
               (strlen(points_formats[i].word) != length || strncmp(points_formats[i].word, text, length) != 0)) {
            i++;
        }
        if (i == N_POINTS_FORMATS) {
            return 0;
        }
        *bits |= points_formats[i].bit;
        text += length + (text[length] == ',');
    }
    return *bits != 0;
}

/* "A:B", "A:" or ":B" to two volumes; 0 for a limit that is not given. */
static int parse_volumes(const char *text, double volumes[2]) {
    char copy[96];
    const char *colon = strchr(text, ':');
    if (colon == NULL || strlen(text) >= sizeof copy) {
        return 0;
    }
    strcpy(copy, text);
    copy[colon - text] = '\0';
    return (*copy == '\0' || parse_number(copy, &volumes[0])) &&
           (colon[1] == '\0' || parse_number(colon + 1, &volumes[1])) && volumes[0] >= 0.0 && volumes[1] >= 0.0 &&
           (volumes[1] == 0.0 || volumes[0] <= volumes[1]);
}

/* Answers 0 after complaining. The library checks the rest. */
static int parse_after_request(struct after_request *request) {
    static const char *const methods[] = {"auto", "peaks", "mp-nms", "objects"};
    if (request->picks != NULL) {
        size_t i = 0;
        while (i < 4 && strcmp(request->picks, methods[i]) != 0) {
            i++;
        }
        if (i == 4) {
            complain("--picks is \"%s\", must be auto, peaks, mp-nms or objects", request->picks);
            return 0;
        }
        request->method = (tomocut_picking_method)i;
    }
    if (request->picks == NULL &&
        (request->formats_text != NULL || request->pick_output != NULL || request->exclude != NULL ||
         request->molecule_nm3_text != NULL || request->pick_threshold != 0.0 || request->diameter_nm != 0.0 ||
         request->border_nm != 0.0 || request->exclude_nm != 0.0)) {
        complain("options of picks are given without --picks; see --help");
        return 0;
    }
    if (!request->membranes && (request->membrane_output != NULL || request->membrane_nm3_text != NULL ||
                                request->membrane_threshold != 0.0 || request->close_nm >= 0.0)) {
        complain("options of membranes are given without --membranes; see --help");
        return 0;
    }
    request->formats = request->formats_text == NULL ? TOMOCUT_POINTS_CSV | TOMOCUT_POINTS_STAR : 0;
    if (request->formats_text != NULL && !parse_formats(request->formats_text, &request->formats)) {
        complain("--formats is \"%s\", must be some of csv, star, tbl, mod, coords, json, eman2, joined by commas",
                 request->formats_text);
        return 0;
    }
    if (request->molecule_nm3_text != NULL && !parse_volumes(request->molecule_nm3_text, request->molecule_nm3)) {
        complain("--molecule-nm3 is \"%s\", must be A:B, A: or :B", request->molecule_nm3_text);
        return 0;
    }
    if (request->membrane_nm3_text != NULL && !parse_volumes(request->membrane_nm3_text, request->membrane_nm3)) {
        complain("--membrane-nm3 is \"%s\", must be A:B, A: or :B", request->membrane_nm3_text);
        return 0;
    }
    return 1;
}

/* The library's options; `excluded` is a tomogram or NULL. */
static void after_options(const struct after_request *request, const tomocut_tomogram *excluded,
                          tomocut_picking_options *picking, tomocut_membrane_options *membranes) {
    tomocut_picking_options_init(picking, sizeof *picking);
    picking->method = request->method;
    picking->formats = request->formats;
    picking->output = request->pick_output;
    picking->threshold = request->pick_threshold;
    picking->diameter_nm = request->diameter_nm;
    picking->border_nm[0] = picking->border_nm[1] = picking->border_nm[2] = request->border_nm;
    picking->excluded = excluded;
    picking->exclusion_nm = request->exclude_nm;
    picking->least_nm3 = request->molecule_nm3[0];
    picking->largest_nm3 = request->molecule_nm3[1];
    tomocut_membrane_options_init(membranes, sizeof *membranes);
    membranes->output = request->membrane_output;
    membranes->threshold = request->membrane_threshold;
    /* 0 is the default to the library, and none to the user. */
    membranes->gap_nm = request->close_nm < 0.0 ? 0.0 : request->close_nm == 0.0 ? -1.0 : request->close_nm;
    membranes->least_nm3 = request->membrane_nm3[0];
    membranes->largest_nm3 = request->membrane_nm3[1];
}

/* Opens what --exclude names for the tomogram `stem`; *excluded stays NULL where a folder has nothing for it. */
static tomocut_status open_excluded(const struct after_request *request, const tomocut_engine *engine,
                                    const tomocut_cancel *cancel, const char *stem, tomocut_tomogram **excluded) {
    struct stat status;
    char path[4096];
    if (request->exclude == NULL) {
        return TOMOCUT_OK;
    }
    if (stat(request->exclude, &status) != 0 || !S_ISDIR(status.st_mode)) {
        return tomocut_tomogram_open(engine, request->exclude, cancel, excluded);
    }
    int length = snprintf(path, sizeof path, "%s/%s.mrc", request->exclude, stem);
    if (length < 0 || (size_t)length >= sizeof path || stat(path, &status) != 0) {
        return TOMOCUT_OK;
    }
    return tomocut_tomogram_open(engine, path, cancel, excluded);
}

#endif
