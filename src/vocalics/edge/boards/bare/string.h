/* What the library needs of <string.h>, for boards without a C library; see memory.c.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#ifndef STRING_H
#define STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);
int memcmp(const void *one, const void *other, size_t n);
size_t strlen(const char *text);

#endif
