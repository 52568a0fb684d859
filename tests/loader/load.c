/* Loads the library that is named, or else the one that is found, and prints what came of it. */
#include "tomocut_loader.h"

int main(int argc, char **argv) {
    tomocut_status status = tomocut_load(argc > 1 ? argv[1] : NULL);
    tomocut_engine *engine = NULL;
    printf("status %s\ntext %s\nversion %u\npath %s\n", tomocut_status_name(status), tomocut_last_error(),
           (unsigned)tomocut_version(), tomocut_loaded_path());
    /* Without a library every call answers the same, and nothing is freed. */
    if (status != TOMOCUT_OK) {
        if (tomocut_engine_create(NULL, &engine) != status || strcmp(tomocut_last_error(), tomocut_load_error()) != 0) {
            printf("a call answered otherwise\n");
        }
        tomocut_engine_free(engine);
        return 3;
    }
    if (tomocut_load(NULL) != TOMOCUT_OK || tomocut_load(tomocut_loaded_path()) != TOMOCUT_OK ||
        tomocut_load("/elsewhere/libtomocut.so") != TOMOCUT_E_STATE ||
        strstr(tomocut_load_error(), "is loaded already") == NULL || tomocut_table() == NULL ||
        tomocut_table()->version() != tomocut_version()) {
        printf("the second loading: %s\n", tomocut_load_error());
        return 4;
    }
    return 0;
}
