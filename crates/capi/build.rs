//! Names the shared library's interface version.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libWinHvPlatform.so.1");
}
