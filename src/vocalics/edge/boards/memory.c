/* The functions that compilers call by themselves; a bare board has no C library.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#include <stdint.h>

#include <string.h>

#if defined(__GNUC__) && !defined(__clang__)
/* Else gcc finds that these loops are memcpy, memset and strlen, and calls them. */
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    unsigned char *a = to;
    const unsigned char *b = from;
    if ((((uintptr_t)a | (uintptr_t)b) & 3u) == 0) {
        uint32_t *words = to;
        const uint32_t *given = from;
        for (; n >= 4; n -= 4)
            *words++ = *given++;
        a = (unsigned char *)words;
        b = (const unsigned char *)given;
    }
    while (n-- > 0)
        *a++ = *b++;
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    unsigned char *a = to;
    const unsigned char *b = from;
    if ((uintptr_t)a <= (uintptr_t)b || (uintptr_t)a >= (uintptr_t)b + n)
        return memcpy(to, from, n);
    while (n-- > 0)
        a[n] = b[n];
    return to;
}

void *memset(void *to, int value, size_t n)
{
    unsigned char *a = to;
    const uint32_t four = (uint32_t)(unsigned char)value * 0x01010101u;
    if (((uintptr_t)a & 3u) == 0) {
        uint32_t *words = to;
        for (; n >= 4; n -= 4)
            *words++ = four;
        a = (unsigned char *)words;
    }
    while (n-- > 0)
        *a++ = (unsigned char)value;
    return to;
}

int memcmp(const void *one, const void *other, size_t n)
{
    const unsigned char *a = one, *b = other;
    for (; n > 0; n--, a++, b++)
        if (*a != *b)
            return *a < *b ? -1 : 1;
    return 0;
}

size_t strlen(const char *text)
{
    const char *end = text;
    while (*end != '\0')
        end++;
    return (size_t)(end - text);
}
