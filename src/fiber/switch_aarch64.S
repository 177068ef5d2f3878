/* The switch between two stacks, for aarch64 (AAPCS64, ELF).
 * SPDX-License-Identifier: MIT
 *
 * A suspended stack looks like this from its sp upwards, and ferry__switch_init makes
 * the same:
 *
 *      0: x29   8: x30   16: x19 ... 88: x28   96: d8 ... 152: d15
 *
 * Both stacks have that shape at the moment of the switch, so one .cfi description is
 * true before and after it, and debuggers unwind from every instruction in here.
 *
 * The return is a `ret`, though its guess is wrong (see switch_x86_64.S): under
 * branch target identification a `br` may not land where a call returns. `bti c` is
 * a hint, and does nothing on older processors. The saved x30 is not signed:
 * ferry__switch_init would need the key. */

#if !defined(__LP64__) || !defined(__ELF__)
#error "this file is for 64-bit pointers and ELF: build with the ucontext switch"
#endif

#define BTI_C hint #34
#define SAVED 160

        .text

/* void ferry__switch(struct ferry__switch_point *from,
 *                    struct ferry__switch_point *to) */
        .globl  ferry__switch
        .hidden ferry__switch
        .type   ferry__switch, %function
        .p2align 4
ferry__switch:
        .cfi_startproc
        BTI_C
        sub     sp, sp, #SAVED
        .cfi_adjust_cfa_offset SAVED
        stp     x29, x30, [sp]
        .cfi_rel_offset x29, 0
        .cfi_rel_offset x30, 8
        stp     x19, x20, [sp, #16]
        .cfi_rel_offset x19, 16
        .cfi_rel_offset x20, 24
        stp     x21, x22, [sp, #32]
        .cfi_rel_offset x21, 32
        .cfi_rel_offset x22, 40
        stp     x23, x24, [sp, #48]
        .cfi_rel_offset x23, 48
        .cfi_rel_offset x24, 56
        stp     x25, x26, [sp, #64]
        .cfi_rel_offset x25, 64
        .cfi_rel_offset x26, 72
        stp     x27, x28, [sp, #80]
        .cfi_rel_offset x27, 80
        .cfi_rel_offset x28, 88
        stp     d8, d9, [sp, #96]
        .cfi_rel_offset d8, 96
        .cfi_rel_offset d9, 104
        stp     d10, d11, [sp, #112]
        .cfi_rel_offset d10, 112
        .cfi_rel_offset d11, 120
        stp     d12, d13, [sp, #128]
        .cfi_rel_offset d12, 128
        .cfi_rel_offset d13, 136
        stp     d14, d15, [sp, #144]
        .cfi_rel_offset d14, 144
        .cfi_rel_offset d15, 152

        mov     x9, sp
        str     x9, [x0]
        ldr     x9, [x1]
        mov     sp, x9

        /* What is loaded is still in memory, too: .cfi goes on reading it there. */
        ldp     x29, x30, [sp]
        ldp     x19, x20, [sp, #16]
        ldp     x21, x22, [sp, #32]
        ldp     x23, x24, [sp, #48]
        ldp     x25, x26, [sp, #64]
        ldp     x27, x28, [sp, #80]
        ldp     d8, d9, [sp, #96]
        ldp     d10, d11, [sp, #112]
        ldp     d12, d13, [sp, #128]
        ldp     d14, d15, [sp, #144]
        add     sp, sp, #SAVED
        .cfi_adjust_cfa_offset -SAVED
        .cfi_restore x29
        .cfi_restore x30
        .cfi_restore x19
        .cfi_restore x20
        .cfi_restore x21
        .cfi_restore x22
        .cfi_restore x23
        .cfi_restore x24
        .cfi_restore x25
        .cfi_restore x26
        .cfi_restore x27
        .cfi_restore x28
        .cfi_restore d8
        .cfi_restore d9
        .cfi_restore d10
        .cfi_restore d11
        .cfi_restore d12
        .cfi_restore d13
        .cfi_restore d14
        .cfi_restore d15
        ret
        .cfi_endproc
        .size   ferry__switch, . - ferry__switch

/* The bottom of every fiber: calls x19(x20). The undefined return address tells
 * unwinders, and the zero in x29 those that follow frame pointers, that nothing lies
 * below. They look up a return address minus one: hence the nop in front, for a
 * fiber that has not begun. */
        .type   fiber_bottom, %function
        .p2align 4
        .cfi_startproc
        .cfi_undefined x30
        nop
fiber_bottom:
        mov     x0, x20
        blr     x19
        brk     #1
        .cfi_endproc
        .size   fiber_bottom, . - fiber_bottom

/* void ferry__switch_init(struct ferry__switch_point *point, char *low, char *high,
 *                         void (*entry)(void *arg), void *arg) */
        .globl  ferry__switch_init
        .hidden ferry__switch_init
        .type   ferry__switch_init, %function
        .p2align 4
ferry__switch_init:
        .cfi_startproc
        BTI_C
        and     x2, x2, #-16
        sub     x2, x2, #SAVED
        adr     x9, fiber_bottom
        stp     xzr, x9, [x2]
        stp     x3, x4, [x2, #16]
        stp     xzr, xzr, [x2, #32]
        stp     xzr, xzr, [x2, #48]
        stp     xzr, xzr, [x2, #64]
        stp     xzr, xzr, [x2, #80]
        stp     xzr, xzr, [x2, #96]
        stp     xzr, xzr, [x2, #112]
        stp     xzr, xzr, [x2, #128]
        stp     xzr, xzr, [x2, #144]
        str     x2, [x0]
        ret
        .cfi_endproc
        .size   ferry__switch_init, . - ferry__switch_init

/* Says that all of the above is fit for branch target identification:
 * GNU_PROPERTY_AARCH64_FEATURE_1_AND (0xc0000000) with its BTI bit (1). */
#ifdef __ARM_FEATURE_BTI_DEFAULT
        .section .note.gnu.property, "a"
        .p2align 3
        .word   4, 16, 5
        .asciz  "GNU"
        .word   0xc0000000, 4, 1, 0
#endif

        .section .note.GNU-stack, "", %progbits
