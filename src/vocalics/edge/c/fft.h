/* The Fourier transform of real samples.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#ifndef FFT_H
#define FFT_H

#include "settings.h"

/* Computes the power of the FFT_SIZE / 2 + 1 bins of FFT_SIZE real samples.

   parts: 2 * FFT_SIZE numbers, overwritten. The even samples are expected in the first half of the first FFT_SIZE
   numbers, the odd ones in their second half. power: FFT_SIZE / 2 + 1 numbers. */
void fft_power(float *parts, float *power);

#endif
