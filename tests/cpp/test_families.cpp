// One pass through every family of handles, each compared with what the C call of the same name answers.
#include <algorithm>
#include <cstring>

#include "check.hpp"

namespace {

void slabs(tomocut::Engine &engine, const tomocut::Model &model, const tomocut::Tomogram &tomogram) {
    tomocut::SlabOptions options(3, 5);
    options.voxel_nm = 1.0;
    const tomocut::Slab slab(engine, model, tomogram, options);
    const tomocut::Volume<std::uint8_t> labels = slab.labels();
    CHECK((labels.shape() == tomocut::Shape{2, 128, 128} && labels.shape() == slab.shape()));
    CHECK(*std::max_element(labels.begin(), labels.end()) <= TOMOCUT_LABEL_FILAMENT);

    /* Into the host's own memory: a frame of 1 voxel stays as it was. */
    std::vector<std::int8_t> framed(2 * 130 * 130, -1);
    slab.labels(tomocut::VolumeView(framed.data() + 131, {2, 128, 128}, {130 * 130, 130, 1}));
    CHECK(framed[130] == -1 && framed[131] == static_cast<std::int8_t>(labels(0, 0, 0)));
    CHECK(framed[131 + 130 * 130 + 130 * 5 + 7] == static_cast<std::int8_t>(labels(1, 5, 7)));

    const tomocut::Volume<float> score = slab.score();
    tomocut::Volume<tomocut::Half> halves(slab.shape());
    slab.score(halves);
    CHECK(*std::max_element(score.begin(), score.end()) <= 1.0F && halves(0, 0, 0).bits <= 0x3c00);
    CHECK(slab.likelihood("membrane").size() == score.size());
    CHECK_ERROR(TOMOCUT_E_INVALID_ARGUMENT, "map", slab.likelihood("vesicle"));
    const tomocut::Report report = slab.report();
    CHECK(report.json().front() == '{' && report.number("/tiles_per_slice") >= 1.0);
    std::size_t n_points = 0;
    CHECK(tomocut_slab_points(slab.get(), nullptr, 0, &n_points) == TOMOCUT_OK && slab.points().size() == n_points);

    slab.write(tomogram, scratch("slab"), "s");
    const tomocut::Tomogram written(engine, scratch("slab/s_labels.mrc"));
    CHECK(written.read(1, 2)(0, 5, 7) == static_cast<float>(labels(1, 5, 7)));
    const tomocut::Picks picks = tomocut::Picks::read(engine, scratch("slab/s_points.csv"), tomogram);
    CHECK(picks.points().size() == n_points);
    picks.write(scratch("picks.star"));
    CHECK(tomocut::Picks::read(engine, scratch("picks.star"), tomogram).points().size() == n_points);

    tomocut::TrainerOptions training;
    training.steps = 2;
    training.set("batch", 3).set("augmentation.turn", 0.0);
    tomocut::Trainer trainer(engine, training);
    trainer.add(tomogram, slab);
    CHECK(trainer.info().number("/step") == 0 && trainer.info().number("/steps") == 2);
    CHECK(trainer.info().number("/settings/batch") == 3);
    tomocut::Volume<std::uint8_t> own({1, 128, 128});
    own(0, 3, 3) = 1;
    tomocut::TrainingLabels mine(6, own);
    mine.names = {"membrane", "molecule", "filament"};
    trainer.add(tomogram, mine);
    CHECK(trainer.info().number("/learnt") == 2);
    CHECK_ERROR(TOMOCUT_E_STATE, "rounds", trainer.add_unlabelled(tomogram));
    trainer.save(scratch("checkpoint"));
    CHECK_ERROR(TOMOCUT_E_STATE, "begun", trainer.add(tomogram, slab));
}

void pictures_and_matrices(tomocut::Engine &engine) {
    /* Two blocks that hang together, barely joined. */
    tomocut::Volume<float> affinity({1, 6, 6});
    for (std::uint64_t i = 0; i < 6; i++) {
        for (std::uint64_t j = 0; j < 6; j++) {
            affinity(0, i, j) = i / 3 == j / 3 ? 1.0F : 0.01F;
        }
    }
    tomocut::NcutOptions options;
    options.segments = 2;
    options.set("counts", std::vector<int>{2}).set("eigenvectors", 1);
    const auto ncut = tomocut::Ncut::of_matrix(engine, TOMOCUT_MATRIX_AFFINITY, affinity, {2, 3}, options);
    CHECK(ncut.info().segments == 2 && ncut.info().levels == 1 && ncut.level_segments(0) == 2);
    const tomocut::Volume<std::uint32_t> labels = ncut.labels();
    CHECK((labels.shape() == tomocut::Shape{1, 2, 3}));
    CHECK(labels(0, 0, 0) == labels(0, 0, 2) && labels(0, 1, 0) == labels(0, 1, 2));
    CHECK(labels(0, 0, 0) != labels(0, 1, 0));
    CHECK(ncut.level_labels(0).size() == 6 && ncut.segments().size() == 2 && ncut.tree().size() == 3);
    CHECK(ncut.features().shape()[1] == 2 && ncut.report().number("/settings/segments") == 2.0);
    const tomocut::Volume<float> eigenvectors = ncut.eigenvectors();
    CHECK(eigenvectors(0, 0, 0) * eigenvectors(0, 1, 0) < 0.0F);
    ncut.write(scratch("ncut"), "m");
    const tomocut::Picture picture = tomocut::read_picture(scratch("ncut/m_labels.png"));
    CHECK(picture.pixels(0, 1, 2) == static_cast<float>(labels(0, 1, 2)));
}

void attention(tomocut::Engine &engine, const tomocut::Model &model, const tomocut::Tomogram &tomogram) {
    tomocut::Attention attention(engine, model, tomogram, 3);
    CHECK(attention.size() > 0);
    const tomocut_attention_layer layer = attention.layer(attention.size() - 1);
    CHECK(std::strstr(layer.name, "attn1") != nullptr);
    const std::size_t last = attention.size() - 1;
    CHECK((attention.queries(last).shape() == tomocut::Shape{layer.heads, layer.tokens, layer.dim}));
    CHECK(attention.keys(last).size() == attention.queries(last).size());
    const tomocut::Volume<float> row = attention.probabilities(last, 1, 1);
    float sum = 0.0F;
    for (std::uint64_t token = 0; token < layer.tokens; token++) {
        sum += row(0, 0, token);
    }
    CHECK(std::fabs(sum - 1.0F) < 1e-4F);
    CHECK_ERROR(TOMOCUT_E_INVALID_ARGUMENT, "layer", attention.layer(attention.size()));

    /* The same layer as if another network had computed it. */
    const tomocut::Volume<float> queries = attention.queries(last), keys = attention.keys(last);
    tomocut::Attention brought(engine, {queries}, {keys}, {layer.rows});
    tomocut::SlabOptions options;
    options.set("n_eigenvectors", 3);
    const tomocut::Volume<float> vectors = brought.eigenvectors(0, {3, layer.rows, layer.columns}, options);
    float length = 0.0F;
    for (float value : vectors) {
        length += value * value;
    }
    CHECK(std::fabs(length - 3.0F) < 1e-3F);
}

void tomograms(tomocut::Engine &engine, const tomocut::Model &model, const tomocut::Tomogram &tomogram) {
    tomocut::SuggestOptions thin;
    thin.set("thickness", 2);
    const auto suggested = tomogram.suggest(2, thin);
    CHECK(!suggested.empty() && suggested[0].z_end - suggested[0].z_first == 2);
    CHECK(tomogram.structure_profile(thin).size() == 8);
    const tomocut::Volume<float> clean = tomocut::denoise(engine, model, tomogram, {3, 4});
    CHECK((clean.shape() == tomocut::Shape{1, 128, 128}));
    CHECK(clean(0, 44, 66) < clean(0, 44, 40) && model.info_json().find("\"name\"") != std::string::npos);
    tomocut::AdaptOptions wrong;
    wrong.set("steps", 1).set("batch", 1);
    CHECK_ERROR(TOMOCUT_E_INVALID_ARGUMENT, "batch", tomocut::adapt(engine, tomogram, scratch("adapted"), wrong));
}

void networks(tomocut::Engine &engine, const tomocut::Model &model, const tomocut::Tomogram &tomogram) {
    const tomocut::Predictor predictor(engine);
    CHECK(!predictor.output(0).empty() && predictor.info_json().front() == '{');
    CHECK_ERROR(TOMOCUT_E_INVALID_ARGUMENT, "", predictor.output(1000));
    tomocut::PredictOptions options;
    options.set("region_first", std::vector<int>{2, 24, 24}).set("region_end", std::vector<int>{4, 56, 56});
    options.set("picking.method", "peaks");
    const tomocut::Prediction prediction = predictor.run(engine, tomogram, scratch("predicted"), options);
    CHECK(prediction.report.number("/finished") == 1.0 && prediction.report.number("/computed") >= 1.0);
    CHECK(prediction.picks.has_value() &&
          static_cast<double>(prediction.picks->points().size()) == prediction.report.number("/n_picks"));
    CHECK_ERROR(TOMOCUT_E_INVALID_ARGUMENT, "settings.picking.method is \"best\"",
                predictor.run(engine, tomogram, scratch("predicted"), options.set("picking.method", "best")));

    tomocut::DatasetOptions bad;
    bad.set("held_out", 0.9).set("slab.layers", std::vector<int>{0, 1});
    CHECK_ERROR(TOMOCUT_E_INVALID_ARGUMENT, "settings.held_out",
                tomocut::run_dataset(engine, model, {"a.mrc", "b.mrc"}, scratch("data"), bad));
}

}  // namespace

int main() {
    tomocut::Engine engine(one_thread());
    const tomocut::Model model(engine);
    const tomocut::Volume<float> voxels = sample();
    const tomocut::Tomogram tomogram(engine, voxels, tomocut::Geometry(10.0));
    tomograms(engine, model, tomogram);
    slabs(engine, model, tomogram);
    pictures_and_matrices(engine);
    attention(engine, model, tomogram);
    networks(engine, model, tomogram);
    return 0;
}
