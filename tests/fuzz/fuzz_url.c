/* Base URLs. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "base/http/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct errmsg err = {{0}};
    struct url u;

    if (url_parse(slice_of((const char *)data, n), &u, &err) == 0) {
        ASSERT(u.host[0] != 0 && u.port != 0);
        ASSERT(strpbrk(u.host, "@/?# \r\n") == NULL);
        ASSERT(strpbrk(u.path, "?# \r\n") == NULL);
    } else {
        ASSERT(err.text[0] != 0);
    }
    return 0;
}
