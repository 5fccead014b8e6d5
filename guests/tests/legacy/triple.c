/* A fault that cannot be delivered in any way: the machine must report it, the harness expects it to end here. */
#include "test.h"

void test_main(void)
{
    check("before", true);
    idt[UD] = idt[GP] = idt[DF] = 0;
    asm volatile(".globl triple_fault\n triple_fault: ud2");
    check("after", false);
}
