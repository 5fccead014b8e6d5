//! Names the shared library's interface version, and lets it find its sisters in its own folder.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libopenwhp_windows.so.1");
    // LoadLibrary looks for libWinHvPlatform.so beside this library first.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-rpath,$ORIGIN");
    // Bounds of linker-made tables are no part of the interface.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,start-stop-visibility=hidden");
}
