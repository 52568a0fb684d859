/* Prints what the ABI fixes: sizes, offsets and constants. `cargo xtask test` compares it with abi/layout.txt. */
#include <stddef.h>
#include <stdio.h>

#include "tomocut.h"

#define SIZE(type) printf("sizeof %s %zu\n", #type, sizeof(type))
#define FIELD(type, field) \
    printf("offsetof %s.%s %zu size %zu\n", #type, #field, offsetof(type, field), sizeof(((type *)0)->field))
#define CONSTANT(name) printf("%s %lld\n", #name, (long long)(name))

int main(void) {
    SIZE(tomocut_engine_options);
    FIELD(tomocut_engine_options, struct_size);
    FIELD(tomocut_engine_options, device);
    FIELD(tomocut_engine_options, n_threads);
    FIELD(tomocut_engine_options, log_level);
    FIELD(tomocut_engine_options, log);
    FIELD(tomocut_engine_options, log_user_data);

    SIZE(tomocut_geometry);
    FIELD(tomocut_geometry, struct_size);
    FIELD(tomocut_geometry, shape);
    FIELD(tomocut_geometry, voxel_angstrom);
    FIELD(tomocut_geometry, origin_angstrom);
    FIELD(tomocut_geometry, start);
    FIELD(tomocut_geometry, reserved);

    SIZE(tomocut_volume);
    FIELD(tomocut_volume, data);
    FIELD(tomocut_volume, dtype);
    FIELD(tomocut_volume, reserved);
    FIELD(tomocut_volume, shape);
    FIELD(tomocut_volume, strides);

    SIZE(tomocut_status);
    SIZE(tomocut_log_level);
    SIZE(tomocut_dtype);
    SIZE(tomocut_stage);

    CONSTANT(TOMOCUT_LOG_ERROR);
    CONSTANT(TOMOCUT_LOG_WARNING);
    CONSTANT(TOMOCUT_LOG_INFO);
    CONSTANT(TOMOCUT_LOG_DEBUG);
    CONSTANT(TOMOCUT_STAGE_START);
    CONSTANT(TOMOCUT_STAGE_READ);
    CONSTANT(TOMOCUT_STAGE_LOAD);
    CONSTANT(TOMOCUT_STAGE_ENHANCE);
    CONSTANT(TOMOCUT_STAGE_ENCODE);
    CONSTANT(TOMOCUT_STAGE_ATTENTION);
    CONSTANT(TOMOCUT_STAGE_EIGENVECTORS);
    CONSTANT(TOMOCUT_STAGE_CANVAS);
    CONSTANT(TOMOCUT_STAGE_Z_CORRECTION);
    CONSTANT(TOMOCUT_STAGE_BINARISE);
    CONSTANT(TOMOCUT_STAGE_SPLIT);
    CONSTANT(TOMOCUT_STAGE_POINTS);
    CONSTANT(TOMOCUT_STAGE_WRITE);
    CONSTANT(TOMOCUT_STAGE_SIMULATE);
    CONSTANT(TOMOCUT_STAGE_TRAIN);
    CONSTANT(TOMOCUT_OK);
    CONSTANT(TOMOCUT_E_INVALID_ARGUMENT);
    CONSTANT(TOMOCUT_E_CANCELLED);
    CONSTANT(TOMOCUT_E_OUT_OF_MEMORY);
    CONSTANT(TOMOCUT_E_DEVICE);
    CONSTANT(TOMOCUT_E_IO);
    CONSTANT(TOMOCUT_E_FORMAT);
    CONSTANT(TOMOCUT_E_UNSUPPORTED);
    CONSTANT(TOMOCUT_E_VERSION);
    CONSTANT(TOMOCUT_E_STATE);
    CONSTANT(TOMOCUT_E_INTERNAL);
    CONSTANT(TOMOCUT_DTYPE_U8);
    CONSTANT(TOMOCUT_DTYPE_I8);
    CONSTANT(TOMOCUT_DTYPE_U16);
    CONSTANT(TOMOCUT_DTYPE_I16);
    CONSTANT(TOMOCUT_DTYPE_F16);
    CONSTANT(TOMOCUT_DTYPE_F32);
    return 0;
}
