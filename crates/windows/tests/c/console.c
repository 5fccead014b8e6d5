/* Keys of a terminal, pipes, barriers. SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifdef __cplusplus
#include <memory>

/* Microsoft's standard library declares the barriers. */
static void barriers(void) {
    _ReadWriteBarrier();
}
#endif
#include <fcntl.h>
#include <unistd.h>
#include <windows.h>
#include "check.h"

static void keys(void) {
    static const char typed[] = "aB\x03 \xc3\xa4\n";
    INPUT_RECORD records[8];
    DWORD count = 0, mode = 0;
    HANDLE console, file;
    int keyboard = posix_openpt(O_RDWR | O_NOCTTY);

    CHECK(keyboard >= 0 && grantpt(keyboard) == 0 && unlockpt(keyboard) == 0);
    console = CreateFileA(ptsname(keyboard), GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
    CHECK(console != INVALID_HANDLE_VALUE && GetConsoleMode(console, &mode) && (mode & ENABLE_LINE_INPUT));
    CHECK(sizeof(INPUT_RECORD) == 20 && GetNumberOfConsoleInputEvents(console, &count) && count == 0);

    /* Whole lines come; 22 makes the next key one without a meaning. */
    CHECK(write(keyboard, "aB\x16\x03 \xc3\xa4\n", 8) == 8);
    while (GetNumberOfConsoleInputEvents(console, &count) && count == 0) Sleep(1);
    CHECK(count == sizeof(typed) - 1);
    CHECK(ReadConsoleInputA(console, records, 2, &count) && count == 2);
    CHECK(records[0].EventType == KEY_EVENT && records[0].Event.KeyEvent.bKeyDown);
    CHECK(records[0].Event.KeyEvent.wVirtualKeyCode == 'A' && records[0].Event.KeyEvent.uChar.AsciiChar == 'a');
    CHECK(records[0].Event.KeyEvent.dwControlKeyState == 0 && records[0].Event.KeyEvent.wRepeatCount == 1);
    CHECK(records[1].Event.KeyEvent.wVirtualKeyCode == 'B' && records[1].Event.KeyEvent.uChar.AsciiChar == 'B');
    CHECK(records[1].Event.KeyEvent.dwControlKeyState == SHIFT_PRESSED);
    CHECK(ReadConsoleInputW(console, records, 8, &count) && count == 4);
    CHECK(records[0].Event.KeyEvent.wVirtualKeyCode == 'C' && records[0].Event.KeyEvent.uChar.UnicodeChar == 3);
    CHECK(records[0].Event.KeyEvent.dwControlKeyState == LEFT_CTRL_PRESSED);
    CHECK(records[1].Event.KeyEvent.wVirtualKeyCode == VK_SPACE && records[2].Event.KeyEvent.uChar.UnicodeChar == 0xE4);
    CHECK(records[3].Event.KeyEvent.wVirtualKeyCode == VK_RETURN && records[3].Event.KeyEvent.uChar.UnicodeChar == '\r');

    CHECK(write(keyboard, "x\n", 2) == 2);
    while (GetNumberOfConsoleInputEvents(console, &count) && count == 0) Sleep(1);
    CHECK(FlushConsoleInputBuffer(console) && GetNumberOfConsoleInputEvents(console, &count) && count == 0);

    file = CreateFileA("/dev/null", GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL);
    CHECK(FAILS_WITH(ERROR_INVALID_HANDLE, GetNumberOfConsoleInputEvents(file, &count)));
    CHECK(FAILS_WITH(ERROR_INVALID_HANDLE, ReadConsoleInputA(file, records, 1, &count)));
    CHECK(CloseHandle(file) && CloseHandle(console) && close(keyboard) == 0);
}

static void pipes(void) {
    HANDLE reader = NULL, writer = NULL, file;
    DWORD count = 0, waiting = 9, left = 9;
    char text[8] = {0};

    CHECK(CreatePipe(&reader, &writer, NULL, 0) && PeekNamedPipe(reader, NULL, 0, NULL, &waiting, NULL) && waiting == 0);
    CHECK(WriteFile(writer, "four", 4, &count, NULL) && count == 4);
    CHECK(PeekNamedPipe(reader, text, 2, &count, &waiting, &left) && count == 2 && waiting == 4 && left == 0);
    CHECK(!strcmp(text, "fo") && ReadFile(reader, text, 8, &count, NULL) && count == 4 && !strcmp(text, "four"));
    CHECK(CloseHandle(writer) && FAILS_WITH(ERROR_BROKEN_PIPE, PeekNamedPipe(reader, NULL, 0, NULL, &waiting, NULL)));
    CHECK(FAILS_WITH(ERROR_BROKEN_PIPE, ReadFile(reader, text, 8, &count, NULL)) && CloseHandle(reader));
    file = CreateFileA("/dev/null", GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL);
    CHECK(FAILS_WITH(ERROR_INVALID_HANDLE, PeekNamedPipe(file, NULL, 0, NULL, &waiting, NULL)) && CloseHandle(file));
}

int main(void) {
#ifdef __cplusplus
    barriers();
#endif
    keys();
    pipes();
    return failures != 0;
}
