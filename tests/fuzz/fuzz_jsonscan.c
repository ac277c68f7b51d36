/* The scanner takes what yyjson takes when it is an object, whole or in two pieces. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/http/jsonscan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const fields[] = {"model", "stream", "messages"};
    static const char *const keys[] = {"image_url"};
    struct jsonscan *one = jsonscan_new(fields, 3, keys, 1, keys, 1);
    struct jsonscan *two = jsonscan_new(fields, 3, keys, 1, keys, 1);
    size_t half = n / 2;
    int whole = jsonscan_feed(one, (const char *)data, n);
    int parts = jsonscan_feed(two, (const char *)data, half);

    whole = whole != 0 ? whole : jsonscan_end(one);
    parts = parts != 0 ? parts : jsonscan_feed(two, (const char *)data + half, n - half);
    parts = parts != 0 ? parts : jsonscan_end(two);
    ASSERT(whole == parts); /* However it is split. */
    for (size_t i = 0; whole == 0 && i < 3; i++) {
        ASSERT(jsonscan_get(one, i)->kind == jsonscan_get(two, i)->kind);
        ASSERT(jsonscan_get(one, i)->end == jsonscan_get(two, i)->end);
    }
    jsonscan_free(one);
    jsonscan_free(two);
    return 0;
}
