/* Mel bands in fixed point. A frame's samples are brought to the same size first, so that a quiet one loses no digits.

   A band's power is kept in 32 bits: digits * 2^(exponent - EXPONENT_ZERO), in squares of a sample's step, with 25 bits
   of digits and 7 bits of exponent below them.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#include "mel.h"

#include "fft_fixed.h"
#include "fixed.h"

#define DIGITS 25
#define HEADROOM 15 /* the most bits by which samples are brought up */
#define EXPONENT_ZERO (2 * (FRACTION_BITS - FRONT_END_SHIFT) + 2 * HEADROOM)
#define LN_2 744261118 /* as a fraction */
#define SUM_BITS 62    /* of powers that are added up */

static int32_t parts[2 * FFT_SIZE];
static uint64_t power[FFT_SIZE / 2 + 1];

void mel_measure(const sample *samples, int n, block_power *sum, sample_level *peak)
{
    int i;
    for (i = 0; i < n; i++) {
        const int32_t x = samples[i], magnitude = x < 0 ? -x : x;
        *sum += (uint32_t)(x * x);
        if (magnitude > *peak)
            *peak = (sample_level)magnitude;
    }
}

int mel_is_loud(block_power block, block_power loudest)
{
    return TRIM_TIMES == 0 || block * TRIM_TIMES > loudest;
}

/* A power times a fraction. */
static uint64_t share_of(uint64_t x, int32_t fraction)
{
    const uint64_t low = (x & 0xffffffffu) * (uint32_t)fraction;
    return ((x >> 32) * (uint32_t)fraction << (32 - FRACTION_BITS)) + (low >> FRACTION_BITS);
}

/* Windows a frame, brought up by as many bits as it has room for; returns how many. */
static int windowed(const sample *frame)
{
    uint32_t all = 0;
    int i, room;
    for (i = 0; i < FRONT_END_FRAME; i++)
        all |= (uint32_t)(frame[i] < 0 ? -(int32_t)frame[i] : frame[i]);
    room = HEADROOM - fixed_bits(all);
    room = room > 0 ? room : 0;
    memset(parts, 0, FFT_SIZE * sizeof(int32_t));
    for (i = 0; i < FRONT_END_FRAME; i++) {
        const int64_t product = (int64_t)frame[i] * front_end_window[i];
        const int shift = FRONT_END_SHIFT - room;
        parts[i / 2 + (i % 2) * (FFT_SIZE / 2)] = (int32_t)((product + ((int64_t)1 << shift >> 1)) >> shift);
    }
    return room;
}

void mel_frame(const sample *frame, band_power *bands)
{
    const int room = windowed(frame);
    const int32_t *weights = front_end_weights;
    int i, band;
    fft_power_fixed(parts, power);
    for (band = 0; band < FRONT_END_BANDS; band++) {
        const uint64_t *bins = power + front_end_first[band];
        const int count = front_end_count[band];
        uint64_t sum = 0;
        int n;
        for (i = 0; i < count; i++)
            sum += share_of(bins[i], weights[i]);
        weights += count;
        n = fixed_bits(sum) > DIGITS ? fixed_bits(sum) - DIGITS : 0;
        bands[band] = (band_power)(sum >> n) << (32 - DIGITS) | (band_power)(n + 2 * HEADROOM - 2 * room);
    }
}

/* The logarithm to base 2 of a power and the floor's together. The floor's is floor * 2^floor_exponent. */
static int32_t logarithm(band_power band, uint64_t floor, int floor_exponent)
{
    uint64_t digits = band >> (32 - DIGITS);
    int exponent = (int)(band & ((1 << (32 - DIGITS)) - 1)) - EXPONENT_ZERO, apart;
    if (digits == 0)
        return fixed_log2(floor) + floor_exponent * (1 << LOG_BITS);
    apart = SUM_BITS - fixed_bits(digits);
    digits <<= apart;
    exponent -= apart;
    apart = exponent - floor_exponent;
    if (apart < 0) {
        digits = -apart < SUM_BITS ? digits >> -apart : 0;
        exponent = floor_exponent;
    } else {
        floor = apart < SUM_BITS ? floor >> apart : 0;
    }
    return fixed_log2(digits + floor) + exponent * (1 << LOG_BITS);
}

void mel_finish(band_power *bands, int32_t n, sample_level peak)
{
    const uint64_t square = peak > 0 ? (uint32_t)peak * peak : 1;
    const int32_t of_square = fixed_log2(square);
    uint64_t floor = FRONT_END_FLOOR_DIGITS * square;
    const int room = SUM_BITS - fixed_bits(floor);
    int32_t i;
    floor <<= room;
    for (i = 0; i < n; i++) {
        const int32_t log2 = logarithm(bands[i], floor, -FRONT_END_FLOOR_SHIFT - room) - of_square;
        fixed_to_float(fixed_product(log2, LN_2), LOG_BITS, &bands[i]);
    }
}
