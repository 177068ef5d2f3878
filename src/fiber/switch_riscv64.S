/* The switch between two stacks, for riscv64 (LP64D, ELF).
 * SPDX-License-Identifier: MIT
 *
 * A suspended stack looks like this from its sp upwards, and ferry__switch_init makes
 * the same:
 *
 *      0: the return address   8: s0 ... 96: s11   104: fs0 ... 192: fs11   200: filler
 *
 * The filler keeps sp a multiple of 16, as the ABI wants it.
 *
 * Both stacks have that shape at the moment of the switch, so one .cfi description is
 * true before and after it, and debuggers unwind from every instruction in here.
 *
 * The return goes through t2, not ra: it would be guessed wrongly (see
 * switch_x86_64.S). A jump through t2 may land anywhere even where landing pads are
 * asked for.
 *
 * There is on purpose no .note.gnu.property: a shadow stack would have to be
 * switched too. */

#if __riscv_xlen != 64 || !defined(__riscv_float_abi_double) || !defined(__ELF__)
#error "this file is for 64 bits, LP64D and ELF: build with the ucontext switch"
#endif

#define SAVED 208

        .text

/* void ferry__switch(struct ferry__switch_point *from,
 *                    struct ferry__switch_point *to) */
        .globl  ferry__switch
        .hidden ferry__switch
        .type   ferry__switch, @function
        .p2align 4
ferry__switch:
        .cfi_startproc
        addi    sp, sp, -SAVED
        .cfi_adjust_cfa_offset SAVED
        sd      ra, 0(sp)
        .cfi_rel_offset ra, 0
        sd      s0, 8(sp)
        .cfi_rel_offset s0, 8
        sd      s1, 16(sp)
        .cfi_rel_offset s1, 16
        sd      s2, 24(sp)
        .cfi_rel_offset s2, 24
        sd      s3, 32(sp)
        .cfi_rel_offset s3, 32
        sd      s4, 40(sp)
        .cfi_rel_offset s4, 40
        sd      s5, 48(sp)
        .cfi_rel_offset s5, 48
        sd      s6, 56(sp)
        .cfi_rel_offset s6, 56
        sd      s7, 64(sp)
        .cfi_rel_offset s7, 64
        sd      s8, 72(sp)
        .cfi_rel_offset s8, 72
        sd      s9, 80(sp)
        .cfi_rel_offset s9, 80
        sd      s10, 88(sp)
        .cfi_rel_offset s10, 88
        sd      s11, 96(sp)
        .cfi_rel_offset s11, 96
        fsd     fs0, 104(sp)
        .cfi_rel_offset fs0, 104
        fsd     fs1, 112(sp)
        .cfi_rel_offset fs1, 112
        fsd     fs2, 120(sp)
        .cfi_rel_offset fs2, 120
        fsd     fs3, 128(sp)
        .cfi_rel_offset fs3, 128
        fsd     fs4, 136(sp)
        .cfi_rel_offset fs4, 136
        fsd     fs5, 144(sp)
        .cfi_rel_offset fs5, 144
        fsd     fs6, 152(sp)
        .cfi_rel_offset fs6, 152
        fsd     fs7, 160(sp)
        .cfi_rel_offset fs7, 160
        fsd     fs8, 168(sp)
        .cfi_rel_offset fs8, 168
        fsd     fs9, 176(sp)
        .cfi_rel_offset fs9, 176
        fsd     fs10, 184(sp)
        .cfi_rel_offset fs10, 184
        fsd     fs11, 192(sp)
        .cfi_rel_offset fs11, 192

        sd      sp, 0(a0)
        ld      sp, 0(a1)

        /* What is loaded is still in memory, too: .cfi goes on reading it there. */
        ld      t2, 0(sp)
        ld      s0, 8(sp)
        ld      s1, 16(sp)
        ld      s2, 24(sp)
        ld      s3, 32(sp)
        ld      s4, 40(sp)
        ld      s5, 48(sp)
        ld      s6, 56(sp)
        ld      s7, 64(sp)
        ld      s8, 72(sp)
        ld      s9, 80(sp)
        ld      s10, 88(sp)
        ld      s11, 96(sp)
        fld     fs0, 104(sp)
        fld     fs1, 112(sp)
        fld     fs2, 120(sp)
        fld     fs3, 128(sp)
        fld     fs4, 136(sp)
        fld     fs5, 144(sp)
        fld     fs6, 152(sp)
        fld     fs7, 160(sp)
        fld     fs8, 168(sp)
        fld     fs9, 176(sp)
        fld     fs10, 184(sp)
        fld     fs11, 192(sp)
        addi    sp, sp, SAVED
        .cfi_adjust_cfa_offset -SAVED
        .cfi_register ra, t2
        .cfi_restore s0
        .cfi_restore s1
        .cfi_restore s2
        .cfi_restore s3
        .cfi_restore s4
        .cfi_restore s5
        .cfi_restore s6
        .cfi_restore s7
        .cfi_restore s8
        .cfi_restore s9
        .cfi_restore s10
        .cfi_restore s11
        .cfi_restore fs0
        .cfi_restore fs1
        .cfi_restore fs2
        .cfi_restore fs3
        .cfi_restore fs4
        .cfi_restore fs5
        .cfi_restore fs6
        .cfi_restore fs7
        .cfi_restore fs8
        .cfi_restore fs9
        .cfi_restore fs10
        .cfi_restore fs11
        jr      t2
        .cfi_endproc
        .size   ferry__switch, . - ferry__switch

/* The bottom of every fiber: calls s1(s2). The undefined return address tells
 * unwinders, and the zero in s0 those that follow frame pointers, that nothing lies
 * below. They look up a return address minus one: hence the nop in front, for a
 * fiber that has not begun. */
        .type   fiber_bottom, @function
        .p2align 4
        .cfi_startproc
        .cfi_undefined ra
        nop
fiber_bottom:
        mv      a0, s2
        jalr    s1
        ebreak
        .cfi_endproc
        .size   fiber_bottom, . - fiber_bottom

/* void ferry__switch_init(struct ferry__switch_point *point, char *low, char *high,
 *                         void (*entry)(void *arg), void *arg) */
        .globl  ferry__switch_init
        .hidden ferry__switch_init
        .type   ferry__switch_init, @function
        .p2align 4
ferry__switch_init:
        .cfi_startproc
        andi    a2, a2, -16
        addi    a2, a2, -SAVED
        sd      a2, 0(a0)
        lla     t0, fiber_bottom
        sd      t0, 0(a2)
        sd      zero, 8(a2)
        sd      a3, 16(a2)
        sd      a4, 24(a2)
        sd      zero, 32(a2)
        sd      zero, 40(a2)
        sd      zero, 48(a2)
        sd      zero, 56(a2)
        sd      zero, 64(a2)
        sd      zero, 72(a2)
        sd      zero, 80(a2)
        sd      zero, 88(a2)
        sd      zero, 96(a2)
        sd      zero, 104(a2)
        sd      zero, 112(a2)
        sd      zero, 120(a2)
        sd      zero, 128(a2)
        sd      zero, 136(a2)
        sd      zero, 144(a2)
        sd      zero, 152(a2)
        sd      zero, 160(a2)
        sd      zero, 168(a2)
        sd      zero, 176(a2)
        sd      zero, 184(a2)
        sd      zero, 192(a2)
        ret
        .cfi_endproc
        .size   ferry__switch_init, . - ferry__switch_init

        .section .note.GNU-stack, "", @progbits
