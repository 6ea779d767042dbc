#include "openapi.h"

/* The assembler takes the file in as it is; OPENAPI_FILE comes from CMakeLists.txt. */
__asm__(".section .rodata\n"
        ".global openapi_begin\n"
        ".global openapi_end\n"
        "openapi_begin:\n"
        ".incbin \"" OPENAPI_FILE "\"\n"
        "openapi_end:\n"
        ".byte 0\n"
        ".previous\n");

extern const char openapi_begin[], openapi_end[];

struct text openapi_text(void)
{
    return (struct text){.data = openapi_begin, .size = (size_t)(openapi_end - openapi_begin)};
}
