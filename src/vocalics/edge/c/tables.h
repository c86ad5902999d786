/* The constant numbers of the front end and the voicing gate; tables.c is generated from the model's card.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#ifndef TABLES_H
#define TABLES_H

#include "settings.h"

/* The cosines of FFT_SIZE steps of a turn. */
extern const float fft_cosines[];

/* The window of a frame, and its bands: each one's first bin, number of bins and their weights, one after the other. */
extern const float front_end_window[];
extern const short front_end_first[];
extern const short front_end_count[];
extern const float front_end_weights[];

/* FRONT_END_COEFFICIENTS rows of FRONT_END_BANDS; 12 rows of bins. Only where a front end needs them. */
extern const float front_end_cepstrum[];
extern const float front_end_pitch_classes[];

/* The gate's resampler (see resample.h); the 2 * RUMBLE_HALF + 1 taps of the filter that finds rumble; what makes the
   RUMBLE_STEP - 1 samples of rumble between two that were found, RUMBLE_TAPS for each. */
extern const float gate_rows[];
extern const float gate_rumble[];
extern const float gate_between[];

#endif
