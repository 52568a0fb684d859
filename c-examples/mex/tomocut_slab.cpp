/* [labels, points, maps] = tomocut_slab(tomogram, options); see tomocut_slab.m. */
#include "session.hpp"

namespace {

/** The members of the options struct that are the engine's own. */
void read(mex::Options &given, tomocut::SlabOptions &options) {
    given.text("preset", options.preset);
    given.number("voxel_nm", options.voxel_nm);
    given.flag("bright", options.bright);
    given.count("seed", options.seed);
    given.text("latent_mode", options.latent_mode);
    given.text("latent_draw", options.latent_draw);
    given.number("snr", options.snr);
    given.counts("layers", options.layers);
    given.text("tiling", options.tiling);
    given.number("tile_overlap", options.tile_overlap);
    given.text("solver", options.solver);
    given.count("n_eigenvectors", options.n_eigenvectors);
    given.text("canvas", options.canvas);
    given.text("split", options.split);
    given.toggle("z_correction", options.z_correction);
    given.toggle("link_z", options.link_z);
    given.toggle("refine", options.refine);
    given.number("score_smoothing_nm", options.score_smoothing_nm);
    given.text("binarisation", options.binarisation);
    given.number("threshold_low", options.threshold_low);
    given.number("threshold_high", options.threshold_high);
    given.number("molecule_min_nm", options.molecule_min_nm);
    given.number("molecule_max_nm", options.molecule_max_nm);
    given.number("diameter_nm", options.diameter_nm);
    given.count("n_points", options.n_points);
    given.text("cellpose_weights", options.cellpose_weights);
}

/** Score and likelihoods, one member each; likelihoods only where the model predicts structures. */
mxArray *maps(const tomocut::Slab &slab, const tomocut::Shape &shape) {
    mxArray *structure = mxCreateStructMatrix(1, 1, 0, nullptr);
    mex::Result<float> score(shape);
    slab.score(score.view());
    mex::set(structure, "score", score.array);
    const std::pair<const char *, std::int32_t> likelihoods[] = {{"membrane", TOMOCUT_LABEL_MEMBRANE},
                                                                  {"molecule", TOMOCUT_LABEL_MOLECULE},
                                                                  {"filament", TOMOCUT_LABEL_FILAMENT}};
    for (const auto &[name, map] : likelihoods) {
        mex::Result<float> likelihood(shape);
        try {
            slab.likelihood(map, likelihood.view());
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
        read(given, options);
        const bool some = given.slices("slices", options.z_first, options.z_end);
        given.text("folder", folder);
        given.text("name", name);
        given.refuse_others();

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
