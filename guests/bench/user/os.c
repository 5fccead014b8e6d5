// OS5: what a program asks of its kernel, five ways.
#define _GNU_SOURCE
#include "bench.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096 };

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static uint8_t *map_pages(size_t count)
{
    uint8_t *p = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        fail("mmap");
    return p;
}

static uint64_t run_getppid(uint64_t iterations)
{
    uint64_t same = 0;
    pid_t parent = getppid();
    for (uint64_t n = 0; n < iterations; n++)
        same += syscall(SYS_getppid) == parent;
    return same;
}

// First touch of fresh pages, small ones only.
static uint64_t run_touch(uint64_t iterations)
{
    uint8_t *p = map_pages(iterations);
    uint64_t sum = 0;
    madvise(p, iterations * PAGE, MADV_NOHUGEPAGE);
    for (uint64_t n = 0; n < iterations; n++) {
        p[n * PAGE] = (uint8_t)n;
        sum += p[n * PAGE];
    }
    munmap(p, iterations * PAGE);
    return sum;
}

static uint64_t run_mmap(uint64_t iterations)
{
    uint64_t sum = 0;
    for (uint64_t n = 0; n < iterations; n++) {
        uint8_t *p = map_pages(4);
        for (int i = 0; i < 4; i++) {
            p[i * PAGE] = (uint8_t)(n + (uint64_t)i);
            sum += p[i * PAGE];
        }
        munmap(p, 4 * PAGE);
    }
    return sum;
}

static void echo_bytes(int from, int to)
{
    uint8_t byte;
    while (read(from, &byte, 1) == 1) {
        byte++;
        if (write(to, &byte, 1) != 1)
            break;
    }
    _exit(0);
}

static uint64_t run_pipe(uint64_t iterations)
{
    int there[2], back[2];
    if (pipe(there) || pipe(back))
        fail("pipe");
    pid_t child = fork();
    if (child < 0)
        fail("fork");
    if (child == 0) {
        close(there[1]);
        close(back[0]);
        echo_bytes(there[0], back[1]);
    }
    close(there[0]);
    close(back[1]);
    uint64_t sum = 0;
    for (uint64_t n = 0; n < iterations; n++) {
        uint8_t byte = (uint8_t)n;
        if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
            fail("ping-pong");
        sum += byte;
    }
    close(there[1]);
    close(back[0]);
    waitpid(child, NULL, 0);
    return sum;
}

static uint64_t run_fork(uint64_t iterations)
{
    uint64_t sum = 0;
    for (uint64_t n = 0; n < iterations; n++) {
        int status = 0;
        pid_t child = fork();
        if (child < 0)
            fail("fork");
        if (child == 0)
            _exit((int)(n & 63));
        waitpid(child, &status, 0);
        sum += (uint64_t)WEXITSTATUS(status);
    }
    return sum;
}

static const struct workload OS5[] = {
    {"getppid", 200000, run_getppid}, {"touch", 8000, run_touch}, {"mmap", 1500, run_mmap},
    {"pipe", 2000, run_pipe},         {"fork", 200, run_fork},
};

int main(int argc, char **argv) { return run_workloads(OS5, sizeof OS5 / sizeof OS5[0], argc, argv); }
