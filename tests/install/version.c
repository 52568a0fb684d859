/* A C host by pkg-config: the library's version beside the header's. */
#include <stdio.h>
#include <tomocut.h>

int main(void) {
    tomocut_engine *engine = NULL;
    tomocut_status status = tomocut_engine_create(NULL, &engine);
    printf("%s %u %u\n", tomocut_status_name(status), (unsigned)tomocut_version(), (unsigned)TOMOCUT_VERSION);
    tomocut_engine_free(engine);
    return status == TOMOCUT_OK && tomocut_version() == TOMOCUT_VERSION ? 0 : 1;
}
