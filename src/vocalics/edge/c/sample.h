/* What a sample of sound is: a float of full scale +-1, or a whole number of 16 bits where the front end computes in
   fixed point.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#ifndef SAMPLE_H
#define SAMPLE_H

#include <stdint.h>

#include "settings.h"

#if VOCALICS_IS_FIXED
typedef int16_t sample;
#else
typedef float sample;
#endif

#endif
