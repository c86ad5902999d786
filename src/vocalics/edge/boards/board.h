/* What a program on a bare board needs of it: output, files of the host, a clock, the depth of the stack.

   Output, files and exit are semihosting: a debugger or qemu answers. On a board of your own, put a UART behind
   board_write and leave the rest out.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

/* Writes n bytes to the host's standard output. */
void board_write(const char *text, int n);

/* Copies the command line that the host gives, at most size - 1 bytes and a zero; returns its length. Its first word is the
   program's own name. */
int board_command(char *line, int size);

/* Opens a file of the host to read; -1 where there is none. Reads up to n bytes of it; returns how many. Closes it. */
int board_open(const char *path);
int board_read(int file, void *bytes, int n);
void board_close(int file);

/* Ends the program with an exit code. */
void board_exit(int code);

/* Starts the clock; tells how many of its ticks have passed since. A tick is a cycle of the processor; qemu has no cycles, its
   ticks stand for instructions. */
void board_clock_start(void);
uint64_t board_clock(void);

/* How many bytes of the stack have been used since the start, at most; how many it has. */
uint32_t board_stack_used(void);
uint32_t board_stack_bytes(void);

/* The program, which start-up code calls: returns an exit code. */
int main(void);

#endif
