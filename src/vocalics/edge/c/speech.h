/* The voicing gate: how much voiced sound a clip holds, while it comes in.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#ifndef SPEECH_H
#define SPEECH_H

#include "sample.h"

/* Begins a clip. */
void speech_start(void);

/* Takes n mono samples at VOCALICS_RATE (Hz); at most VOCALICS_LONGEST_SAMPLES in a clip. */
void speech_feed(const sample *samples, int n);

/* Ends the clip; returns its voiced sound in seconds, 0 where it holds no speech. */
float speech_finish(void);

#endif
