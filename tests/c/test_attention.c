/* Queries, keys and probabilities of the self-attention layers of one slice. */
#include <sys/stat.h>

#include "sample.h"

/* One row of softmax(scale Q K^T), as it stands in the papers. */
static void softmax_row(const float *query, const float *keys, uint64_t tokens, uint64_t dim, double *row) {
    double sum = 0.0;
    for (uint64_t j = 0; j < tokens; j++) {
        double dot = 0.0;
        for (uint64_t k = 0; k < dim; k++) {
            dot += (double)query[k] * (double)keys[j * dim + k];
        }
        row[j] = exp(dot / sqrt((double)dim));
        sum += row[j];
    }
    for (uint64_t j = 0; j < tokens; j++) {
        row[j] /= sum;
    }
}

static void check_layer(tomocut_attention *attention, size_t number, const tomocut_attention_layer *layer) {
    enum { N_ROWS = 3 };
    size_t size = (size_t)(layer->heads * layer->tokens * layer->dim);
    size_t n_probabilities = (size_t)(layer->heads * N_ROWS * layer->tokens);
    uint64_t first = layer->tokens - N_ROWS;
    float *queries = malloc(size * sizeof(float)), *keys = malloc(size * sizeof(float));
    float *rows = malloc(n_probabilities * sizeof(float));
    double *expected = malloc(layer->tokens * sizeof(double));
    CHECK(queries != NULL && keys != NULL && rows != NULL && expected != NULL);
    tomocut_volume out = volume_of(queries, TOMOCUT_DTYPE_F32, layer->heads, layer->tokens, layer->dim);
    CHECK_OK(tomocut_attention_query(attention, number, &out));
    out.data = keys;
    CHECK_OK(tomocut_attention_key(attention, number, &out));
    out = volume_of(rows, TOMOCUT_DTYPE_F32, layer->heads, N_ROWS, layer->tokens);
    CHECK_OK(tomocut_attention_probabilities(attention, number, first, &out));
    CHECK_REFUSED("must leave the 3 rows",
                  tomocut_attention_probabilities(attention, number, first + 1, &out));
    for (uint64_t head = 0; head < layer->heads; head++) {
        for (uint64_t i = 0; i < N_ROWS; i++) {
            uint64_t query = head * layer->tokens + first + i;
            softmax_row(queries + query * layer->dim, keys + head * layer->tokens * layer->dim, layer->tokens,
                        layer->dim, expected);
            for (uint64_t j = 0; j < layer->tokens; j++) {
                CHECK(fabs(rows[(head * N_ROWS + i) * layer->tokens + j] - expected[j]) < 1e-5);
            }
        }
    }
    free(queries);
    free(keys);
    free(rows);
    free(expected);
}

/* Eigenvectors of attention that the host brings are those of the attention they were copied from. */
static void check_brought(struct sample *sample, tomocut_attention *extracted, const tomocut_slab_options *options) {
    enum { N_LAYERS = 16, N_VECTORS = 12 };
    tomocut_volume queries[N_LAYERS], keys[N_LAYERS];
    tomocut_attention_layer layer;
    uint64_t rows[N_LAYERS], finest = 0;
    uint64_t shape[2] = {0, 0};
    tomocut_attention *brought = NULL;
    layer.struct_size = sizeof layer;
    for (size_t i = 0; i < N_LAYERS; i++) {
        CHECK_OK(tomocut_attention_layer_info(extracted, i, &layer));
        size_t size = (size_t)(layer.heads * layer.tokens * layer.dim);
        float *query = malloc(size * sizeof(float)), *key = malloc(size * sizeof(float));
        CHECK(query != NULL && key != NULL);
        queries[i] = volume_of(query, TOMOCUT_DTYPE_F32, layer.heads, layer.tokens, layer.dim);
        keys[i] = volume_of(key, TOMOCUT_DTYPE_F32, layer.heads, layer.tokens, layer.dim);
        CHECK_OK(tomocut_attention_query(extracted, i, &queries[i]));
        CHECK_OK(tomocut_attention_key(extracted, i, &keys[i]));
        rows[i] = layer.rows;
        if (layer.tokens > finest) {
            finest = layer.tokens;
            shape[0] = layer.rows;
            shape[1] = layer.columns;
        }
    }
    CHECK_OK(tomocut_attention_create(sample->engine, queries, keys, rows, N_LAYERS, &brought));
    size_t size = (size_t)(N_VECTORS * finest);
    float *own = malloc(size * sizeof(float)), *theirs = malloc(size * sizeof(float));
    CHECK(own != NULL && theirs != NULL);
    tomocut_volume out = volume_of(own, TOMOCUT_DTYPE_F32, N_VECTORS, shape[0], shape[1]);
    CHECK_OK(tomocut_attention_eigenvectors(extracted, 0, options, &out));
    out.data = theirs;
    CHECK_OK(tomocut_attention_eigenvectors(brought, 0, options, &out));
    CHECK(memcmp(own, theirs, size * sizeof(float)) == 0);
    double length = 0.0;
    for (uint64_t i = 0; i < finest; i++) {
        length += (double)own[i] * (double)own[i];
    }
    CHECK(fabs(length - 1.0) < 1e-4);

    CHECK_REFUSED("tile is 1", tomocut_attention_eigenvectors(brought, 1, options, &out));
    out.shape[0] = 3;
    CHECK_REFUSED("eigenvectors.shape", tomocut_attention_eigenvectors(brought, 0, options, &out));
    tomocut_attention_free(brought);
    brought = NULL;
    CHECK_REFUSED("n_layers is 0", tomocut_attention_create(sample->engine, queries, keys, rows, 0, &brought));
    CHECK_REFUSED("queries, keys and rows", tomocut_attention_create(sample->engine, queries, NULL, rows, 1, &brought));
    rows[0] = finest + 1;
    CHECK_REFUSED("rows[0] is", tomocut_attention_create(sample->engine, queries, keys, rows, 1, &brought));
    CHECK(brought == NULL);
    for (size_t i = 0; i < N_LAYERS; i++) {
        free(queries[i].data);
        free(keys[i].data);
    }
    free(own);
    free(theirs);
}

