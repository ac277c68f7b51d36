/* OpenAI and every server that speaks its chat format: the base URL ends where "/chat/completions"
 * begins ("https://api.openai.com/v1"). */
#include "node/provider/pass.h"
#include "node/provider/provider.h"

static void provider_openai_headers(struct headers *out, struct slice credential,
                                    const struct headers *client, bool stream)
{
    provider_pass_headers(out, client, stream);
    if (credential.n > 0) {
        char *value = arena_printf(out->arena, "Bearer %.*s", SLICE_FMT(credential));
        headers_add_static(out, SLICE("authorization"), slice_str(value));
    }
}

const struct provider provider_openai = {
    .name = "openai",
    .dialect = DIALECT_OPENAI,
    .chat_path = "/chat/completions",
    .max_output_field = "max_completion_tokens",
    .output_bound_covers_reasoning =
        /* OpenAI's does, a compatible server's may not: the model's or provider's
         * reasoning_bounded tells. */
    false,
    .headers = provider_openai_headers,
};
