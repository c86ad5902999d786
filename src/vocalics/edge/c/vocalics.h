/* The emotion of a voice: samples in, probabilities out. No memory is allocated; there is one recognizer, not for several
   threads at once.

       vocalics_start();
       while (samples come in)
           vocalics_feed(samples, n);
       vocalics_finish(&result);

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#ifndef VOCALICS_H
#define VOCALICS_H

#include <stdint.h>

#include "settings.h"

typedef struct {
    float probabilities[VOCALICS_N_EMOTIONS]; /* in the order of vocalics_emotions, sum 1; all 0 without speech */
    int emotion;                              /* index of the most probable one; -1: no speech */
    float speech_seconds;                     /* of voiced sound; 0 where features are fed instead of sound */
    float strangeness; /* below 1 for 95 of 100 voices like those that the model knows; 0 where it does not tell */
} vocalics_result;

/* The emotions' names in the order of the probabilities. */
extern const char *const vocalics_emotions[VOCALICS_N_EMOTIONS];

/* Begins a window: a stretch of sound that is judged in one piece. */
void vocalics_start(void);

/* Takes n samples: mono, VOCALICS_RATE Hz, full scale +-1 (any level will do), in pieces of any size. Returns how many it
   took: fewer than n once the window is full, at VOCALICS_LONGEST_SAMPLES.

   Where VOCALICS_IS_FIXED is 1, samples are rounded to 16 bits, and what is beyond +-1 is cut off.

   Where VOCALICS_TAKES_SOUND is 0: takes n features, frame by frame. */
int vocalics_feed(const float *samples, int n);

#if VOCALICS_TAKES_SOUND
/* The same with samples of 16 bits, as converters and microphones give them. */
int vocalics_feed_16(const int16_t *samples, int n);
#endif

/* Ends the window and judges it. Returns 0, or -1 when what was fed is too short (or not whole) to be judged. */
int vocalics_finish(vocalics_result *result);

#endif
