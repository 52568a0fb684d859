// What the host computes by itself, and a slab of the engine's, in turns.
#include <cblas.h>
#include <omp.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "message.pb.h"

// One function after another is found in the library by its loader, or all of them by the linker.
#ifdef LOADED
#include "tomocut_loader.h"
#else
#include "tomocut.h"
#endif

extern "C" std::uint64_t other_digest(const std::uint8_t *bytes, std::size_t length);

namespace {
struct Own {
    std::vector<double> product;
    double sum = 0;
    int threads = 0;
    std::string message;
    std::uint64_t digest = 0;

    bool operator==(const Own &o) const {
        return product == o.product && sum == o.sum && threads == o.threads && message == o.message
            && digest == o.digest;
    }
};

Own own() {
    constexpr int n = 300;
    std::vector<double> a(n * n), b(n * n);
    Own result;
    for (int i = 0; i < n * n; i++) {
        a[i] = (i * 7919 % 1000) / 1000.0;
        b[i] = (i * 104729 % 1000) / 1000.0;
    }
    result.product.resize(n * n);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1.0, a.data(), n, b.data(), n, 0.0,
                result.product.data(), n);
    long sum = 0;
#pragma omp parallel for reduction(+ : sum)
    for (int i = 0; i < 1000000; i++) {
        sum += i % 17;
    }
    result.sum = static_cast<double>(sum);
#pragma omp parallel
#pragma omp single
    result.threads = omp_get_num_threads();
    host::Micrograph micrograph;
    micrograph.set_name("TS_01");
    for (int i = 0; i < 50; i++) {
        micrograph.add_defocus(result.product[i]);
    }
    result.message = micrograph.SerializeAsString();
    host::Micrograph parsed;
    if (!parsed.ParseFromString(result.message) || parsed.defocus_size() != 50) {
        throw std::runtime_error("protobuf");
    }
    result.digest = other_digest(reinterpret_cast<const std::uint8_t *>(result.product.data()), n * n * sizeof(double));
    return result;
}

void check(tomocut_status status) {
    if (status != TOMOCUT_OK) {
        throw std::runtime_error(tomocut_last_error());
    }
}
} // namespace

int main(int argc, char **argv) {
    if (argc != 3) {
        return 2;
    }
    try {
        const Own before = own();
        tomocut_engine *engine = nullptr;
        tomocut_tomogram *tomogram = nullptr;
        tomocut_model *model = nullptr;
        check(tomocut_engine_create(nullptr, &engine));
        check(tomocut_tomogram_open(engine, argv[1], nullptr, &tomogram));
        check(tomocut_model_builtin(engine, nullptr, &model));
        std::vector<std::int8_t> labels(128 * 128);
        for (int round = 0; round < 3; round++) {
            tomocut_slab_options options;
            tomocut_slab *slab = nullptr;
            tomocut_volume out{};
            check(tomocut_slab_options_init(&options, sizeof options));
            options.z_first = 12;
            options.z_end = 13;
            check(tomocut_slab_segment(engine, model, tomogram, &options, &slab));
            out.data = labels.data();
            out.dtype = TOMOCUT_DTYPE_I8;
            out.shape[0] = 1;
            out.shape[1] = out.shape[2] = 128;
            check(tomocut_slab_labels(slab, &out));
            tomocut_slab_free(slab);
            if (!(own() == before)) {
                throw std::runtime_error("the host's own results changed in round " + std::to_string(round));
            }
        }
        tomocut_tomogram_free(tomogram);
        tomocut_model_free(model);
        tomocut_engine_free(engine);
        if (!(own() == before)) {
            throw std::runtime_error("the host's own results changed after the engine");
        }
        FILE *file = std::fopen(argv[2], "wb");
        if (file == nullptr || std::fwrite(labels.data(), 1, labels.size(), file) != labels.size()
            || std::fclose(file) != 0) {
            throw std::runtime_error("writing");
        }
        std::printf("OpenMP threads %d, digest %llx\n", before.threads, static_cast<unsigned long long>(before.digest));
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return 0;
}
