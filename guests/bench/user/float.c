// FP2: a matrix product in doubles and a triad over float vectors.
#include "bench.h"

enum { SIDE = 128, VECTOR = 8192 };

static double left[SIDE][SIDE], right[SIDE][SIDE], product[SIDE][SIDE];

static uint64_t run_mat(uint64_t iterations)
{
    uint64_t seed = 1;
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            left[i][j] = (double)(next_random(&seed) >> 50);
            right[i][j] = (double)(next_random(&seed) >> 50) / 16;
        }
    for (uint64_t n = 0; n < iterations; n++) {
        for (int i = 0; i < SIDE; i++)
            for (int j = 0; j < SIDE; j++) {
                double sum = 0;
                for (int k = 0; k < SIDE; k++)
                    sum += left[i][k] * right[k][j];
                product[i][j] = sum;
            }
        left[n % SIDE][n / SIDE % SIDE] += 1;
    }
    uint64_t bits;
    double total = 0;
    for (int i = 0; i < SIDE; i++)
        total += product[i][(i * 7) % SIDE];
    memcpy(&bits, &total, sizeof bits);
    return bits;
}

static uint64_t run_stream(uint64_t iterations)
{
    static float a[VECTOR], b[VECTOR], c[VECTOR];
    for (int i = 0; i < VECTOR; i++) {
        b[i] = (float)(i % 97) / 8;
        c[i] = (float)(i % 31);
    }
    for (uint64_t n = 0; n < iterations; n++) {
        float factor = (float)(n % 5);
        for (int i = 0; i < VECTOR; i++)
            a[i] = b[i] + factor * c[i];
        __asm__ volatile("" ::: "memory");
    }
    uint64_t sum = 0;
    for (int i = 0; i < VECTOR; i++)
        sum = sum * 31 + (uint64_t)(a[i] * 8);
    return sum;
}

static const struct workload FP2[] = {{"mat", 10, run_mat}, {"stream", 10000, run_stream}};

int main(int argc, char **argv) { return run_workloads(FP2, sizeof FP2 / sizeof FP2[0], argc, argv); }
