// Text output on the first serial port (16550 at 0x3F8), and the little layout this guest needs.
#include "guest.h"

enum { COM1 = 0x3F8, LINE_STATUS = COM1 + 5, SCREEN_WIDTH = 78 };
enum { STATUS_ROOM = 0x20, STATUS_IDLE = 0x40 };

static bool has_serial;

void serial_init(void)
{
    out8(COM1 + 1, 0x00); // no interrupts
    out8(COM1 + 3, 0x80); // divisor latch
    out8(COM1 + 0, 0x01); // 115200 bit/s
    out8(COM1 + 1, 0x00);
    out8(COM1 + 3, 0x03); // 8 bits, no parity, one stop bit
    out8(COM1 + 2, 0x07); // FIFO on and empty
    out8(COM1 + 4, 0x03); // DTR, RTS
    has_serial = in8(LINE_STATUS) != 0xFF;
}

// A bounded wait: a machine whose port never gets ready shall not stop us.
static void wait_for(uint8_t bit)
{
    for (int i = 0; i < 100000 && !(in8(LINE_STATUS) & bit); i++)
        pause();
}

static void put(char c)
{
    if (!has_serial)
        return;
    if (c == '\n')
        put('\r');
    wait_for(STATUS_ROOM);
    out8(COM1, (uint8_t)c);
}

void serial_flush(void)
{
    if (has_serial)
        wait_for(STATUS_IDLE);
}

static size_t length(const char *text)
{
    size_t n = 0;
    while (text[n])
        n++;
    return n;
}

static void put_padded(const char *text, size_t width, bool left, char pad)
{
    size_t n = length(text);
    for (size_t i = n; !left && i < width; i++)
        put(pad);
    for (size_t i = 0; i < n; i++)
        put(text[i]);
    for (size_t i = n; left && i < width; i++)
        put(' ');
}

static const char *digits(uint64_t value, unsigned base, bool negative, char buffer[24])
{
    char *p = buffer + 23;
    *p = 0;
    do {
        *--p = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    if (negative)
        *--p = '-';
    return p;
}

void print(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    for (const char *p = format; *p; p++) {
        if (*p != '%') {
            put(*p);
            continue;
        }
        bool left = false;
        char pad = ' ';
        size_t width = 0;
        for (p++; *p == '-' || *p == '0'; p++) {
            left |= *p == '-';
            pad = *p == '0' ? '0' : pad;
        }
        for (; *p >= '0' && *p <= '9'; p++)
            width = width * 10 + (size_t)(*p - '0');
        while (*p == 'l')
            p++;
        char buffer[24];
        switch (*p) {
        case 's': put_padded(va_arg(arguments, const char *), width, left, ' '); break;
        case 'u': put_padded(digits(va_arg(arguments, uint64_t), 10, false, buffer), width, left, pad); break;
        case 'x': put_padded(digits(va_arg(arguments, uint64_t), 16, false, buffer), width, left, pad); break;
        case 'd': {
            int64_t value = va_arg(arguments, int64_t);
            uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
            put_padded(digits(size, 10, value < 0, buffer), width, left, pad);
            break;
        }
        case 'c': put((char)va_arg(arguments, int)); break;
        case 0: p--; break;
        default: put(*p); break;
        }
    }
    va_end(arguments);
}

void print_rule(void)
{
    put('+');
    for (int i = 0; i < SCREEN_WIDTH - 2; i++)
        put('-');
    print("+\n");
}

void print_heading(const char *text)
{
    print("\n %s\n ", text);
    for (size_t i = 0; i < length(text); i++)
        put('-');
    put('\n');
}

// A label and a list of words, wrapped to the screen with the words in one column.
void print_words(const char *label, const char *const *words, size_t count)
{
    enum { COLUMN = 15 };
    size_t used = SCREEN_WIDTH;
    for (size_t i = 0; i < count; i++) {
        size_t n = length(words[i]);
        if (used + 1 + n > SCREEN_WIDTH) {
            print(i ? "\n   %-12s" : "   %-12s", i ? "" : label);
            used = COLUMN;
        } else {
            put(' ');
            used++;
        }
        print("%s", words[i]);
        used += n;
    }
    put('\n');
}

// The compiler may call these by itself.
void *memcpy(void *to, const void *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((char *)to)[i] = ((const char *)from)[i];
    return to;
}

void *memset(void *to, int value, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((char *)to)[i] = (char)value;
    return to;
}
