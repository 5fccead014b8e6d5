//! Names the shared library's interface version and keeps everything else inside.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libWinHvEmulation.so.1");
    // Bounds of linker-made tables are no part of the interface.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,start-stop-visibility=hidden");
}
