/* The built-in deterministic provider: `sim/echo` answers with the last user message, `sim/lorem`
 * with lorem ipsum of max_tokens (default 64) words; both speak the dialect they are asked in,
 * streaming and not, with tool calls and usage.
 * A request that offers tools and whose last user message contains "use tool" or "call the tool" is
 * answered with a call of the first tool, arguments {} or made from its schema's required string
 * properties ("sim").
 *
 * x-quorate-metadata steers it (strings): sim_delay_ms (before the first byte), sim_chunk_ms
 * (between chunks), sim_chunks (number of content chunks), sim_error (an HTTP status: answers that
 * error), sim_error_after (n content chunks, then an error event),
 * sim_cut_after (n chunks, then the stream is cut), sim_output_tokens (reported and, for lorem,
 * sent), sim_input_tokens.
 * Tokens: a token is four bytes of text, rounded up; counted over all message texts. No randomness:
 * ids are a hash of the request. Pure: the caller waits and sends. */
#ifndef NODE_PROVIDER_SIM_H_
#define NODE_PROVIDER_SIM_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "node/dialect/dialect.h"

struct sim;
/* @body: the whole JSON request (parsed here). @model: "echo" or "lorem" (the body may name a
 * route). @metadata: JSON object text or "". @now_s: for `created`. Never NULL: a bad request
 * becomes a 400 answer in the dialect. */
struct sim *sim_new(enum dialect d, struct slice body, struct slice model, struct slice metadata,
                    int64_t now_s);
void sim_free(struct sim *s);
int sim_status(const struct sim *s);
bool sim_is_stream(const struct sim *s);
const char *sim_content_type(const struct sim *s);
enum sim_step { SIM_MORE, SIM_END, SIM_CUT };
/* How long to wait before the next piece. */
uint64_t sim_delay_ms(const struct sim *s);
/* Appends the next piece of the body. SIM_MORE: another follows. SIM_END: that was the last.
 * SIM_CUT: end abnormally. */
enum sim_step sim_next(struct sim *s, struct buf *out);

#endif /* NODE_PROVIDER_SIM_H_ */
