/*
 * A host that exports a BLAS of its own. Compiled with LOADER it holds the loader, otherwise it is linked to the
 * library; the segmentation is in another source, which knows tomocut.h alone.
 */
#ifdef LOADER
#include "tomocut_loader.h"
#endif
#include <stdio.h>

int segment(void);

int calls_of_dgemm;

/* The host's own matrix product: counts, and computes nothing. */
__attribute__((visibility("default"))) void dgemm_(void) { calls_of_dgemm++; }

int main(void) {
    int status = segment();
    printf("calls of the host's dgemm_: %d\n", calls_of_dgemm);
    return status;
}
