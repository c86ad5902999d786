/* Output, files and exit by semihosting, memory at the start, and the depth of the stack.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#include "semihosting.h"

#include <string.h>

#include "board.h"

#define PAINT 0xa5c35a3cu

extern const uint32_t data_source[];
extern uint32_t data_start[], data_end[], bss_start[], bss_end[];

static int output = -1;

static int open_as(const char *path, int mode)
{
    const uintptr_t arguments[3] = {(uintptr_t)path, (uintptr_t)mode, (uintptr_t)strlen(path)};
    return (int)semihosting_call(SYS_OPEN, arguments);
}

void board_write(const char *text, int n)
{
    if (output < 0)
        output = open_as(":tt", 4); /* the console, to write */
    {
        const uintptr_t arguments[3] = {(uintptr_t)output, (uintptr_t)text, (uintptr_t)n};
        semihosting_call(SYS_WRITE, arguments);
    }
}

int board_command(char *line, int size)
{
    uintptr_t arguments[2];
    arguments[0] = (uintptr_t)line;
    arguments[1] = (uintptr_t)size;
    line[0] = '\0';
    if ((int)semihosting_call(SYS_GET_CMDLINE, arguments) != 0)
        line[0] = '\0';
    line[size - 1] = '\0';
    return (int)strlen(line);
}

int board_open(const char *path)
{
    return open_as(path, 1); /* "rb" */
}

int board_read(int file, void *bytes, int n)
{
    const uintptr_t arguments[3] = {(uintptr_t)file, (uintptr_t)bytes, (uintptr_t)n};
    return n - (int)semihosting_call(SYS_READ, arguments); /* it tells how many are missing */
}

void board_close(int file)
{
    const uintptr_t arguments[1] = {(uintptr_t)file};
    semihosting_call(SYS_CLOSE, arguments);
}

void board_exit(int code)
{
    const uintptr_t arguments[2] = {0x20026, (uintptr_t)code}; /* the application has ended */
    semihosting_call(SYS_EXIT_EXTENDED, arguments);
    for (;;) {
    }
}

void stack_paint(void)
{
    const uint32_t here = PAINT;
    const uintptr_t end = (uintptr_t)&here - 64;
    volatile uint32_t *p = stack_limit; /* volatile: a call of memset would paint over its own frame */
    while ((uintptr_t)p < end)
        *p++ = here;
}

uint32_t board_stack_used(void)
{
    const volatile uint32_t *p = stack_limit;
    while (p < stack_top && *p == PAINT)
        p++;
    return (uint32_t)((const volatile char *)stack_top - (const volatile char *)p);
}

uint32_t board_stack_bytes(void)
{
    return (uint32_t)((const char *)stack_top - (const char *)stack_limit);
}

void memory_start(void)
{
    const uint32_t *from = data_source;
    volatile uint32_t *to;
    for (to = data_start; to < data_end; to++)
        *to = *from++;
    for (to = bss_start; to < bss_end; to++)
        *to = 0;
}
