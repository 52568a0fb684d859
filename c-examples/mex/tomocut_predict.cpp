/* [labels, points, maps] = tomocut_predict(tomogram, options); see tomocut_predict.m. */
#include "session.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace {

/** The folder of the results; one of its own, removed with all it holds, where the host names none. */
class Folder {
public:
    explicit Folder(const std::string &named) : path_(named), temporary_(named.empty()) {
        if (temporary_) {
            path_ = (std::filesystem::temp_directory_path() / "tomocut-XXXXXX").string();
            if (mkdtemp(path_.data()) == nullptr) {
                throw tomocut::Error(TOMOCUT_E_IO, path_ + " cannot be made: " + std::strerror(errno));
            }
        }
    }
    ~Folder() {
        std::error_code ignored;
        if (temporary_) {
            std::filesystem::remove_all(path_, ignored);
        }
    }
    Folder(const Folder &) = delete;
    Folder &operator=(const Folder &) = delete;

    const std::string &path() const noexcept { return path_; }

private:
    std::string path_;
    bool temporary_;
};

/** The name that the files of a tomogram begin with: the engine's own rule. */
std::string stem(const mxArray *tomogram) {
    if (!mxIsChar(tomogram)) {
        return "tomogram";
    }
    std::string name = std::filesystem::path(mex::text_of(tomogram, "the file's name")).filename().string();
    const std::vector<std::string> all[] = {{".gz", ".bz2"}, {".mrc", ".rec", ".map", ".ccp4", ".st", ".zarr"}};
    for (const auto &endings : all) {
        for (const std::string &ending : endings) {
            if (name.size() > ending.size() && name.compare(name.size() - ending.size(), ending.size(), ending) == 0) {
                name.resize(name.size() - ending.size());
                break;
            }
        }
    }
    return name;
}

/** Labels of a file: read slice by slice, never wholly in memory as float. */
mxArray *labels(mex::Session &session, const std::string &path) {
    const tomocut::Tomogram file(session.engine(), path);
    const mex::Result<std::uint8_t> result(file.shape());
    tomocut::Volume<float> slice({1, result.shape[1], result.shape[2]});
    for (std::uint64_t z = 0; z < result.shape[0]; z++) {
        file.read(z, slice);
        std::uint8_t *target = result.slice(z).data();
        for (const float value : slice) {
            *target++ = static_cast<std::uint8_t>(value);
        }
    }
    return result.array;
}

/** Probabilities of every output that has a file, one member each. */
mxArray *maps(mex::Session &session, const tomocut::Predictor &network, const std::string &start) {
    mxArray *structure = mxCreateStructMatrix(1, 1, 0, nullptr);
    for (std::uint64_t i = 0;; i++) {
        std::string name;
        try {
            name = network.output(i);
        } catch (const tomocut::Error &error) {
            if (error.status() != TOMOCUT_E_INVALID_ARGUMENT) {
                throw;
            }
            return structure;
        }
        const std::string path = start + "_" + name + ".mrc";
        if (!std::filesystem::exists(path)) {
            continue;
        }
        const tomocut::Tomogram file(session.engine(), path);
        const mex::Result<float> result(file.shape());
        file.read(0, result.view());
        mex::set(structure, name.c_str(), result.array);
    }
}

}  // namespace

void mexFunction(int n_out, mxArray *out[], int n_in, const mxArray *in[]) {
    mex::run([&] {
        if (n_in < 1 || n_in > 2 || n_out > 3) {
            throw mex::BadArgument("the call is [labels, points, maps] = tomocut_predict(tomogram, options)");
        }
        mex::Options given(n_in > 1 ? in[1] : nullptr);
        const mex::Common common(given);
        tomocut::PredictOptions options;
        std::string named;
        given.number("voxel_nm", options.voxel_nm);
        given.count("memory", options.memory);
        given.text("folder", named);
        if (n_out > 1) {
            options.set_json("picking", "{}");
        }
        given.settings_of_others(options);

        mex::Session &session = mex::Session::on(common.device);
        const tomocut::Tomogram tomogram = mex::tomogram(session, in[0], options.voxel_nm);
        const tomocut::Predictor &network = session.network(common.model);
        const Folder folder(named);
        mex::Progress progress(common.progress);
        progress.follow(options);
        const tomocut::Prediction prediction = network.run(session.engine(), tomogram, folder.path(), options);
        const std::string start = folder.path() + "/" + stem(in[0]);
        if (n_out > 0 || named.empty()) {
            out[0] = labels(session, start + "_labels.mrc");
        }
        if (n_out > 1) {
            out[1] = mex::table(prediction.picks ? prediction.picks->points() : std::vector<tomocut_pick>());
        }
        if (n_out > 2) {
            out[2] = maps(session, network, start);
        }
    });
}
