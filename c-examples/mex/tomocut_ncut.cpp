/* [labels, info] = tomocut_ncut(image, options); see tomocut_ncut.m. */
#include "session.hpp"

#include <limits>

namespace {

/** A number of the report; NaN where it is null. */
double number_or_nan(const tomocut::Report &report, const char *path) {
    try {
        return report.number(path);
    } catch (const tomocut::Error &) {
        return std::numeric_limits<double>::quiet_NaN();
    }
}

/** Segments as rows of pixels, first and last slice (counted from 1); the tree of cuts as JSON. */
mxArray *info(const tomocut::Ncut &ncut) {
    mxArray *structure = mxCreateStructMatrix(1, 1, 0, nullptr);
    const std::vector<tomocut_ncut_segment> segments = ncut.segments();
    const std::size_t n = segments.size();
    mxArray *table = mxCreateDoubleMatrix(n, 3, mxREAL);
    for (std::size_t i = 0; i < n; i++) {
        mxGetPr(table)[i] = static_cast<double>(segments[i].pixels);
        mxGetPr(table)[n + i] = static_cast<double>(segments[i].z_first + 1);
        mxGetPr(table)[2 * n + i] = static_cast<double>(segments[i].z_end);
    }
    const tomocut::Report report = ncut.report();
    mex::set(structure, "segments", table);
    mex::set(structure, "timestep", mxCreateDoubleScalar(report.number("/report/timestep")));
    mex::set(structure, "snr", mxCreateDoubleScalar(number_or_nan(report, "/report/snr")));
    mex::set(structure, "tree", mxCreateString(report.json().c_str()));
    return structure;
}

}  // namespace

void mexFunction(int n_out, mxArray *out[], int n_in, const mxArray *in[]) {
    mex::run([&] {
        if (n_in < 1 || n_in > 2 || n_out > 2) {
            throw mex::BadArgument("the call is [labels, info] = tomocut_ncut(image, options)");
        }
        mex::Options given(n_in > 1 ? in[1] : nullptr);
        const mex::Common common(given);
        tomocut::NcutOptions options;
        std::uint64_t first = 0, end = 0;
        double voxel_nm = 0.0;
        given.flag("bright", options.bright);
        given.number("voxel_nm", voxel_nm);
        const bool of_tomogram = given.slices("slices", first, end) || mxIsChar(in[0]);
        given.settings_of_others(options);
        if (of_tomogram && end == 0) {
            throw mex::BadArgument("'slices' is missing: [first last], counted from 1, of the file");
        }

        mex::Session &session = mex::Session::on(common.device);
        mex::Progress progress(common.progress);
        progress.follow(options);
        const tomocut::Model &model = session.model(common.model, progress);
        const auto cut = [&] {
            if (of_tomogram) {
                const tomocut::Tomogram tomogram = mex::tomogram(session, in[0], voxel_nm);
                return tomocut::Ncut(session.engine(), model, tomogram, first, end, options);
            }
            return tomocut::Ncut(session.engine(), model, mex::image(in[0]), options);
        };
        const tomocut::Ncut ncut = cut();

        const tomocut::NcutInfo sizes = ncut.info();
        if (of_tomogram) {
            const mex::Result<std::uint32_t> labels(sizes.shape);
            ncut.labels(labels.view());
            out[0] = labels.array;
        } else {
            // (row, column), of which MATLAB stores a column together.
            const mex::Result<std::uint32_t> labels({1, sizes.shape[2], sizes.shape[1]});
            const auto rows = static_cast<std::int64_t>(sizes.shape[1]);
            const tomocut::Strides by_column = {rows * static_cast<std::int64_t>(sizes.shape[2]), 1, rows};
            ncut.labels(tomocut::VolumeView<std::uint32_t>(labels.data(), sizes.shape, by_column));
            out[0] = labels.array;
        }
        if (n_out > 1) {
            out[1] = info(ncut);
        }
    });
}
