/* Files, libraries, messages, the C runtime. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <inttypes.h>
#include <signal.h>
#include <windows.h>
#include <WinHvPlatform.h>
#include <io.h>
#include <strsafe.h>
#include <tchar.h>
#include "check.h"

static int is_printed(const char *expected, const char *format, ...) {
    char text[256];
    int length;
    va_list arguments;
    va_start(arguments, format);
    length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (length == (int)strlen(expected) && !strcmp(text, expected)) return 1;
    printf("printed \"%s\" instead of \"%s\"\n", text, expected);
    return 0;
}

static void formats(void) {
    WCHAR wide[32];
    char text[8];

    CHECK(is_printed("80370302 -1", "%lx %ld", WHV_E_UNKNOWN_PROPERTY, (LONG)-1));
    CHECK(is_printed("1099511627776 ff 7", "%I64u %I32x %Iu", 1ULL << 40, 255, (SIZE_T)7));
    CHECK(is_printed("w\xc3\xa4 de n", "%ls %S %hs", L"w\u00e4", L"de", "n"));
    CHECK(is_printed("1.50 2.5e+10 3", "%.2f %g %d", 1.5, 2.5e10, 3));
    CHECK(is_printed("1 2 3 4 5 6 7 8 0.5 9", "%d %d %d %d %d %d %d %d %g %d", 1, 2, 3, 4, 5, 6, 7, 8, 0.5, 9));
    CHECK(is_printed("123456789abcdef", "%" PRIx64, (uint64_t)0x123456789abcdef));
    CHECK(swprintf_s(wide, 32, L"%s %S %d", L"wide", "narrow", 3) == 13 && wcscmp(wide, L"wide narrow 3") == 0);
    CHECK(sprintf_s(text, sizeof(text), "%d", 1234567) == 7 && sprintf_s(text, sizeof(text), "%d", 12345678) == -1);
    CHECK(text[0] == 0 && _snprintf_s(text, sizeof(text), _TRUNCATE, "%d", 12345678) == -1 && !strcmp(text, "1234567"));
    CHECK(strcpy_s(text, sizeof(text), "12345678") == ERANGE && text[0] == 0 && strcpy_s(text, sizeof(text), "abc") == 0);
    CHECK(strcat_s(text, sizeof(text), "defg") == 0 && !strcmp(text, "abcdefg"));
    CHECK(StringCchPrintfA(text, ARRAYSIZE(text), "%s", "123456789") == STRSAFE_E_INSUFFICIENT_BUFFER);
    CHECK(wcslen(L"four") == 4 && wcschr(L"four", L'u')[1] == L'r' && _wcsicmp(L"FoUr", L"four") == 0);
    CHECK(MultiByteToWideChar(CP_UTF8, 0, "\xc3\xa4", -1, wide, 32) == 2 && wide[0] == 0xE4);
    CHECK(WideCharToMultiByte(CP_UTF8, 0, wide, -1, NULL, 0, NULL, NULL) == 3);
}

static void files(void) {
    CHAR name[MAX_PATH];
    BYTE buffer[16];
    DWORD count = 0, high = 1;
    LARGE_INTEGER size, distance;
    OVERLAPPED at;
    HANDLE file, section;

    CHECK(GetTempPathA(MAX_PATH, name) > 0 && strcat_s(name, MAX_PATH, "openwhp-windows-test-") == 0);
    sprintf_s(name + strlen(name), 32, "%lu", GetCurrentProcessId());
    file = CreateFileA(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, NULL);
    CHECK(file != INVALID_HANDLE_VALUE && WriteFile(file, "0123456789", 10, &count, NULL) && count == 10);
    CHECK(CreateFileA(name, GENERIC_READ, 0, NULL, CREATE_NEW, 0, NULL) == INVALID_HANDLE_VALUE);
    CHECK(GetLastError() == ERROR_FILE_EXISTS);
    CHECK(GetFileSizeEx(file, &size) && size.QuadPart == 10 && GetFileSize(file, &high) == 10 && high == 0);
    distance.QuadPart = 4;
    CHECK(SetFilePointerEx(file, distance, NULL, FILE_BEGIN) && ReadFile(file, buffer, 16, &count, NULL) && count == 6);
    CHECK(buffer[0] == '4' && ReadFile(file, buffer, 16, &count, NULL) && count == 0);
    ZeroMemory(&at, sizeof(at));
    at.Offset = 2;
    CHECK(ReadFile(file, buffer, 3, &count, &at) && count == 3 && buffer[0] == '2');
    section = CreateFileMapping(file, NULL, PAGE_READWRITE, 0, 0, NULL);
    PBYTE view = (PBYTE)MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    CHECK(view && view[9] == '9');
    view[0] = 'x';
    CHECK(UnmapViewOfFile(view) && CloseHandle(section));
    at.Offset = 0;
    CHECK(ReadFile(file, buffer, 1, &count, &at) && buffer[0] == 'x');
    CHECK(CloseHandle(file) && FAILS_WITH(ERROR_INVALID_HANDLE, ReadFile(file, buffer, 1, &count, NULL)));
    CHECK(GetFileAttributesA(name) != INVALID_FILE_ATTRIBUTES && DeleteFileA(name));
    CHECK(FAILS_WITH(ERROR_FILE_NOT_FOUND, DeleteFileA(name)));
}

static void libraries(void) {
    HMODULE module = LoadLibraryW(L"WinHvPlatform.dll");
    typedef HRESULT(WINAPI * Create)(WHV_PARTITION_HANDLE *);
    Create create = (Create)(INT_PTR)GetProcAddress(module, "WHvCreatePartition");
    WHV_PARTITION_HANDLE partition;

    CHECK(module && create && create(&partition) == S_OK && WHvDeletePartition(partition) == S_OK);
    CHECK(FAILS_WITH(ERROR_PROC_NOT_FOUND, GetProcAddress(module, "WHvNoSuchFunction")));
    CHECK(FAILS_WITH(ERROR_PROC_NOT_FOUND, GetProcAddress(module, (LPCSTR)1)));
    CHECK(GetModuleHandle(TEXT("winhvplatform")) == module && FreeLibrary(module));
    CHECK(FAILS_WITH(ERROR_MOD_NOT_FOUND, LoadLibrary(TEXT("no-such-library.dll"))));
    CHECK(FAILS_WITH(ERROR_INVALID_HANDLE, FreeLibrary((HMODULE)0x7777)));
    CHECK(GetProcAddress(LoadLibrary(TEXT("kernel32.dll")), "VirtualAlloc") != NULL && GetModuleHandle(NULL) != NULL);
}

static void messages(void) {
    CHAR text[128];
    LPSTR allocated = NULL;
    DWORD flags = FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS;

    CHECK(FormatMessageA(flags, NULL, ERROR_INVALID_HANDLE, 0, text, sizeof(text), NULL) == 24);
    CHECK(!strcmp(text, "The handle is invalid.\r\n"));
    CHECK(FormatMessageA(flags | FORMAT_MESSAGE_ALLOCATE_BUFFER, NULL, (DWORD)WHV_E_UNKNOWN_PROPERTY, 0, (LPSTR)&allocated,
                         0, NULL) > 0);
    CHECK(allocated && strstr(allocated, "unknown property") && LocalFree(allocated) == NULL);
    CHECK(FAILS_WITH(ERROR_INSUFFICIENT_BUFFER, FormatMessageA(flags, NULL, 5, 0, text, 4, NULL)));
    CHECK(FAILS_WITH(ERROR_MR_MID_NOT_FOUND, FormatMessageA(flags, NULL, 0xABCDEF, 0, text, sizeof(text), NULL)));
}

static void machine(void) {
    SYSTEM_INFO info;
    MEMORYSTATUSEX status;
    LARGE_INTEGER frequency, first, second;
    CHAR value[16];
    int leaf[4];

    GetSystemInfo(&info);
    CHECK(info.dwPageSize == 0x1000 && info.dwAllocationGranularity == 0x10000 && info.dwNumberOfProcessors > 0);
    status.dwLength = sizeof(status);
    CHECK(GlobalMemoryStatusEx(&status) && status.ullTotalPhys > status.ullAvailPhys);
    CHECK(QueryPerformanceFrequency(&frequency) && frequency.QuadPart == 10000000);
    QueryPerformanceCounter(&first);
    Sleep(2);
    QueryPerformanceCounter(&second);
    CHECK(second.QuadPart - first.QuadPart >= 20000 && GetTickCount64() > 0);
    CHECK(SetEnvironmentVariable("OPENWHP_TEST", "value") && GetEnvironmentVariable("OPENWHP_TEST", value, 16) == 5);
    CHECK(GetEnvironmentVariable("OPENWHP_TEST", value, 2) == 6);
    CHECK(FAILS_WITH(ERROR_ENVVAR_NOT_FOUND, GetEnvironmentVariable("OPENWHP_NONE", value, 16)));
    __cpuid(leaf, 0);
    CHECK(leaf[0] > 0 && IsProcessorFeaturePresent(PF_NX_ENABLED));
    CHECK(GetStdHandle(STD_OUTPUT_HANDLE) != INVALID_HANDLE_VALUE && GetStdHandle(7) == INVALID_HANDLE_VALUE);
    CHECK(HeapFree(GetProcessHeap(), 0, HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, 100)));
}

static HANDLE interrupted;
static BOOL WINAPI on_control(DWORD event) { return event == CTRL_C_EVENT && SetEvent(interrupted); }

static void control(void) {
    interrupted = CreateEvent(NULL, FALSE, FALSE, NULL);
    CHECK(SetConsoleCtrlHandler(on_control, TRUE) && kill(getpid(), SIGINT) == 0);
    CHECK(WaitForSingleObject(interrupted, 2000) == WAIT_OBJECT_0);
    CHECK(SetConsoleCtrlHandler(on_control, FALSE) && CloseHandle(interrupted));
}

int main(void) {
    formats();
    files();
    libraries();
    messages();
    machine();
    control();
    return failures != 0;
}
