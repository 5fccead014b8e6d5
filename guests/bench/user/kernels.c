// K8: eight small integer programs, each bound by something else.
#include "bench.h"

// ---- sha: rounds of SHA-256 (rotates, adds, logic; everything in registers) ----

enum { SHA_BUFFER = 16384 };

static uint32_t sha_constants[64];

// The constants are the fractional parts of the cube roots of the first 64 primes; found here by
// bisection in integers, so that no table has to be typed.
static uint32_t cube_root_fraction(uint32_t prime)
{
    unsigned __int128 wanted = (unsigned __int128)prime << 96;
    uint64_t root = 0;
    for (int bit = 35; bit >= 0; bit--) {
        uint64_t next = root | 1ull << bit;
        if ((unsigned __int128)next * next * next <= wanted)
            root = next;
    }
    return (uint32_t)root;
}

static void fill_sha_constants(void)
{
    int found = 0;
    for (uint32_t n = 2; found < 64; n++) {
        uint32_t d = 2;
        while (d * d <= n && n % d)
            d++;
        if (d * d > n)
            sha_constants[found++] = cube_root_fraction(n);
    }
}

static uint32_t rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }

static void sha_block(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++) {
        uint32_t word;
        memcpy(&word, block + 4 * i, 4);
        w[i] = __builtin_bswap32(word);
    }
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[i - 7] + (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
        uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
        uint32_t t1 = s[7] + (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)) + choice + sha_constants[i] + w[i];
        uint32_t t2 = (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)) + majority;
        memmove(s + 1, s, 7 * sizeof s[0]);
        s[0] = t1 + t2;
        s[4] += t1;
    }
    for (int i = 0; i < 8; i++)
        state[i] += s[i];
}

