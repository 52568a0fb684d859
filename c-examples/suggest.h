/* The slabs of a tomogram that are worth segmenting, found and printed. C99. */
#ifndef TOMOCUT_SUGGEST_H
#define TOMOCUT_SUGGEST_H

#include "command_line.h"

enum { MOST_SUGGESTIONS = 1000 };

/* Value of --suggest where it was not given. */
#define NO_SUGGESTION UINT64_MAX

struct suggestions {
    tomocut_suggested_slab *slabs;
    size_t n_slabs;
    double *profile; /* one score per slice */
    size_t n_slices;
};

static void suggestions_free(struct suggestions *found) {
    free(found->slabs);
    free(found->profile);
    memset(found, 0, sizeof *found);
}

/* Looks for `wanted` slabs; what is found must be freed whatever the answer. */
static enum exit_code suggestions_find(struct suggestions *found, const tomocut_tomogram *tomogram,
                                       const tomocut_suggest_options *options, size_t wanted) {
    tomocut_geometry geometry;
    tomocut_status status;
    memset(found, 0, sizeof *found);
    tomocut_geometry_init(&geometry, sizeof geometry);
    status = tomocut_tomogram_info(tomogram, &geometry);
    if (status != TOMOCUT_OK) {
        return exit_code_after(status, EXIT_BAD_INPUT);
    }
    found->n_slices = (size_t)geometry.shape[0];
    found->slabs = calloc(wanted, sizeof *found->slabs);
    found->profile = calloc(found->n_slices, sizeof *found->profile);
    if (found->slabs == NULL || found->profile == NULL) {
        complain("out of memory");
        return EXIT_NO_MEMORY;
    }
    status = tomocut_tomogram_suggest_slabs(tomogram, options, found->slabs, wanted, &found->n_slabs, found->profile,
                                            found->n_slices);
    return exit_code_after(status, EXIT_BAD_INPUT);
}

/* One line "A:B  score" per slab, or one JSON object. */
static inline enum exit_code suggestions_print(const struct suggestions *found, const char *input, int json) {
    if (json) {
        fputs("{\"input\": ", stdout);
        print_json_text(stdout, input);
        fputs(", \"slabs\": [", stdout);
    }
    for (size_t i = 0; i < found->n_slabs; i++) {
        const tomocut_suggested_slab *slab = &found->slabs[i];
        unsigned long long first = slab->z_first, end = slab->z_end;
        if (json) {
            printf("%s{\"z_first\": %llu, \"z_end\": %llu, \"score\": %.6g}", i == 0 ? "" : ", ", first, end, slab->score);
        } else {
            printf("%llu:%llu  %.3f\n", first, end, slab->score);
        }
    }
    if (json) {
        fputs("], \"profile\": [", stdout);
        for (size_t z = 0; z < found->n_slices; z++) {
            printf("%s%.6g", z == 0 ? "" : ", ", found->profile[z]);
        }
        puts("]}");
    }
    if (fflush(stdout) != 0) {
        complain("writing to standard output: %s", strerror(errno));
        return EXIT_NOT_WRITTEN;
    }
    return EXIT_DONE;
}

#endif
