/* Start-up of a Cortex-M: vectors, floating point, memory; its clock is SysTick, which every Cortex-M4, M7 and M33 has.

   Copyright the Vocalics authors. Licence: Apache-2.0. */
#include <stdint.h>

#include "board.h"
#include "semihosting.h"

#define SYSTICK_CONTROL (*(volatile uint32_t *)0xe000e010u)
#define SYSTICK_RELOAD (*(volatile uint32_t *)0xe000e014u)
#define SYSTICK_VALUE (*(volatile uint32_t *)0xe000e018u)
#define COPROCESSORS (*(volatile uint32_t *)0xe000ed88u)
#define SYSTICK_TICKS 0x1000000u

static volatile uint32_t n_turns;

static void start(void)
{
    stack_paint();
    memory_start();
    board_exit(main());
}

void reset(void);
void reset(void)
{
    COPROCESSORS |= 0xfu << 20; /* full access to the floating-point unit */
    __asm volatile("dsb\n isb" ::: "memory");
    start();
}

static void fault(void)
{
    static const char said[] = "{\"error\": \"fault\"}\n";
    board_write(said, (int)sizeof said - 1);
    board_exit(3);
}

static void turn(void)
{
    n_turns++;
}

extern uint32_t stack_top[];

typedef void (*handler)(void);

/* The stack's top is no function, but the table is words to the processor. */
typedef union {
    uint32_t *stack;
    handler function;
} vector;

__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    {.stack = stack_top},  {.function = reset}, {.function = fault}, {.function = fault},
    {.function = fault},   {.function = fault}, {.function = fault}, {.function = fault},
    {.function = fault},   {.function = fault}, {.function = fault}, {.function = fault},
    {.function = fault},   {.function = fault}, {.function = fault}, {.function = turn},
};

void board_clock_start(void)
{
    SYSTICK_CONTROL = 0;
    SYSTICK_RELOAD = SYSTICK_TICKS - 1;
    SYSTICK_VALUE = 0;
    n_turns = 0;
    SYSTICK_CONTROL = 7; /* on, with its interrupt, at the processor's clock */
}

uint64_t board_clock(void)
{
    uint32_t before, value;
    do {
        before = n_turns;
        value = SYSTICK_VALUE;
    } while (n_turns != before);
    return (uint64_t)before * SYSTICK_TICKS + (SYSTICK_TICKS - 1 - value);
}

uintptr_t semihosting_call(uintptr_t operation, const void *arguments)
{
    register uintptr_t r0 __asm("r0") = operation;
    register const void *r1 __asm("r1") = arguments;
    __asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}
