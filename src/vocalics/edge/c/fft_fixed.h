/* The Fourier transform of real samples, in fixed point.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#ifndef FFT_FIXED_H
#define FFT_FIXED_H

#include <stdint.h>

#include "settings.h"

/* Computes the power of the FFT_SIZE / 2 + 1 bins of FFT_SIZE real samples, whose magnitudes are below 2^30 together.

   parts: 2 * FFT_SIZE numbers, overwritten. The even samples are expected in the first half of the first FFT_SIZE
   numbers, the odd ones in their second half. power: FFT_SIZE / 2 + 1 numbers, each below 2^61. */
void fft_power_fixed(int32_t *parts, uint64_t *power);

#endif
