/* Arithmetic in fixed point: whole numbers of 32 bits, and of 64 bits between two of them. Fractions are counted in
   2^-30; right shifts of negative numbers are taken to round down, as with every compiler.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#ifndef FIXED_H
#define FIXED_H

#include <stdint.h>
#include <string.h>

#include "tables.h"

#define FRACTION_BITS 30 /* of tables */
#define LOG_BITS 22      /* of logarithms */

/* x times a fraction, to the nearest. */
static inline int32_t fixed_product(int32_t x, int32_t fraction)
{
    return (int32_t)(((int64_t)x * fraction + (1 << (FRACTION_BITS - 1))) >> FRACTION_BITS);
}

/* How many bits a number has: 0 for 0, 64 at most. */
static inline int fixed_bits(uint64_t x)
{
    uint32_t word = (uint32_t)(x >> 32);
    int n = word != 0 ? 32 : 0, step;
    word = word != 0 ? word : (uint32_t)x;
    for (step = 16; step > 0; step /= 2)
        if (word >> step != 0) {
            word >>= step;
            n += step;
        }
    return n + (int)word;
}

/* The logarithm to base 2 of a number above 0, in 2^-LOG_BITS: from a table of 64 steps, and straight lines between
   them, which are at most 4.5e-5 off. */
static inline int32_t fixed_log2(uint64_t x)
{
    const int n = fixed_bits(x);
    const uint32_t top = (uint32_t)(n > 32 ? x >> (n - 32) : x << (32 - n)); /* 1 in the highest bit */
    const uint32_t step = (top >> 25) & 63;
    const int32_t low = fixed_logarithms[step], high = fixed_logarithms[step + 1];
    const int32_t more = (int32_t)(((int64_t)(high - low) * (int32_t)(top & 0x1ffffff)) >> 25);
    return ((int32_t)(n - 1) << LOG_BITS) + ((low + more) >> (FRACTION_BITS - LOG_BITS));
}

/* Writes x / 2^n_fraction as the 32 bits of a float, rounded towards 0: no processor of floats is needed for that. */
static inline void fixed_to_float(int32_t x, int n_fraction, void *number)
{
    const uint32_t sign = x < 0 ? 0x80000000u : 0, magnitude = x < 0 ? 0u - (uint32_t)x : (uint32_t)x;
    const int n = fixed_bits(magnitude);
    const uint32_t digits = n > 24 ? magnitude >> (n - 24) : magnitude << (24 - n);
    const uint32_t word = x == 0 ? 0 : sign | (uint32_t)(126 + n - n_fraction) << 23 | (digits & 0x7fffff);
    memcpy(number, &word, sizeof word);
}

#endif
