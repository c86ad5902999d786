/* From samples to the frames that the network takes; one of log_mel.c, mfcc.c and vector.c.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#ifndef FRONT_END_H
#define FRONT_END_H

#include "sample.h"

/* Begins a clip. From here to the run of the network, network_input() holds the clip's frames. */
void front_end_start(void);

/* Takes mono samples at FRONT_END_RATE (Hz). Holds no more of them than a frame. Returns how many it took: fewer than n
   once the clip has VOCALICS_LONGEST_SAMPLES. */
int front_end_feed(const sample *samples, int n);

/* Ends the clip and leaves its frames in network_input(); returns their number, 0 when there are none. */
int front_end_finish(void);

#endif
