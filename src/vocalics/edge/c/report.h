/* What the desktop program prints: results as JSON, faults as sentences.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#ifndef REPORT_H
#define REPORT_H

#include <stdint.h>

#include "settings.h"

typedef struct {
    double probabilities[VOCALICS_N_EMOTIONS]; /* all 0 without speech */
    double strangeness, speech_seconds;
} judgement;

/* Prints one line on standard output: a JSON object with the keys of `vocalics predict --format json`, and speech_seconds.
   start, end: seconds. */
void report(const char *path, double start, double end, const judgement *judged);

/* Prints one line on standard error: the program, the path, what is wrong; a # in it stands for the number. */
void complain(const char *path, const char *fault, int64_t number);

#endif
