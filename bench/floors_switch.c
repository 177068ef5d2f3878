/* SW: from one stack to another, and nothing else.  SPDX-License-Identifier: MIT */
#include "peers.h"

#include <stdint.h>

/* Saves what a callee must keep, hands over the stack and goes on where that one left
 * off; by a jump, since a return would be predicted wrongly each time. It is all in one
 * line of the cache: across two it takes 8 ns instead of 3 on some processors. */
void bench_switch(void **save, void *to);

#if defined __x86_64__
__asm__(".text\n"
        ".p2align 6\n"
        ".globl bench_switch\n"
        ".type bench_switch, @function\n"
        "bench_switch:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    popq %rcx\n"
        "    jmpq *%rcx\n"
        ".size bench_switch, . - bench_switch\n");
/* Words kept below the entry's address, and words above it: at the entry of a function
 * the stack is 8 bytes off a multiple of 16. */
enum { HAVE_SWITCH = 1, SAVED = 6, ENTRY = 6, ABOVE = 1 };
#elif defined __aarch64__
__asm__(".text\n"
        ".p2align 6\n"
        ".globl bench_switch\n"
        ".type bench_switch, %function\n"
        "bench_switch:\n"
        "    sub sp, sp, #160\n"
        "    stp x19, x20, [sp, #0]\n"
        "    stp x21, x22, [sp, #16]\n"
        "    stp x23, x24, [sp, #32]\n"
        "    stp x25, x26, [sp, #48]\n"
        "    stp x27, x28, [sp, #64]\n"
        "    stp x29, x30, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    mov x9, sp\n"
        "    str x9, [x0]\n"
        "    mov sp, x1\n"
        "    ldp x19, x20, [sp, #0]\n"
        "    ldp x21, x22, [sp, #16]\n"
        "    ldp x23, x24, [sp, #32]\n"
        "    ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n"
        "    ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    add sp, sp, #160\n"
        "    br x30\n"
        ".size bench_switch, . - bench_switch\n");
enum { HAVE_SWITCH = 1, SAVED = 20, ENTRY = 11, ABOVE = 0 };
#else
enum { HAVE_SWITCH = 0, SAVED = 1, ENTRY = 0, ABOVE = 0 };
void bench_switch(void **save, void *to)
{
    (void)save, (void)to;
}
#endif

enum { STACK_WORDS = 4096, ROUNDS = 32 };

static void *here, *there;

static void answer(void)
{
    for (;;) {
        bench_switch(&there, here);
    }
}

bool have_floor_switch(void)
{
    return HAVE_SWITCH;
}

/* A stack that looks as if `answer` had been about to begin when it was left. */
static void make_stack(void)
{
    static _Alignas(16) uintptr_t stack[STACK_WORDS];
    uintptr_t *top = stack + STACK_WORDS - 16;
    uintptr_t *saved = top - ABOVE - (ENTRY < SAVED ? SAVED : SAVED + 1);
    saved[ENTRY] = (uintptr_t)answer;
    there = saved;
}

void floor_switch(struct meter *meter, const struct setup *setup)
{
    (void)setup;
    make_stack();
    do {
        for (int i = 0; i < ROUNDS; i++) {
            bench_switch(&here, there);
        }
    } while (meter_ticks(meter, 2 * ROUNDS));
}
