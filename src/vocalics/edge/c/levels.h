/* Levels of mel bands in frames that are centred on whole hops of an excerpt: what MFCC are made of, as in librosa.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#ifndef LEVELS_H
#define LEVELS_H

#include <stdint.h>

#include "settings.h"

#define N_BINS (FFT_SIZE / 2 + 1)

/* Begins a clip. */
void levels_start(void);

/* Takes the samples of a clip, and of these the excerpt: FRONT_END_DURATION samples from FRONT_END_OFFSET on; from the
   start where less than a frame is left behind the offset. */
void levels_feed(const float *samples, int n);

/* Ends the clip; returns the number of frames. With is_padded the excerpt is silent up to its whole length. */
int levels_finish(int is_padded);

/* One frame's levels in decibels re 1, floored at 1e-10 and at 80 dB below the loudest of all; after levels_finish. They
   may lie in the network's memory, from its input on: FRONT_END_BANDS numbers of two bytes for each frame, in order. What
   is written there must not be ahead of what has been read. */
void levels_of(int frame, float *bands);

/* Called for every frame while it is there; all starts anew with frame 0, which can happen twice in a clip.
   power: of N_BINS. bands: of FRONT_END_BANDS. at(i): the frame's samples are at(0) to at(FRONT_END_FRAME - 1). */
void levels_frame(int frame, const float *power, const float *bands);

/* The excerpt's sample at a place of the frame under way; 0 where the excerpt has not begun or has ended. */
float levels_sample(int i);

/* Whether the excerpt has a sample there. */
int levels_has(int i);

#endif
