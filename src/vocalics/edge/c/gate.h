/* Sizes and thresholds of the voicing gate, in floats (speech.c) and in fixed point (speech_fixed.c).

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#ifndef GATE_H
#define GATE_H

#include "settings.h"

#define RATE 4000
#define FRAME 160 /* samples at RATE: 40 ms */
#define HOP 80
#define FIRST_LAG (RATE / 500)
#define LAST_LAG (RATE / 60)
#define PERIODIC 0.55f     /* of 1: least correlation of a voiced frame with itself, one period later */
#define RUN 3              /* frames: shorter runs of voiced frames are chance */
#define STEADY_DB 0.5f     /* a voice's level wavers more than this (standard deviation); a tone's does not */
#define RANGE 1e-4f        /* of the strongest voiced frame's power: less is an echo or a hum */
#define SILENT_PEAK 2e-5f  /* less than one step of 16 bits */
#define LEAST_VOICED 5     /* frames: 0.1 s */
#define RINGING 1.5f       /* where the filter adds power, it rings ahead of a sudden sound */
#define DROWNED 1e-6f      /* of a frame's power: what the filter leaves of rumble may be all there is */
#define N_FRAMES ((int32_t)(((int64_t)VOCALICS_LONGEST_SAMPLES * GATE_UP / GATE_DOWN) / HOP) + 1)
#define N_LAGS (LAST_LAG - FIRST_LAG + 3) /* and one on either side, to tell a peak */

/* Rumble is found at every RUMBLE_STEP-th sample, and what is between is made of RUMBLE_TAPS of these. */
#define N_NEW (HOP / RUMBLE_STEP)
#define N_RUMBLE (N_NEW + RUMBLE_TAPS - 1)
#define BEHIND (RUMBLE_HALF + (RUMBLE_TAPS / 2 - 1) * RUMBLE_STEP)
#define AHEAD (RUMBLE_HALF + (RUMBLE_TAPS / 2 - 1) * RUMBLE_STEP + 1)
#define ROOM (BEHIND + HOP + AHEAD)

#endif
