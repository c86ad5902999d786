/* Start-up of a 32-bit RISC-V in machine mode: stack, floating point, memory; its clock is mcycle.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#include <stdint.h>

#include "board.h"
#include "semihosting.h"

void start(void);
void fault(void);

/* The first instruction of the image; C needs a stack first. */
__asm(".section .vectors, \"ax\"\n"
      ".globl reset\n"
      ".option push\n"
      ".option norelax\n"
      "reset:\n"
      "    la sp, stack_top\n"
      "    la t0, trap\n"
      "    csrw mtvec, t0\n"
      "    li t0, 0x6000\n" /* floating point on */
      "    csrs mstatus, t0\n"
      "    call start\n"
      "    .balign 4\n"
      "trap:\n"
      "    la sp, stack_top\n"
      "    call fault\n"
      ".option pop\n"
      ".text\n");

void start(void)
{
    stack_paint();
    memory_start();
    board_exit(main());
}

void fault(void)
{
    static const char said[] = "{\"error\": \"fault\"}\n";
    board_write(said, (int)sizeof said - 1);
    board_exit(3);
}

static uint64_t clock_at_start;

static uint64_t cycles(void)
{
    uint32_t high, low, again;
    do {
        __asm volatile("csrr %0, mcycleh" : "=r"(high));
        __asm volatile("csrr %0, mcycle" : "=r"(low));
        __asm volatile("csrr %0, mcycleh" : "=r"(again));
    } while (high != again);
    return (uint64_t)high << 32 | low;
}

void board_clock_start(void)
{
    clock_at_start = cycles();
}

uint64_t board_clock(void)
{
    return cycles() - clock_at_start;
}

/* The three instructions that a debugger knows; they must lie in 16 bytes of their own. */
uintptr_t semihosting_call(uintptr_t operation, const void *arguments)
{
    register uintptr_t a0 __asm("a0") = operation;
    register const void *a1 __asm("a1") = arguments;
    __asm volatile(".option push\n"
                   ".option norvc\n"
                   ".balign 16\n"
                   "slli x0, x0, 0x1f\n"
                   "ebreak\n"
                   "srai x0, x0, 7\n"
                   ".option pop\n"
                   : "+r"(a0)
                   : "r"(a1)
                   : "memory");
    return a0;
}
