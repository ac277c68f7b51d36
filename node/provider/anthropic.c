/* Anthropic Messages: the base URL is the host ("https://api.anthropic.com"); the caller's version
 * and betas pass, 2023-06-01 when it named none. */
#include "node/provider/pass.h"
#include "node/provider/provider.h"

static void provider_anthropic_headers(struct headers *out, struct slice credential,
                                       const struct headers *client, bool stream)
{
    provider_pass_headers(out, client, stream);
    if (!headers_has(client, "anthropic-version")) {
        headers_add_static(out, SLICE("anthropic-version"), SLICE("2023-06-01"));
    }
    if (credential.n > 0) {
        headers_add_static(out, SLICE("x-api-key"), arena_slice(out->arena, credential));
    }
}

const struct provider provider_anthropic = {
    .name = "anthropic",
    .dialect = DIALECT_ANTHROPIC,
    .chat_path = "/v1/messages",
    .max_output_field = "max_tokens",
    .output_bound_covers_reasoning =
        /* "specifies the absolute maximum number of tokens to generate", thinking included. */
    true,
    .headers = provider_anthropic_headers,
};
