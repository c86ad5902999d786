/* Semihosting, what Cortex-M and RISC-V have in common of it; each brings its own semihosting_call.

   Source: "Semihosting for AArch32 and AArch64", Arm, 2021; "RISC-V Semihosting", 2020.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#ifndef SEMIHOSTING_H
#define SEMIHOSTING_H

#include <stdint.h>

#define SYS_OPEN 0x01
#define SYS_CLOSE 0x02
#define SYS_WRITE 0x05
#define SYS_READ 0x06
#define SYS_GET_CMDLINE 0x15
#define SYS_EXIT_EXTENDED 0x20

/* Asks the host for an operation; its arguments lie where the second parameter points. */
uintptr_t semihosting_call(uintptr_t operation, const void *arguments);

/* Where the stack lies, from its end up; the linker script says so. */
extern uint32_t stack_limit[];
extern uint32_t stack_top[];

/* Fills the part of the stack that is not in use yet, so that its depth can be told later. */
void stack_paint(void);

/* Copies initial values of variables from flash, and clears the others. */
void memory_start(void);

#endif
