/* Wav files, read as a stream: PCM of 8 to 32 bits, float of 32 and 64 bits, A-law and mu-law; RIFF and RF64.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#ifndef WAV_H
#define WAV_H

#include <stdint.h>

#define WAV_LOWEST_RATE 4000 /* Hz */
#define WAV_HIGHEST_RATE 384000
#define WAV_MOST_CHANNELS 64

/* Puts up to n bytes of a source into `bytes`; returns how many, fewer than n only at its end, or -1 for an error. */
typedef int (*wav_source)(void *source, unsigned char *bytes, int n);

typedef struct {
    /* What is known once wav_open has returned 0. */
    int32_t rate; /* Hz */
    int n_channels;
    /* What is wrong, after -1: words that go on a sentence ("is truncated"); a # in them stands for `number`. */
    const char *fault;
    int64_t number;
    /* The reader's own. */
    wav_source read;
    void *source;
    int coding, width; /* width: bytes of a sample */
    int64_t left;      /* bytes of the data chunk still to come, promised or not */
    int promised;      /* whether the file has to hold them all */
    int64_t n_read;    /* samples, of all channels together one */
} wav;

/* Reads up to the first sample. Returns 0, or -1 with w->fault. */
int wav_open(wav *w, wav_source read, void *source);

/* Begins with samples that have no header: 16 bits, or float of 32, little endian. */
void wav_raw(wav *w, wav_source read, void *source, int32_t rate, int n_channels, int is_float);

/* Puts up to n samples into `mono`, the mean of all channels, full scale +-1. Returns how many, 0 at the end, or -1 with
   w->fault, also when the file ends before its header says so or a sample is not a finite number. */
int wav_read(wav *w, float *mono, int n);

#endif
