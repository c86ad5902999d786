/* The power of mel bands of a frame, and at the end its logarithm: in floats (mel.c), or in fixed point (mel_fixed.c).

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#ifndef MEL_H
#define MEL_H

#include "sample.h"

#if VOCALICS_IS_FIXED
typedef uint32_t band_power; /* 25 bits and an exponent, see mel_fixed.c */
typedef uint64_t block_power;
typedef uint16_t sample_level;
#else
typedef float band_power;
typedef float block_power;
typedef float sample_level;
#endif

/* Adds the squares of n samples to a sum, and raises a peak to the largest of their magnitudes. */
void mel_measure(const sample *samples, int n, block_power *power, sample_level *peak);

/* Whether a block is loud beside the loudest one, by TRIM_RATIO; every block is where nothing is to be cut. */
int mel_is_loud(block_power power, block_power loudest);

/* Computes the FRONT_END_BANDS numbers of FRONT_END_FRAME samples. */
void mel_frame(const sample *frame, band_power *bands);

/* Replaces n powers by floats: their natural logarithms, as if the peak of the clip were 1. */
void mel_finish(band_power *bands, int32_t n, sample_level peak);

#endif
