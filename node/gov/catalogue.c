/* The short built-in price list, so that budgets work before anybody has written a `model`
 * resource. */
#include "base/check.h"
#include "node/gov/gov_i.h"

struct catalogue_entry {
    const char *dialect;
    struct spec_model spec;
};

static const struct catalogue_entry catalogue[] = {
#define X(dialect_, model_, input, read, write, output, context, limit) \
    {dialect_,                                                          \
     {.model = {model_, sizeof(model_) - 1},                            \
      .input_pusd = (input),                                            \
      .cache_read_pusd = (read),                                        \
      .cache_write_pusd = (write),                                      \
      .output_pusd = (output),                                          \
      .max_input_tokens = (context),                                    \
      .max_output_tokens = (limit),                                     \
      .reasoning_bounded = true}},
#include "node/gov/catalogue.def"
#undef X
};

const struct spec_model *catalogue_find(struct slice dialect_name, struct slice model)
{
    for (size_t i = 0; i < ARRAY_LEN(catalogue); i++) {
        if (slice_eq(slice_str(catalogue[i].dialect), dialect_name) &&
            slice_eq(catalogue[i].spec.model, model)) {
            return &catalogue[i].spec;
        }
    }
    return NULL;
}

void catalogue_each(struct slice dialect_name, bool (*each)(void *arg, const struct spec_model *m),
                    void *arg)
{
    for (size_t i = 0; i < ARRAY_LEN(catalogue); i++) {
        if (slice_eq(slice_str(catalogue[i].dialect), dialect_name) &&
            !each(arg, &catalogue[i].spec)) {
            return;
        }
    }
}
