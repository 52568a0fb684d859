/* What is said of training windows, and of each tomogram after its name. C99 and POSIX. */
#ifndef TOMOCUT_WINDOW_AND_SLABS_H
#define TOMOCUT_WINDOW_AND_SLABS_H

#include "command_line.h"

/* What was said of input number `index`; NULL where nothing was. */
static const char *said_of(const struct text_list *list, size_t index) {
    for (size_t i = list->n; i > 0; i--) {
        if (list->after[i - 1] == index + 1) {
            return list->items[i - 1];
        }
    }
    return NULL;
}

/* What is said of a tomogram stands after it, once. */
static int check_places(const struct text_list *list, const char *name) {
    for (size_t i = 0; i < list->n; i++) {
        if (list->after[i] == 0 || (i > 0 && list->after[i] == list->after[i - 1])) {
            complain("%s %s: must stand after its tomogram, once", name,
                     list->items[i]);
            return 0;
        }
    }
    return 1;
}

/* "Z,Y,X" to three numbers. */
static int parse_window(const char *text, uint64_t window[]) {
    char copy[80];
    if (strlen(text) >= sizeof copy) {
        return 0;
    }
    strcpy(copy, text);
    char *part = copy;
    for (int axis = 0; axis < 3; axis++) {
        char *comma = strchr(part, ',');
        if ((comma == NULL) != (axis == 2)) {
            return 0;
        }
        if (comma != NULL) {
            *comma = '\0';
        }
        if (!parse_count(part, &window[axis])) {
            return 0;
        }
        part = comma + 1;
    }
    return 1;
}

#endif
