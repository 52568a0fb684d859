/* [labels, points, maps] = tomocut_slab(tomogram, options); see tomocut_slab.m. */
#include "session.hpp"

namespace {

/** Score and likelihoods, one member each; likelihoods only where the model predicts structures. */
mxArray *maps(const tomocut::Slab &slab, const tomocut::Shape &shape) {
    mxArray *structure = mxCreateStructMatrix(1, 1, 0, nullptr);
    mex::Result<float> score(shape);
    slab.score(score.view());
    mex::set(structure, "score", score.array);
    for (const char *name : {"membrane", "molecule", "filament"}) {
        mex::Result<float> likelihood(shape);
        try {
            slab.likelihood(name, likelihood.view());
        } catch (const tomocut::Error &error) {
            mxDestroyArray(likelihood.array);
            if (error.status() != TOMOCUT_E_UNSUPPORTED) {
                throw;
            }
            continue;
        }
        mex::set(structure, name, likelihood.array);
    }
    return structure;
}

}  // namespace

void mexFunction(int n_out, mxArray *out[], int n_in, const mxArray *in[]) {
    mex::run([&] {
        if (n_in < 1 || n_in > 2 || n_out > 3) {
            throw mex::BadArgument("the call is [labels, points, maps] = tomocut_slab(tomogram, options)");
        }
        mex::Options given(n_in > 1 ? in[1] : nullptr);
        const mex::Common common(given);
        tomocut::SlabOptions options;
        std::string folder, name = "slab";
        given.number("voxel_nm", options.voxel_nm);
        given.flag("bright", options.bright);
        const bool some = given.slices("slices", options.z_first, options.z_end);
        given.text("folder", folder);
        given.text("name", name);
        given.settings_of_others(options);

        mex::Session &session = mex::Session::on(common.device);
        const tomocut::Tomogram tomogram = mex::tomogram(session, in[0], options.voxel_nm);
        if (!some) {
            options.z_end = tomogram.shape()[0];
        }
        mex::Progress progress(common.progress);
        progress.follow(options);
        const tomocut::Slab slab(session.engine(), session.model(common.model, progress), tomogram, options);
        const tomocut::Shape shape = slab.shape();
        if (!folder.empty()) {
            slab.write(tomogram, folder, name);
        }
        const mex::Result<std::uint8_t> labels(shape);
        slab.labels(labels.view());
        out[0] = labels.array;
        if (n_out > 1) {
            out[1] = mex::table(slab.points());
        }
        if (n_out > 2) {
            out[2] = maps(slab, shape);
        }
    });
}
