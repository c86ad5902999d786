/* The program of a bare board: judges a window of sound and prints the result as JSON, with what it cost.

   The sound is compiled in (sound.c); where the host gives a command line, it names files instead: raw little-endian
   float32 at VOCALICS_RATE, one window each, or features where the model takes them.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#include <stdint.h>
#include <string.h>

#include "board.h"
#include "sound.h"
#include "vocalics.h"

#define BLOCK 256

static char line[1024];
static int n_line;

static void print(const char *text)
{
    while (*text != '\0' && n_line < (int)sizeof line)
        line[n_line++] = *text++;
}

static void print_number(uint64_t value)
{
    char digits[20];
    int n = 0;
    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (n > 0 && n_line < (int)sizeof line)
        line[n_line++] = digits[--n];
}

/* Six decimals; 0 to 4,000. */
static void print_fraction(float value)
{
    uint32_t whole, parts;
    if (!(value > 0.0f))
        value = 0.0f;
    if (value > 4000.0f)
        value = 4000.0f;
    whole = (uint32_t)value;
    parts = (uint32_t)((value - (float)whole) * 1000000.0f + 0.5f);
    if (parts == 1000000) {
        whole++;
        parts = 0;
    }
    print_number(whole);
    print(".");
    for (whole = 100000; whole > 0; whole /= 10)
        print_number(parts / whole % 10);
}

static void print_result(const vocalics_result *result, int n_fed, uint64_t feeding, uint64_t judging)
{
    int i;
    n_line = 0;
    print("{\"emotion\": ");
    if (result->emotion < 0) {
        print("null, \"label\": \"no speech");
    } else {
        print("\"");
        print(vocalics_emotions[result->emotion]);
        print("\", \"label\": \"");
        print(vocalics_emotions[result->emotion]);
    }
    print("\", \"probabilities\": {");
    for (i = 0; i < VOCALICS_N_EMOTIONS; i++) {
        print(i > 0 ? ", \"" : "\"");
        print(vocalics_emotions[i]);
        print("\": ");
        print_fraction(result->probabilities[i]);
    }
    print("}, \"speech_seconds\": ");
    print_fraction(result->speech_seconds);
    print(", \"strangeness\": ");
    print_fraction(result->strangeness);
    print(", \"fed\": ");
    print_number((uint64_t)n_fed);
    print(", \"ticks_feeding\": ");
    print_number(feeding);
    print(", \"ticks_judging\": ");
    print_number(judging);
    print(", \"stack_used\": ");
    print_number(board_stack_used());
    print(", \"stack_bytes\": ");
    print_number(board_stack_bytes());
    print("}\n");
    board_write(line, n_line);
}

/* The next n values: of the sound that was compiled in, or of a file. */
static int next(float *block, int n, int file, int from)
{
    int i;
    if (file >= 0)
        return board_read(file, block, n * (int)sizeof(float)) / (int)sizeof(float);
    n = n < sound_n - from ? n : sound_n - from;
    for (i = 0; i < n; i++)
        block[i] = SOUND_VALUE(sound[from + i]);
    return n;
}

static int judge(int file)
{
    static float block[BLOCK];
    vocalics_result result;
    uint64_t feeding = 0, before;
    int n_fed = 0, n, n_taken;
    vocalics_start();
    do {
        n = next(block, BLOCK, file, n_fed);
        before = board_clock(); /* to read costs a host's file, not the library */
        n_taken = vocalics_feed(block, n);
        feeding += board_clock() - before;
        n_fed += n_taken;
    } while (n > 0 && n_taken == n);
    before = board_clock();
    if (vocalics_finish(&result) != 0) {
        static const char said[] = "{\"error\": \"the sound is too short, or no whole frames of features\"}\n";
        board_write(said, (int)sizeof said - 1);
        return 1;
    }
    print_result(&result, n_fed, feeding, board_clock() - before);
    return 0;
}

int main(void)
{
    static char command[1024];
    char *name = command, *end;
    int failed = 0, n_files = 0, file;
    board_clock_start();
    board_command(command, (int)sizeof command);
    while (*name != '\0' && *name != ' ') /* the program's own name */
        name++;
    while (*name != '\0') {
        for (end = name; *end != '\0' && *end != ' '; end++) {
        }
        if (*end == ' ')
            *end++ = '\0';
        if (*name != '\0') {
            n_files++;
            file = board_open(name);
            if (file < 0) {
                static const char said[] = "{\"error\": \"a file that cannot be opened\"}\n";
                board_write(said, (int)sizeof said - 1);
                failed = 1;
            } else {
                failed |= judge(file);
                board_close(file);
            }
        }
        name = end;
    }
    return n_files > 0 ? failed : judge(-1);
}
