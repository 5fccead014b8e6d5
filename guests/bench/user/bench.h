// What every benchmark program shares: a fixed amount of work, timed and printed as one line
//     NAME SECONDS ITERATIONS CHECKSUM
// The checksum depends on the work done only, so a wrong result of an engine shows beside its speed.
#ifndef OPENWHP_BENCH_H
#define OPENWHP_BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct workload {
    const char *name;
    uint64_t iterations;            // at scale 100
    uint64_t (*run)(uint64_t iterations);
};

static inline double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// Small, fixed and the same everywhere: xorshift64*.
static inline uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * 0x2545F4914F6CDD1Dull;
}

// Runs all workloads of a program. Arguments: [SCALE_PERCENT [NAME]...].
static inline int run_workloads(const struct workload *list, size_t count, int argc, char **argv)
{
    uint64_t scale = argc > 1 ? strtoull(argv[1], NULL, 10) : 100;
    for (size_t i = 0; i < count; i++) {
        int wanted = argc <= 2;
        for (int a = 2; a < argc; a++)
            wanted |= strcmp(argv[a], list[i].name) == 0;
        if (!wanted)
            continue;
        uint64_t iterations = list[i].iterations * scale / 100;
        if (iterations == 0)
            iterations = 1;
        double start = now_seconds();
        uint64_t checksum = list[i].run(iterations);
        double seconds = now_seconds() - start;
        printf("%s %.6f %llu %016llx\n", list[i].name, seconds, (unsigned long long)iterations,
               (unsigned long long)checksum);
        fflush(stdout);
    }
    return 0;
}

#endif