int main(void) {
    struct sample sample = open_sample();
    tomocut_slab_options options = slab_options(0, 1);
    tomocut_attention *attention = NULL;
    tomocut_attention_layer layer;
    size_t count = 0;
    struct stat status;
    CHECK_OK(tomocut_slab_attention_extract(sample.engine, sample.model, sample.tomogram, 7, &options, &attention));
    CHECK_OK(tomocut_attention_count(attention, &count));
    CHECK(count > 0 && count % 16 == 0);
    for (size_t i = 0; i < count; i++) {
        memset(&layer, 0, sizeof layer);
        layer.struct_size = sizeof layer;
        CHECK_OK(tomocut_attention_layer_info(attention, i, &layer));
        CHECK(layer.index == i % 16 && layer.tile == i / 16);
        CHECK(strstr(layer.name, "attn1") != NULL);
        CHECK(layer.tokens == layer.rows * layer.columns && layer.heads > 0 && layer.dim > 0);
        CHECK(layer.timestep >= 0 && layer.timestep < 1000);
        if (i < 16) {
            printf("  %s: %d heads, %d x %d tokens of %d\n", layer.name, (int)layer.heads, (int)layer.rows,
                   (int)layer.columns, (int)layer.dim);
            check_layer(attention, i, &layer);
        }
    }
    options.settings = "{\"solver\": \"krylov\"}";
    check_brought(&sample, attention, &options);
    options.settings = NULL;
    tomocut_volume out = volume_of(&layer, TOMOCUT_DTYPE_F32, 1, 1, 1);
    CHECK_REFUSED("layer is", tomocut_attention_layer_info(attention, count, &layer));
    CHECK_REFUSED("queries.shape", tomocut_attention_query(attention, 0, &out));
    CHECK_REFUSED("keys is NULL", tomocut_attention_key(attention, 0, NULL));
    CHECK_REFUSED("attention is NULL", tomocut_attention_count(NULL, &count));
    CHECK_REFUSED("count is", tomocut_attention_count(attention, NULL));
    CHECK_REFUSED("tomocut_attention_layer is NULL", tomocut_attention_layer_info(attention, 0, NULL));
    CHECK_REFUSED("probabilities is NULL", tomocut_attention_probabilities(attention, 0, 0, NULL));
    tomocut_attention_free(attention);
    tomocut_attention_free(NULL);
    CHECK_REFUSED("z is",
                  tomocut_slab_attention_extract(sample.engine, sample.model, sample.tomogram, 16, &options,
                                                 &attention));
    CHECK(attention == NULL);

    options.settings = "{\"layers\": [2, 9]}";
    CHECK_OK(tomocut_slab_attention_extract(sample.engine, sample.model, sample.tomogram, 7, &options, &attention));
    CHECK_OK(tomocut_attention_count(attention, &count));
    CHECK(count % 2 == 0 && count > 0);
    layer.struct_size = sizeof layer;
    CHECK_OK(tomocut_attention_layer_info(attention, 1, &layer));
    CHECK(layer.index == 9);
    tomocut_attention_free(attention);

    options = slab_options(0, 1);
    const char *path = scratch("slice.safetensors");
    CHECK_OK(tomocut_slab_dump(sample.engine, sample.model, sample.tomogram, 7, &options, path));
    CHECK(stat(path, &status) == 0 && status.st_size > 100000);
    CHECK_REFUSED("path is NULL", tomocut_slab_dump(sample.engine, sample.model, sample.tomogram, 7, &options, NULL));
    CHECK_STATUS(TOMOCUT_E_IO, tomocut_slab_dump(sample.engine, sample.model, sample.tomogram, 7, &options,
                                                 "/no/such/folder/slice.safetensors"));
    close_sample(&sample);
    return 0;
}
