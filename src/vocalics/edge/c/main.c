/* The desktop program: wav files, or a stream of raw samples, to emotions as JSON.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "resample.h"
#include "vocalics.h"
#include "wav.h"

#ifdef _WIN32
#include <fcntl.h>
#include <io.h>
#endif

#define PIECE 1024         /* samples that are read at a time */
#define MOST_TAPS 32768    /* of the resampler: from 384 kHz down to 4 kHz */
#define MOST_NUMBERS 131072 /* of its table */

static const char help[] =
    "Usage: emotion [OPTIONS] FILE...\n"
    "\n"
    "Print the emotion of voices in wav files, one JSON object per line. A file that\n"
    "cannot be judged is one line on standard error; the exit code is then 1.\n"
    "\n"
    "  FILE            a wav file, or - for standard input\n"
    "  --timeline      a line for every window of a recording\n"
    "  --hop SECONDS   from one window to the next\n"
    "  --rate HZ       the files are raw samples at this rate, of 16 bits, little\n"
    "                  endian; a line for every window, as soon as it is complete\n"
    "  --f32           raw samples are floats of 32 bits\n"
    "  --channels N    of raw samples; they are averaged\n"
    "  --version       the model and its hash\n"
    "  --help          this message\n";

static struct {
    int timeline, is_float, channels;
    int32_t rate; /* Hz, of raw samples; 0: wav files */
    int32_t hop;  /* samples */
} options;

/* ---- Windows: the same as vocalics.windows.Windows ---- */

static float held[VOCALICS_LONGEST_SAMPLES + 2 * PIECE];
static int32_t n_held;
static int64_t start; /* of held[0] in the recording, in samples */
static judgement whole; /* sums, each weighted by its window's voiced seconds */
static int64_t n_judged; /* samples: the end of the last window */

/* Judges the first n samples held. */
static int judge(const char *path, int32_t n)
{
    vocalics_result result;
    judgement one;
    int i;
    vocalics_start();
    vocalics_feed(held, (int)n);
    if (vocalics_finish(&result) != 0) {
        complain(path, "is too short to be judged", 0);
        return -1;
    }
    n_judged = start + n;
    one.speech_seconds = result.speech_seconds;
    one.strangeness = result.strangeness;
    whole.speech_seconds += one.speech_seconds;
    whole.strangeness += one.speech_seconds * one.strangeness;
    for (i = 0; i < VOCALICS_N_EMOTIONS; i++) {
        one.probabilities[i] = result.probabilities[i];
        whole.probabilities[i] += one.speech_seconds * one.probabilities[i];
    }
    if (options.timeline)
        report(path, (double)start / VOCALICS_RATE, (double)n_judged / VOCALICS_RATE, &one);
    return 0;
}

static int32_t hop(void)
{
    return options.timeline ? options.hop : VOCALICS_WINDOW_SAMPLES;
}

/* Judges the windows that are complete. */
static int cut(const char *path)
{
    const int32_t half = hop() + (VOCALICS_WINDOW_SAMPLES + 1) / 2;
    const int32_t needed = VOCALICS_WINDOW_SAMPLES > half ? VOCALICS_WINDOW_SAMPLES : half;
    if (!options.timeline && start == 0 && n_held <= VOCALICS_WHOLE_SAMPLES)
        return 0;
    while (n_held >= needed) {
        if (judge(path, VOCALICS_WINDOW_SAMPLES))
            return -1;
        start += hop();
        n_held -= hop();
        memmove(held, held + hop(), (size_t)n_held * sizeof(float));
    }
    return 0;
}

/* Judges what is left, unless earlier windows hold all of it, and reports the whole. */
static int end(const char *path)
{
    int i;
    if ((start == 0 || n_held > VOCALICS_WINDOW_SAMPLES - hop()) && judge(path, n_held))
        return -1;
    if (options.timeline)
        return 0;
    if (whole.speech_seconds > 0) {
        whole.strangeness /= whole.speech_seconds;
        for (i = 0; i < VOCALICS_N_EMOTIONS; i++)
            whole.probabilities[i] /= whole.speech_seconds;
    }
    report(path, 0, (double)n_judged / VOCALICS_RATE, &whole);
    return 0;
}

/* ---- Rates ---- */

static resampler to_model;
static int32_t rate_in; /* of which the resampler is; 0: of none yet */

static int start_recording(const char *path, int32_t rate)
{
    static float rows[MOST_NUMBERS], samples[MOST_TAPS + PIECE];
    n_held = 0;
    start = n_judged = 0;
    memset(&whole, 0, sizeof whole);
    if (rate != rate_in && rate != VOCALICS_RATE) {
        to_model.held = samples;
        to_model.size = (int)(sizeof samples / sizeof samples[0]);
        if (resample_design(&to_model, rate, VOCALICS_RATE, rows, MOST_NUMBERS) || to_model.n_taps > MOST_TAPS) {
            complain(path, "has a sample rate of # Hz, too far from the model's", rate);
            return -1;
        }
    }
    rate_in = rate;
    if (rate != VOCALICS_RATE)
        resample_start(&to_model);
    return 0;
}

/* Samples of the recording at its own rate; after the last ones, none. */
static int feed(const char *path, const float *samples, int n)
{
    const int is_last = n == 0;
    int got;
    if (rate_in == VOCALICS_RATE) {
        memcpy(held + n_held, samples, (size_t)n * sizeof(float));
        n_held += n;
        return cut(path);
    }
    do {
        const int taken = resample_take(&to_model, samples, n);
        samples += taken;
        n -= taken;
        while ((got = is_last ? resample_rest(&to_model, held + n_held, PIECE)
                              : resample_give(&to_model, held + n_held, PIECE)) > 0) {
            n_held += got;
            if (cut(path))
                return -1;
        }
    } while (n > 0);
    return 0;
}

