/* Chance is a parameter: production seeds from the kernel, the simulator from its seed.
 * xoshiro256**; not
 * for secrets (those come from crypto_random()). */
#ifndef BASE_RNG_H_
#define BASE_RNG_H_

#include <stdint.h>

struct rng {
    uint64_t s[4];
};

void rng_init_seed(struct rng *r, uint64_t seed);
void rng_init_system(struct rng *r);
uint64_t rng_u64(struct rng *r);
/* Uniform in [0, n); n > 0. */
uint64_t rng_below(struct rng *r, uint64_t n);

#endif /* BASE_RNG_H_ */
