/* What runs before main on a bare Cortex-M, and how the program talks to whoever runs it: ARM's semihosting. */
#include <stdint.h>

#include "qemu.h"

extern uint32_t data_image[], data_begin[], data_end[], bss_begin[], bss_end[], stack_marked[], stack_top[];

int main(void);

static int32_t ask(int32_t what, const void *with)
{
    register int32_t r0 __asm__("r0") = what;
    register const void *r1 __asm__("r1") = with;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void qemu_say(const char *text) { ask(4, text); }

void qemu_number(int64_t value)
{
    char digits[24];
    int at = 23;
    uint64_t rest = value < 0 ? (uint64_t)0 - (uint64_t)value : (uint64_t)value;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + rest % 10u);
        rest /= 10u;
    } while (rest != 0u);
    if (value < 0)
        digits[--at] = '-';
    qemu_say(digits + at);
}

void qemu_end(int code)
{
    const uint32_t exit_of_application[2] = {0x20026u, (uint32_t)code};
    ask(0x20, exit_of_application);
    for (;;) {
    }
}

/* The stack grows down towards what is static; what it never reached keeps this mark. */
#define MARK 0x5ca1ab1eu

uint32_t qemu_stack_bytes(void)
{
    const uint32_t *at = bss_end;
    while (*at == MARK)
        at++;
    return (uint32_t)((const char *)stack_top - (const char *)at);
}

void reset(void)
{
    const uint32_t *from = data_image;
    for (uint32_t *to = data_begin; to < data_end;)
        *to++ = *from++;
    for (uint32_t *to = bss_begin; to < bss_end;)
        *to++ = 0u;
    for (volatile uint32_t *to = bss_end; to < stack_marked;)
        *to++ = MARK;
#if defined(__ARM_FP)
    *(volatile uint32_t *)0xe000ed88 |= 0xfu << 20; /* let the program use the unit for floats */
    __asm__ volatile("dsb\n isb");
#endif
    qemu_end(main());
}

static void fault(void)
{
    qemu_say("fault\n");
    qemu_end(3);
}

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    stack_top, reset, fault, fault, fault, fault, fault, fault, 0, 0, 0, fault, fault, 0, fault, fault,
};
