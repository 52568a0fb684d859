/* A test of the tests: loses memory on purpose. Runs to its end with status 0 where nobody watches. */
#include "tomocut.h"
#include <stdlib.h>

static void lose(void) {
    for (int i = 0; i < 64; i++) {
        char *volatile lost = malloc(97);
        if (lost == NULL) {
            exit(1);
        }
        lost[0] = 1;
    }
}

int main(void) {
    lose();
    return tomocut_version() == 0;
}
