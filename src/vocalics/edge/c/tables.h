/* The constant numbers of the front end and the voicing gate; tables.c is generated from the model's card.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#ifndef TABLES_H
#define TABLES_H

#include <stdint.h>

#include "settings.h"

/* In fixed point: a number times 2^30, to the nearest. */
#if VOCALICS_IS_FIXED
typedef int32_t table_number;
#else
typedef float table_number;
#endif

/* The cosines of FFT_SIZE steps of a turn. */
extern const table_number fft_cosines[];

/* The window of a frame, and its bands: each one's first bin, number of bins and their weights, one after the other. */
extern const table_number front_end_window[];
extern const short front_end_first[];
extern const short front_end_count[];
extern const table_number front_end_weights[];

/* FRONT_END_COEFFICIENTS rows of FRONT_END_BANDS; 12 rows of bins. Only where a front end needs them. */
extern const float front_end_cepstrum[];
extern const float front_end_pitch_classes[];

/* The gate's resampler (see resample.h); the 2 * RUMBLE_HALF + 1 taps of the filter that finds rumble; what makes the
   RUMBLE_STEP - 1 samples of rumble between two that were found, RUMBLE_TAPS for each. */
extern const table_number gate_rows[];
extern const table_number gate_rumble[];
extern const table_number gate_between[];

/* Logarithms to base 2 of 1 to 2, in 64 steps. Only in fixed point. */
extern const int32_t fixed_logarithms[65];

#endif
