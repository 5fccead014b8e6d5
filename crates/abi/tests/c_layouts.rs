//! Every row of the specification's tables against the C headers, as each installed compiler sees them.
//!
//! A program is written from the tables, compiled against `include/` as C11 and as C++17 for both instruction sets,
//! and prints what it finds; its output is compared with the tables.

mod spec;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

const LANGUAGES: [(&str, &str); 2] = [("c", "c11"), ("c++", "c++17")];
const COMPILERS: [&str; 2] = ["gcc", "clang"];

const PROLOGUE: &str = r#"
#include "openwhp.h"
#ifdef OPENWHP_ABI_X64
#include "WinHvEmulation.h"
#endif
#include <stdio.h>
#include <string.h>
#ifdef __cplusplus
#include <type_traits>
#define ALIGNOF(type) alignof(type)
#define CHECK_PROTOTYPE(name, ...) static_assert(std::is_same<decltype(name), HRESULT(__VA_ARGS__)>::value, #name)
#else
#define ALIGNOF(type) _Alignof(type)
#define CHECK_PROTOTYPE(name, ...) \
    _Static_assert(__builtin_types_compatible_p(__typeof__(name), HRESULT(__VA_ARGS__)), #name)
#endif
#define TYPE(type) printf(#type " %zu %zu\n", sizeof(type), (size_t)ALIGNOF(type))
#define FIELD(type, field, key) printf(key " %zu %zu\n", offsetof(type, field), sizeof(((type *)0)->field))
#define BITS(type, field, key)                       \
    do {                                             \
        type x;                                      \
        memset((void *)&x, 0, sizeof x);             \
        x.field = ones;                              \
        print_bits(key, (const UINT8 *)&x, sizeof x); \
    } while (0)
#define CONSTANT(value, key) printf(key " %lld\n", (long long)(value))

static volatile UINT8 ones_source = 0xFF;

static void print_bits(const char *key, const UINT8 *bytes, size_t size) {
    size_t first = size * 8, count = 0;
    for (size_t bit = 0; bit < size * 8; bit++) {
        if (bytes[bit / 8] >> (bit % 8) & 1) {
            if (count == 0) first = bit;
            count++;
        }
    }
    printf("%s %zu %zu\n", key, first, count);
}
"#;

/// One thing that the program prints: its key and what must follow.
struct Expectation {
    key: String,
    values: Vec<i64>,
}

/// The program's statements for one instruction set, and what it must print.
fn program(folder: &Path, isa: &str) -> (String, Vec<Expectation>) {
    let mut prototypes = String::new();
    let mut body = String::new();
    let mut expected = Vec::new();
    let mut expect = |key: &str, values: &[u64]| {
        expected
            .push(Expectation { key: key.to_owned(), values: values.iter().map(|v| *v as i64).collect() });
    };
    for row in spec::rows(folder, &format!("types-{isa}.csv")) {
        let (name, field) = (&row[0], &row[4]);
        if field.is_empty() {
            writeln!(body, "    TYPE({name});").expect("writing to memory");
            expect(name, &[spec::number(&row[2]), spec::number(&row[3])]);
            continue;
        }
        let key = format!("{name}.{field}");
        if row[7].is_empty() {
            writeln!(body, "    FIELD({name}, {field}, \"{key}\");").expect("writing to memory");
            expect(&key, &[spec::number(&row[5]), spec::number(&row[8])]);
        } else {
            writeln!(body, "    BITS({name}, {field}, \"{key}\");").expect("writing to memory");
            expect(&key, &[spec::number(&row[5]) * 8 + spec::number(&row[6]), spec::number(&row[7])]);
        }
    }
    for row in spec::rows(folder, &format!("constants-{isa}.csv")) {
        writeln!(body, "    CONSTANT({0}, \"{0}\");", row[0]).expect("writing to memory");
        let value: i128 = row[4].parse().expect("a decimal constant");
        expect(&row[0], &[value as u64]);
    }
    for row in spec::rows(folder, "hresults.csv") {
        writeln!(body, "    CONSTANT({0}, \"{0}\");", row[0]).expect("writing to memory");
        expect(&row[0], &[i64::from(spec::number(&row[1]) as i32) as u64]);
    }
    for row in spec::rows(folder, "functions.csv") {
        if isa == "arm64" && row[5] == "x64" {
            continue;
        }
        writeln!(prototypes, "CHECK_PROTOTYPE({}, {});", row[0], row[3].replace(';', ","))
            .expect("writing to memory");
        writeln!(body, "    CONSTANT(Is{0}Present(), \"{0}\");", row[0]).expect("writing to memory");
        expect(&row[0], &[1]);
    }
    let text = format!(
        "{PROLOGUE}\n{prototypes}\nint main(void) {{\n    UINT64 ones = ones_source ? ~(UINT64)0 : 0;\n{body}    return 0;\n}}\n"
    );
    (text, expected)
}

/// Compiles and runs a program; `None` when the compiler is not installed.
fn output_of(compiler: &str, language: (&str, &str), isa: &str, text: &str) -> Option<String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let source = folder.path().join("layouts.c");
    let binary = folder.path().join("layouts");
    std::fs::write(&source, text).expect("the source is written");
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../include");
    let compiled = Command::new(compiler)
        .args(["-x", language.0, &format!("-std={}", language.1), "-Wall", "-Wextra", "-Werror", "-pedantic"])
        .args(["-O0", &format!("-DOPENWHP_ABI_{}", isa.to_uppercase()), "-I"])
        .arg(&include)
        .arg(&source)
        .arg("-o")
        .arg(&binary)
        .output();
    let Ok(compiled) = compiled else {
        eprintln!("SKIPPED: no compiler {compiler}");
        return None;
    };
    let messages = String::from_utf8_lossy(&compiled.stderr);
    assert!(compiled.status.success(), "{compiler} {} {isa}:\n{messages}", language.1);
    let run = Command::new(&binary).output().expect("the program starts");
    assert!(run.status.success(), "{compiler} {} {isa}: the program failed", language.1);
    Some(String::from_utf8(run.stdout).expect("the program prints text"))
}

fn check(compiler: &str, isa: &str) {
    let Some(folder) = spec::directory() else { return };
    let (text, expected) = program(&folder, isa);
    for language in LANGUAGES {
        let Some(output) = output_of(compiler, language, isa, &text) else { return };
        let mut found: HashMap<&str, Vec<i64>> = HashMap::new();
        for line in output.lines() {
            let mut words = line.split(' ');
            let key = words.next().unwrap_or_default();
            found.insert(key, words.map(|word| word.parse().expect("a number")).collect());
        }
        for expectation in &expected {
            let values = found.get(expectation.key.as_str());
            assert_eq!(
                values,
                Some(&expectation.values),
                "{compiler} {} {isa}: {}",
                language.1,
                expectation.key
            );
        }
        assert_eq!(found.len(), expected.len(), "{compiler} {} {isa}: keys are unique", language.1);
    }
}

#[test]
fn x64_headers_have_the_layouts_of_the_tables() {
    for compiler in COMPILERS {
        check(compiler, "x64");
    }
}

#[test]
fn arm64_headers_have_the_layouts_of_the_tables() {
    for compiler in COMPILERS {
        check(compiler, "arm64");
    }
}
