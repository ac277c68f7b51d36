/* The inside of a chat_scan, shared by scan.c and rewrite.c. */
#ifndef NODE_DIALECT_SCAN_H_
#define NODE_DIALECT_SCAN_H_

#include <stdio.h>

#include "base/http/jsonscan.h"
#include "node/dialect/dialect.h"

/* Top-level fields that are read; of all others only the grammar is checked. */
#define CHAT_FIELDS(X)                                \
    X(MODEL, "model")                                 \
    X(STREAM, "stream")                               \
    X(STREAM_OPTIONS, "stream_options")               \
    X(MAX_TOKENS, "max_tokens")                       \
    X(MAX_COMPLETION_TOKENS, "max_completion_tokens") \
    X(N, "n")                                         \
    X(MESSAGES, "messages")                           \
    X(TOOLS, "tools")                                 \
    X(FUNCTIONS, "functions")                         \
    X(SERVICE_TIER, "service_tier")                   \
    X(SPEED, "speed")                                 \
    X(WEB_SEARCH_OPTIONS, "web_search_options")       \
    X(PREVIOUS_RESPONSE_ID, "previous_response_id")   \
    X(CONTAINER, "container")                         \
    X(MCP_SERVERS, "mcp_servers")

enum chat_field {
#define X(id, name) FIELD_##id,
    CHAT_FIELDS(X)
#undef X
        FIELD_N_
};
extern const char *const chat_fields[FIELD_N_];

struct chat_scan {
    enum dialect dialect;
    struct jsonscan *json;
    size_t n_deep_types;
    struct chat_facts facts;
    char error[160]; /* When ours and not the scanner's. */
    const char *param;
};

#endif /* NODE_DIALECT_SCAN_H_ */
