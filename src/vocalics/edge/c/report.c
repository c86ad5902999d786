/* Copyright the Vocalics authors. Licence: Apache-2.0. */
#include "report.h"

#include <stdio.h>
#include <string.h>

#include "network.h"
#include "vocalics.h"

/* The length of a character of UTF-8 at the start of a text; 0 where there is none. */
static int character(const unsigned char *text)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const int n = text[0] < 0x80 ? 1 : text[0] >> 5 == 6 ? 2 : text[0] >> 4 == 14 ? 3 : text[0] >> 3 == 30 ? 4 : 0;
    uint32_t code = n == 1 ? text[0] : n ? text[0] & (0x7Fu >> n) : 0;
    int i;
    for (i = 1; i < n; i++) {
        if (text[i] >> 6 != 2)
            return 0;
        code = code << 6 | (text[i] & 0x3Fu);
    }
    return n > 1 && (code < least[n] || code > 0x10FFFF || code >> 11 == 0x1B) ? 0 : n;
}

/* A string of JSON; what is no UTF-8 is the character for that. */
static void print_string(const char *value)
{
    const unsigned char *text = (const unsigned char *)value;
    putchar('"');
    while (*text) {
        const int n = character(text);
        if (n == 0)
            fputs("\\ufffd", stdout);
        else if (*text == '"' || *text == '\\')
            printf("\\%c", *text);
        else if (*text < 0x20 || *text == 0x7F)
            printf("\\u%04x", *text);
        else
            fwrite(text, 1, (size_t)n, stdout);
        text += n ? n : 1;
    }
    putchar('"');
}

void report(const char *path, double start, double end, const judgement *judged)
{
    int best = 0, spoken, i;
    for (i = 1; i < VOCALICS_N_EMOTIONS; i++)
        if (judged->probabilities[i] > judged->probabilities[best])
            best = i;
    spoken = judged->probabilities[best] > 0;
    fputs("{\"path\": ", stdout);
    print_string(path);
    printf(", \"start\": %.3f, \"end\": %.3f, \"emotion\": ", start, end);
    if (spoken)
        print_string(vocalics_emotions[best]);
    else
        fputs("null", stdout);
    fputs(", \"label\": ", stdout);
    print_string(spoken ? vocalics_emotions[best] : "no speech");
    printf(", \"confidence\": %.6f, \"probabilities\": {", judged->probabilities[best]);
    for (i = 0; i < VOCALICS_N_EMOTIONS; i++) {
        fputs(i ? ", " : "", stdout);
        print_string(vocalics_emotions[i]);
        printf(": %.6f", judged->probabilities[i]);
    }
    fputs("}, \"model\": ", stdout);
    print_string(VOCALICS_MODEL);
    fputs(", \"candidates\": [], \"strangeness\": ", stdout); /* sets need a coverage, which nobody can ask for here */
    if (NETWORK_TELLS_STRANGENESS && spoken)
        printf("%.3f", judged->strangeness);
    else
        fputs("null", stdout);
    if (VOCALICS_TAKES_SOUND)
        printf(", \"speech_seconds\": %.2f", judged->speech_seconds);
    fputs("}\n", stdout);
    fflush(stdout);
}

/* All digits wherever it runs: "long" has 32 bits on some, and small libraries print none that are longer. */
static void put_number(int64_t number)
{
    char digits[20];
    int at = (int)sizeof digits;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    if (number < 0)
        fputc('-', stderr);
    do
        digits[--at] = (char)('0' + rest % 10);
    while (rest /= 10);
    fwrite(digits + at, 1, sizeof digits - (size_t)at, stderr);
}

void complain(const char *path, const char *fault, int64_t number)
{
    const char *hash = strchr(fault, '#');
    const int n = hash ? (int)(hash - fault) : (int)strlen(fault);
    fflush(stdout);
    fprintf(stderr, "emotion: %s%s%.*s", path, *path ? ": " : "", n, fault);
    if (hash) {
        put_number(number);
        fputs(hash + 1, stderr);
    }
    fputc('\n', stderr);
}
