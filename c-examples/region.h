/* A box of a tomogram, as --region gives it. C99 and POSIX. */
#ifndef TOMOCUT_REGION_H
#define TOMOCUT_REGION_H

#include "command_line.h"

struct region {
    uint64_t first[3], end[3]; /* z y x; end 0: to the axis's end */
};

/* "40:60,:,100:400" to bounds. */
static int parse_region(const char *text, struct region *region) {
    char copy[160];
    if (strlen(text) >= sizeof copy) {
        return 0;
    }
    strcpy(copy, text);
    char *part = copy;
    for (int axis = 0; axis < 3; axis++) {
        char *comma = strchr(part, ','), *colon = strchr(part, ':');
        if ((comma == NULL) != (axis == 2) || colon == NULL || (comma != NULL && colon > comma)) {
            return 0;
        }
        if (comma != NULL) {
            *comma = '\0';
        }
        *colon = '\0';
        if ((*part != '\0' && !parse_count(part, &region->first[axis])) ||
            (colon[1] != '\0' && (!parse_count(colon + 1, &region->end[axis]) ||
                                  region->end[axis] <= region->first[axis]))) {
            return 0;
        }
        part = comma + 1;
    }
    return 1;
}

#endif
