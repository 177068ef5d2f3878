/* The switch between two stacks, for armv7 (AAPCS with hard float, ELF).
 * SPDX-License-Identifier: MIT
 *
 * A suspended stack looks like this from its sp upwards, and ferry__switch_init makes
 * the same:
 *
 *      0: d8 ... 56: d15   64: filler   68: r4 ... 96: r11   100: the return address
 *
 * The filler keeps sp a multiple of 8, as the ABI wants it.
 *
 * Both stacks have that shape at the moment of the switch, so one .cfi description is
 * true before and after it, and debuggers unwind from every instruction in here.
 * Programs unwind by other tables on this architecture: .fnstart, .save and the like
 * describe the same for those.
 *
 * It is ARM code, called from ARM and Thumb: linkers turn a Thumb caller's `bl` into
 * `blx`, and `bx` and `blx` go by the lowest bit of where they lead. The return goes
 * through ip, not lr: it would be guessed wrongly (see switch_x86_64.S). */

#if !defined(__ARM_PCS_VFP) || __ARM_ARCH < 7 || !defined(__ELF__)
#error "this file is for armv7, hard float and ELF: build with the ucontext switch"
#endif

#define SAVED 104

        .syntax unified
        .arm
        .cfi_sections .debug_frame
        .text

/* void ferry__switch(struct ferry__switch_point *from,
 *                    struct ferry__switch_point *to) */
        .globl  ferry__switch
        .hidden ferry__switch
        .type   ferry__switch, %function
        .p2align 4
ferry__switch:
        .fnstart
        .cfi_startproc
        push    {r3-r11, lr}
        .save   {r3-r11, lr}
        .cfi_adjust_cfa_offset 40
        .cfi_rel_offset r4, 4
        .cfi_rel_offset r5, 8
        .cfi_rel_offset r6, 12
        .cfi_rel_offset r7, 16
        .cfi_rel_offset r8, 20
        .cfi_rel_offset r9, 24
        .cfi_rel_offset r10, 28
        .cfi_rel_offset r11, 32
        .cfi_rel_offset lr, 36
        vpush   {d8-d15}
        .vsave  {d8-d15}
        .cfi_adjust_cfa_offset 64
        .cfi_rel_offset d8, 0
        .cfi_rel_offset d9, 8
        .cfi_rel_offset d10, 16
        .cfi_rel_offset d11, 24
        .cfi_rel_offset d12, 32
        .cfi_rel_offset d13, 40
        .cfi_rel_offset d14, 48
        .cfi_rel_offset d15, 56

        str     sp, [r0]
        ldr     sp, [r1]

        vpop    {d8-d15}
        .cfi_adjust_cfa_offset -64
        .cfi_restore d8
        .cfi_restore d9
        .cfi_restore d10
        .cfi_restore d11
        .cfi_restore d12
        .cfi_restore d13
        .cfi_restore d14
        .cfi_restore d15
        pop     {r3-r11, ip}
        .cfi_adjust_cfa_offset -40
        .cfi_restore r4
        .cfi_restore r5
        .cfi_restore r6
        .cfi_restore r7
        .cfi_restore r8
        .cfi_restore r9
        .cfi_restore r10
        .cfi_restore r11
        .cfi_register lr, ip
        bx      ip
        .cfi_endproc
        .fnend
        .size   ferry__switch, . - ferry__switch

/* The bottom of every fiber: calls r4(r5). The undefined return address tells
 * debuggers, .cantunwind other unwinders, and the zeros in r7 and r11 those that follow
 * frame pointers, that nothing lies below. They look up a return address minus one:
 * hence the nop in front, for a fiber that has not begun. */
        .type   fiber_bottom, %function
        .p2align 4
        .fnstart
        .cantunwind
        .cfi_startproc
        .cfi_undefined lr
        nop
fiber_bottom:
        mov     r0, r5
        blx     r4
        udf     #0
        .cfi_endproc
        .fnend
        .size   fiber_bottom, . - fiber_bottom

/* void ferry__switch_init(struct ferry__switch_point *point, char *low, char *high,
 *                         void (*entry)(void *arg), void *arg) */
        .globl  ferry__switch_init
        .hidden ferry__switch_init
        .type   ferry__switch_init, %function
        .p2align 4
ferry__switch_init:
        .fnstart
        .cfi_startproc
        ldr     ip, [sp]
        bic     r2, r2, #7
        sub     r2, r2, #SAVED
        str     r2, [r0]
        str     r3, [r2, #68]
        str     ip, [r2, #72]
        adr     ip, fiber_bottom
        str     ip, [r2, #100]
        mov     r0, #0
        mov     r1, #0
        strd    r0, r1, [r2]
        strd    r0, r1, [r2, #8]
        strd    r0, r1, [r2, #16]
        strd    r0, r1, [r2, #24]
        strd    r0, r1, [r2, #32]
        strd    r0, r1, [r2, #40]
        strd    r0, r1, [r2, #48]
        strd    r0, r1, [r2, #56]
        str     r0, [r2, #64]
        strd    r0, r1, [r2, #76]
        strd    r0, r1, [r2, #84]
        strd    r0, r1, [r2, #92]
        bx      lr
        .cfi_endproc
        .fnend
        .size   ferry__switch_init, . - ferry__switch_init

        .section .note.GNU-stack, "", %progbits
