// Handles move and free themselves; failures are exceptions; views and volumes name the same voxels.
#include <memory>
#include <numeric>
#include <type_traits>
#include <utility>
#include <vector>

#include "check.hpp"

namespace {

static_assert(!std::is_copy_constructible_v<tomocut::Engine> && std::is_nothrow_move_constructible_v<tomocut::Engine>);
static_assert(!std::is_copy_assignable_v<tomocut::Slab> && std::is_nothrow_move_assignable_v<tomocut::Slab>);
static_assert(!std::is_constructible_v<tomocut::Tomogram, const tomocut::Engine &, tomocut::Volume<float>>,
              "a tomogram of a temporary would read freed memory");
static_assert(!std::is_convertible_v<tomocut::VolumeView<const float>, tomocut::TargetVolume>);
static_assert(!std::is_constructible_v<tomocut::ProgressCallback, tomocut_progress_fn>,
              "0 to go on is C's answer; a bool is C++'s");

void failures_say_what_and_of_which_kind() {
    tomocut::Engine engine(one_thread());
    CHECK_ERROR(TOMOCUT_E_INVALID_ARGUMENT, "device", tomocut::Engine("abacus"));
    CHECK_ERROR(TOMOCUT_E_IO, "nowhere.mrc", tomocut::Tomogram(engine, "/nowhere.mrc"));
    CHECK_ERROR(TOMOCUT_E_IO, "nowhere", tomocut::Model(engine, "/nowhere.safetensors"));
    CHECK_ERROR(TOMOCUT_E_IO, "nowhere", tomocut::Predictor(engine, "/nowhere.safetensors"));
    CHECK_ERROR(TOMOCUT_E_IO, "nowhere", tomocut::read_picture("/nowhere.png"));
    const tomocut::Error error = thrown_by<tomocut::Error>([&] { tomocut::Tomogram(engine, "/nowhere.mrc"); });
    CHECK(std::string(error.status_name()) == "io");
}

void moved_handles_leave_nothing_behind() {
    tomocut::Volume<float> voxels({4, 8, 16});
    std::iota(voxels.begin(), voxels.end(), 0.0F);
    tomocut::Engine engine(one_thread());
    tomocut::Tomogram first(engine, voxels);
    const tomocut_tomogram *handle = first.get();
    tomocut::Tomogram second(std::move(first));
    CHECK(first.get() == nullptr && second.get() == handle);
    CHECK_ERROR(TOMOCUT_E_INVALID_ARGUMENT, "NULL", first.info());

    tomocut::Tomogram third(engine, voxels);
    third = std::move(second); /* frees what it held */
    CHECK(third.get() == handle && second.get() == nullptr);
    tomocut::Tomogram &itself = third;
    third = std::move(itself);
    CHECK(third.get() == handle && third.shape() == (tomocut::Shape{4, 8, 16}));

    std::vector<tomocut::Tomogram> many;
    for (int i = 0; i < 5; i++) {
        many.emplace_back(engine, voxels);
    }
    many.push_back(std::move(third));
    CHECK(many.back().get() == handle);
}

/* The log outlives the engine as long as something made with it may write to it. */
void a_log_lives_as_long_as_whatever_may_write_to_it() {
    auto lines = std::make_shared<int>(0);
    std::weak_ptr<int> watched = lines;
    tomocut::Volume<float> voxels({4, 8, 16});
    {
        auto engine = [&] {
            tomocut::EngineOptions options = one_thread();
            options.log_level = TOMOCUT_LOG_DEBUG;
            options.log = [lines](tomocut_log_level, const char *, const char *) { ++*lines; };
            return std::make_unique<tomocut::Engine>(options);
        }();
        lines.reset();
        tomocut::Tomogram tomogram(*engine, voxels);
        engine.reset();
        CHECK(!watched.expired());
        tomogram = tomocut::Tomogram(tomocut::Engine(one_thread()), voxels);
        CHECK(watched.expired());
    }
}

void views_and_volumes_name_the_same_voxels() {
    std::vector<std::int16_t> memory(4 * 6 * 10);
    std::iota(memory.begin(), memory.end(), std::int16_t{0});
    tomocut::Engine engine(one_thread());
    const tomocut::VolumeView whole(memory.data(), {4, 6, 10});
    CHECK(whole(1, 2, 3) == 83 && (whole.strides() == tomocut::Strides{60, 10, 1}));
    /* x and y exchanged, z from the end. */
    const tomocut::VolumeView<const std::int16_t> turned(memory.data() + 180, {4, 10, 6}, {-60, 1, 10});
    const tomocut::Tomogram tomogram(engine, turned, tomocut::Geometry(10.0));
    const tomocut::Volume<float> slices = tomogram.read(1, 3);
    CHECK((slices.shape() == tomocut::Shape{2, 10, 6}));
    for (std::uint64_t y = 0; y < 10; y++) {
        for (std::uint64_t x = 0; x < 6; x++) {
            CHECK(slices(0, y, x) == static_cast<float>(whole(2, x, y)));
            CHECK(slices(1, y, x) == static_cast<float>(whole(1, x, y)));
        }
    }
    CHECK(tomogram.info().voxel_angstrom[2] == 10.0);
    CHECK_ERROR(TOMOCUT_E_INVALID_ARGUMENT, "slices 3 to 5", tomogram.read(3, 5));
    std::vector<double> wrong(3);
    CHECK(tomocut::Span<const double>(wrong).size() == 3);
    tomocut::Volume<float> moved({1, 1, 2});
    CHECK(moved.take().size() == 2 && moved.size() == 0);
    thrown_by<std::length_error>([] { tomocut::Volume<float>({UINT64_MAX, UINT64_MAX, 2}); });
}

void the_library_tells_of_itself() {
    CHECK(tomocut::version() == TOMOCUT_VERSION);
    CHECK(tomocut::runtime_report().find("BLAS (dgemm_)") != std::string::npos);
}

}  // namespace

int main() {
    the_library_tells_of_itself();
    failures_say_what_and_of_which_kind();
    moved_handles_leave_nothing_behind();
    a_log_lives_as_long_as_whatever_may_write_to_it();
    views_and_volumes_name_the_same_voxels();
    return 0;
}
