/* Inside node/provider. */
#ifndef NODE_PROVIDER_PASS_H_
#define NODE_PROVIDER_PASS_H_

#include <stdbool.h>

#include "base/http/headers.h"

/* Content headers, then those of the caller that may pass. */
void provider_pass_headers(struct headers *out, const struct headers *client, bool stream);

#endif /* NODE_PROVIDER_PASS_H_ */