static uint64_t run_sha(uint64_t iterations)
{
    static uint8_t buffer[SHA_BUFFER];
    uint64_t seed = 1;
    for (int i = 0; i < SHA_BUFFER; i++)
        buffer[i] = (uint8_t)next_random(&seed);
    fill_sha_constants();
    uint32_t state[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    for (uint64_t n = 0; n < iterations; n++)
        for (int i = 0; i < SHA_BUFFER; i += 64)
            sha_block(state, buffer + i);
    return (uint64_t)state[0] << 32 | state[7];
}

// ---- sort: quicksort of 50,000 words (unpredictable branches, short moves) ----

enum { SORT_WORDS = 50000 };

static void quicksort(uint32_t *a, long low, long high)
{
    while (low < high) {
        uint32_t pivot = a[low + (high - low) / 2];
        long i = low, j = high;
        while (i <= j) {
            while (a[i] < pivot)
                i++;
            while (a[j] > pivot)
                j--;
            if (i <= j) {
                uint32_t t = a[i];
                a[i++] = a[j];
                a[j--] = t;
            }
        }
        if (j - low < high - i) {
            quicksort(a, low, j);
            low = i;
        } else {
            quicksort(a, i, high);
            high = j;
        }
    }
}

static uint64_t run_sort(uint64_t iterations)
{
    static uint32_t words[SORT_WORDS];
    uint64_t seed = 2, sum = 0;
    for (uint64_t n = 0; n < iterations; n++) {
        for (int i = 0; i < SORT_WORDS; i++)
            words[i] = (uint32_t)next_random(&seed);
        quicksort(words, 0, SORT_WORDS - 1);
        for (int i = 0; i < SORT_WORDS; i += 100)
            sum = sum * 31 + words[i];
    }
    return sum;
}

// ---- tree: look-ups in a binary tree of 480 KB (dependent loads) ----

enum { TREE_NODES = 20000, TREE_LOOKUPS = 20000 };

struct node {
    struct node *child[2];
    uint64_t key;
};

static uint64_t run_tree(uint64_t iterations)
{
    static struct node nodes[TREE_NODES];
    uint64_t seed = 3, found = 0;
    struct node *root = NULL;
    memset(nodes, 0, sizeof nodes);
    for (int i = 0; i < TREE_NODES; i++) {
        nodes[i].key = next_random(&seed) >> 48;
        struct node **at = &root;
        while (*at && (*at)->key != nodes[i].key)
            at = &(*at)->child[nodes[i].key > (*at)->key];
        if (!*at)
            *at = &nodes[i];
    }
    for (uint64_t n = 0; n < iterations * TREE_LOOKUPS; n++) {
        uint64_t key = next_random(&seed) >> 48;
        const struct node *at = root;
        while (at && at->key != key)
            at = at->child[key > at->key];
        found += at ? at->key : 1;
    }
    return found;
}

// ---- vm: a bytecode machine with a switch (indirect jumps) ----

enum op { PUSH, ADD, MULTIPLY, XOR, LOAD, STORE, DECREMENT, JUMP_NONZERO, SHIFT, STOP };
enum { VM_ROUNDS = 20000 };

static uint64_t interpret(const uint8_t *code, uint64_t rounds)
{
    uint64_t stack[16] = {0}, slots[4] = {rounds, 1, 7, 0};
    int top = 0;
    for (const uint8_t *p = code;;) {
        switch ((enum op)*p++) {
        case PUSH: stack[top++] = *p++; break;
        case ADD: top--; stack[top - 1] += stack[top]; break;
        case MULTIPLY: top--; stack[top - 1] *= stack[top]; break;
        case XOR: top--; stack[top - 1] ^= stack[top]; break;
        case SHIFT: stack[top - 1] >>= *p++; break;
        case LOAD: stack[top++] = slots[*p++]; break;
        case STORE: slots[*p++] = stack[--top]; break;
        case DECREMENT: slots[*p++]--; break;
        case JUMP_NONZERO: p = stack[--top] ? code + *p : p + 1; break;
        case STOP: return slots[1] ^ slots[2];
        }
    }
}

static uint64_t run_vm(uint64_t iterations)
{
    static const uint8_t PROGRAM[] = {
        LOAD, 1, PUSH, 31, MULTIPLY, LOAD, 2, ADD, STORE, 1,  // a = a * 31 + b
        LOAD, 2, LOAD, 1, SHIFT, 3, XOR, STORE, 2,            // b ^= a >> 3
        DECREMENT, 0, LOAD, 0, JUMP_NONZERO, 0, STOP,
    };
    uint64_t sum = 0;
    for (uint64_t n = 0; n < iterations; n++)
        sum += interpret(PROGRAM, VM_ROUNDS + n);
    return sum;
}

// ---- fib: recursion (calls, returns, stack) ----

__attribute__((noinline, optimize("no-optimize-sibling-calls"))) static uint64_t fibonacci(unsigned n)
{
    __asm__ volatile("" : "+r"(n)); // keeps the compiler from unfolding the recursion
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static uint64_t run_fib(uint64_t iterations)
{
    uint64_t sum = 0;
    for (uint64_t n = 0; n < iterations; n++)
        sum += fibonacci(22);
    return sum;
}

// ---- str: scanning and hashing bytes ----

enum { TEXT = 65536 };

static void fill_text(uint8_t *text, uint64_t seed)
{
    for (int i = 0; i < TEXT; i++) {
        uint64_t r = next_random(&seed) >> 40;
        text[i] = r % 6 == 0 ? ' ' : (uint8_t)('a' + r % 13);
    }
}

static uint64_t run_str(uint64_t iterations)
{
    static uint8_t text[TEXT];
    fill_text(text, 4);
    uint64_t sum = 0;
    for (uint64_t n = 0; n < iterations; n++) {
        uint32_t hash = 2166136261u, words = 0;
        for (int i = 0; i < TEXT; i++) {
            if (text[i] != ' ') {
                hash = (hash ^ text[i]) * 16777619u;
                continue;
            }
            words++;
            sum += hash;
            hash = 2166136261u;
        }
        sum ^= words;
    }
    return sum;
}

// ---- lz: a greedy compressor with a hash of three bytes ----

enum { LZ_HASH = 4096, LZ_MAX = 255 };

static size_t compress(const uint8_t *in, uint8_t *out)
{
    static int32_t last[LZ_HASH];
    uint8_t *to = out;
    for (int i = 0; i < LZ_HASH; i++)
        last[i] = -1;
    for (int i = 0; i < TEXT;) {
        int length = 0, from = -1;
        if (i + 3 < TEXT) {
            uint32_t h = ((uint32_t)in[i] << 16 | in[i + 1] << 8 | in[i + 2]) * 2654435761u >> 20;
            from = last[h];
            last[h] = i;
        }
        if (from >= 0)
            while (length < LZ_MAX && i + length < TEXT && in[from + length] == in[i + length])
                length++;
        if (length < 4) {
            *to++ = 0;
            *to++ = in[i++];
            continue;
        }
        *to++ = (uint8_t)length;
        *to++ = (uint8_t)(i - from);
        *to++ = (uint8_t)((i - from) >> 8);
        i += length;
    }
    return (size_t)(to - out);
}

static uint64_t run_lz(uint64_t iterations)
{
    static uint8_t text[TEXT], packed[2 * TEXT];
    uint64_t sum = 0;
    fill_text(text, 5);
    for (uint64_t n = 0; n < iterations; n++) {
        size_t size = compress(text, packed);
        sum = sum * 31 + size + packed[size / 2];
        text[n % TEXT] ^= 1;
    }
    return sum;
}

// ---- virt: calls through a table of functions ----

enum { VIRT_CALLS = 10000 };

struct shape;
struct shape_class { uint64_t (*area)(const struct shape *); };
struct shape {
    const struct shape_class *class;
    uint64_t width, height;
};

static uint64_t square_area(const struct shape *s) { return s->width * s->width; }
static uint64_t rectangle_area(const struct shape *s) { return s->width * s->height; }
static uint64_t triangle_area(const struct shape *s) { return s->width * s->height / 2; }
static uint64_t frame_area(const struct shape *s) { return 2 * (s->width + s->height); }

static uint64_t run_virt(uint64_t iterations)
{
    static const struct shape_class CLASSES[] = {{square_area}, {rectangle_area}, {triangle_area}, {frame_area}};
    static struct shape shapes[256];
    uint64_t seed = 6, sum = 0;
    for (int i = 0; i < 256; i++) {
        uint64_t r = next_random(&seed);
        shapes[i] = (struct shape){&CLASSES[r >> 62], r >> 8 & 0xFF, r >> 16 & 0xFF};
    }
    for (uint64_t n = 0; n < iterations * VIRT_CALLS; n++) {
        const struct shape *s = &shapes[n & 255];
        sum += s->class->area(s);
    }
    return sum;
}

static const struct workload K8[] = {
    {"sha", 60, run_sha},  {"sort", 4, run_sort}, {"tree", 6, run_tree}, {"vm", 30, run_vm},
    {"fib", 120, run_fib}, {"str", 240, run_str}, {"lz", 30, run_lz},   {"virt", 150, run_virt},
};

int main(int argc, char **argv) { return run_workloads(K8, sizeof K8 / sizeof K8[0], argc, argv); }