/* ---- Sources ---- */

static int read_bytes(void *file, unsigned char *bytes, int n)
{
    const int got = (int)fread(bytes, 1, (size_t)n, (FILE *)file);
    return got == 0 && ferror((FILE *)file) ? -1 : got;
}

/* What the system says of a file that cannot be opened or read. */
static const char *reason(void)
{
#ifdef EISDIR
    if (errno == EISDIR)
        return "is a folder; expected a wav file";
#endif
#ifdef ENOENT
    if (errno == ENOENT)
        return "no such file; check the path";
#endif
#ifdef EACCES
    if (errno == EACCES)
        return "no permission to read it, or a folder; expected a wav file";
#endif
    return "cannot be read";
}

static int judge_wav(const char *path, FILE *file)
{
    static float samples[PIECE];
    wav w;
    int n;
    errno = 0;
    if (wav_open(&w, read_bytes, file)) {
        complain(path, ferror(file) ? reason() : w.fault, w.number);
        return -1;
    }
    if (start_recording(path, w.rate))
        return -1;
    while ((n = wav_read(&w, samples, PIECE)) > 0)
        if (feed(path, samples, n))
            return -1;
    if (n < 0 || w.n_read == 0) {
        complain(path, n < 0 ? w.fault : "holds no samples; expected sound", w.number);
        return -1;
    }
    return feed(path, samples, 0) ? -1 : end(path);
}

/* Raw samples: wav without a header. */
static int judge_raw(const char *path, FILE *file)
{
    static float samples[PIECE];
    const int piece = options.rate / 50 < PIECE ? (int)(options.rate / 50) : PIECE; /* 20 ms: lines come in time */
    wav w;
    int n;
    errno = 0;
    wav_raw(&w, read_bytes, file, options.rate, options.channels, options.is_float);
    if (start_recording(path, w.rate))
        return -1;
    while ((n = wav_read(&w, samples, piece)) > 0)
        if (feed(path, samples, n))
            return -1;
    if (n < 0 || w.n_read == 0) {
        complain(path, ferror(file) ? reason() : n < 0 ? w.fault : "is empty; expected raw samples", w.number);
        return -1;
    }
    return feed(path, samples, 0) ? -1 : end(path);
}

static int judge_file(const char *path)
{
    const int is_input = strcmp(path, "-") == 0;
    FILE *file;
    int failed;
    errno = 0;
    file = is_input ? stdin : fopen(path, "rb");
    if (!file) {
        complain(path, reason(), 0);
        return -1;
    }
#ifdef _WIN32
    if (is_input)
        _setmode(_fileno(stdin), _O_BINARY);
#endif
    failed = options.rate ? judge_raw(path, file) : judge_wav(path, file);
    if (!is_input)
        fclose(file);
    return failed;
}

/* ---- Options ---- */

static int wrong_use(const char *what, const char *option)
{
    fprintf(stderr, "emotion: %s%s; emotion --help tells the options\n", option, what);
    return 2;
}

/* The number that an option's value is; 0 where it is none or out of range. */
static double number(const char *text, double least, double most)
{
    char *after;
    const double value = strtod(text, &after);
    return *text && !*after && value >= least && value <= most ? value : 0;
}

/* Reads one option and its value; returns how many arguments it takes, 0 where it is wrong. */
static int read_option(const char *option, const char *value)
{
    if (!strcmp(option, "--timeline"))
        return options.timeline = 1;
    if (!strcmp(option, "--f32"))
        return options.is_float = 1;
    if (!strcmp(option, "--hop")) {
        options.hop = (int32_t)(number(value, 0.01, (double)VOCALICS_WINDOW_SAMPLES / VOCALICS_RATE) * VOCALICS_RATE + 0.5);
        return options.hop > 0 ? 2 : 0;
    }
    if (!strcmp(option, "--rate")) {
        options.rate = (int32_t)number(value, WAV_LOWEST_RATE, WAV_HIGHEST_RATE);
        return options.rate > 0 ? 2 : 0;
    }
    if (!strcmp(option, "--channels")) {
        options.channels = (int)number(value, 1, WAV_MOST_CHANNELS);
        return options.channels > 0 ? 2 : 0;
    }
    return 0;
}

int main(int argc, char **argv)
{
    int i = 1, failed = 0;
    options.hop = VOCALICS_HOP_SAMPLES;
    options.channels = 1;
    while (i < argc && argv[i][0] == '-' && argv[i][1]) {
        int used;
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            fputs(help, stdout);
            return 0;
        }
        if (!strcmp(argv[i], "--version")) {
            printf("%s %s\n", VOCALICS_MODEL, VOCALICS_SHA256);
            return 0;
        }
        if (!strcmp(argv[i], "--")) {
            i++;
            break;
        }
        used = read_option(argv[i], i + 1 < argc ? argv[i + 1] : "");
        if (!used)
            return wrong_use(" is no option, or its value is none", argv[i]);
        i += used;
    }
    if (i == argc)
        return wrong_use("no file was given", "");
    if (!options.rate && (options.is_float || options.channels > 1))
        return wrong_use("--f32 and --channels are for raw samples; --rate HZ is missing", "");
    options.timeline |= options.rate > 0;
    for (; i < argc; i++)
        failed |= judge_file(argv[i]) != 0;
    if (fflush(stdout) || ferror(stdout)) {
        fputs("emotion: what was found cannot be written to standard output\n", stderr);
        return 1;
    }
    return failed;
}
