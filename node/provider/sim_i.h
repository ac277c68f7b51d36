/* The inside of the sim: what it read and how its two dialects write. */
#ifndef NODE_PROVIDER_SIM_I_H_
#define NODE_PROVIDER_SIM_I_H_

#include "base/arena.h"
#include "node/provider/sim.h"

struct sim {
    enum dialect dialect;
    struct arena arena;
    uint64_t hash; /* Of the request: ids are made of it. */
    int64_t now_s;
    int status;
    bool stream, include_usage, truncated;
    struct slice model, user_text, text, tool, tool_arguments;
    size_t input_bytes;
    int64_t input_tokens, output_tokens;
    uint64_t delay_ms, chunk_ms;
    unsigned n_chunks, step;
    int64_t error_after, cut_after; /* -1: never. */
};

void sim_openai_whole(const struct sim *s, struct buf *out);
void sim_openai_begin(const struct sim *s, struct buf *out);
void sim_openai_piece(const struct sim *s, struct slice text, struct buf *out);
void sim_openai_finish(const struct sim *s, struct buf *out);
void sim_anthropic_whole(const struct sim *s, struct buf *out);
void sim_anthropic_begin(const struct sim *s, struct buf *out);
void sim_anthropic_piece(const struct sim *s, struct slice text, struct buf *out);
void sim_anthropic_finish(const struct sim *s, struct buf *out);

#endif /* NODE_PROVIDER_SIM_I_H_ */
