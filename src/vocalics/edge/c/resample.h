/* Samples at another rate: a windowed sinc, one sample in at a time and as many out as they allow.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#ifndef RESAMPLE_H
#define RESAMPLE_H

#include <stdint.h>

typedef struct {
    int32_t up, down;  /* rates out : in, in lowest terms */
    int n_rows;        /* positions between two samples for which there are taps; fewer than `up`: interpolated */
    int n_taps;        /* even: half of them before a position, half of them after it */
    const float *rows; /* n_rows * n_taps numbers, one row more where n_rows is below `up` */
    float *held;       /* the samples that are still needed; room for `size` */
    int size, n_held;  /* at least n_taps */
    int first;         /* the next sample out needs held[first] to held[first + n_taps - 1] */
    int32_t position;  /* of the next sample out between two samples in, of `up` */
    int64_t n_in, n_out;
} resampler;

/* Begins anew; up to n_rows in the structure are set by the caller, `rows` and `held` live as long as it. */
void resample_start(resampler *r);

/* Takes up to n samples; returns how many, fewer than n when some have to be given first. */
int resample_take(resampler *r, const float *samples, int n);

/* Gives up to n samples at the other rate; returns how many, fewer than n when more have to be taken first. */
int resample_give(resampler *r, float *samples, int n);

/* After the last sample in: gives up to n of what is left; 0 when all is given. Altogether as many samples come out as
   the length in seconds holds, to the nearest. */
int resample_rest(resampler *r, float *samples, int n);

/* The sum of n products, in an order that is the same for every compiler. */
float resample_product(const float *a, const float *b, int n);

/* Designs the taps for a pair of rates (Hz): the pass band ends at 0.9135 of half the lower rate, what is above half of
   it is 129 dB down: the shape of soxr's high quality. rows has room for n_numbers. Returns 0, or -1 where it is too small. */
int resample_design(resampler *r, int32_t rate_in, int32_t rate_out, float *rows, int n_numbers);

#endif
