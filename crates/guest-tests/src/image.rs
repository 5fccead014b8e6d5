//! From the source of a program to its flat image.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;

/// A guest test program, named like its source: `legacy/faults` is `guests/tests/legacy/faults.c`.
///
/// Programs below `legacy` are 32-bit code, those below `long` 64-bit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program<'a> {
    folder: &'a str,
    name: &'a str,
}

impl<'a> Program<'a> {
    /// Takes a `folder/name` apart.
    ///
    /// # Errors
    /// When there is no such folder of programs.
    pub fn named(path: &'a str) -> Result<Self> {
        match path.split_once('/') {
            Some((folder @ ("legacy" | "long"), name)) => Ok(Self { folder, name }),
            _ => bail!("{path}: a program is named legacy/NAME or long/NAME"),
        }
    }

    fn sources(self) -> Vec<PathBuf> {
        let root = sources_root();
        let own = root.join(self.folder);
        let processors = (self.folder == "long").then(|| root.join("lib/processors.S"));
        [
            root.join("lib").join(format!("{}.S", self.folder)),
            root.join("lib/library.c"),
            own.join(format!("{}.c", self.name)),
            own.join(format!("{}.S", self.name)),
        ]
        .into_iter()
        .chain(processors)
        .filter(|file| file.exists())
        .collect()
    }
}

fn sources_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests/tests")
}

const COMPILER_FLAGS: &[&str] = &[
    "-c",
    "-std=gnu11",
    "-O1",
    "-Wall",
    "-Wextra",
    "-ffreestanding",
    "-fno-pic",
    "-fno-pie",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    "-fno-strict-aliasing",
    "-fno-tree-loop-distribute-patterns",
    "-fcf-protection=none",
    "-mno-red-zone",
    "-mgeneral-regs-only",
];

/// Compiles and links a program and returns the image, to be loaded and entered at 1 MiB. `folder` is for the
/// files on the way; programs built at the same time need different ones.
///
/// # Errors
/// When the compiler or linker is missing or refuses.
pub fn build(program: Program<'_>, folder: &Path) -> Result<Vec<u8>> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let (width, emulation) = match program.folder {
        "legacy" => ("-m32", "elf_i386"),
        _ => ("-m64", "elf_x86_64"),
    };
    let root = sources_root();
    let mut objects = Vec::new();
    for source in program.sources() {
        let file_name = source.file_name().context("a source has a name")?;
        let object = folder.join(file_name).with_added_extension("o");
        let mut compiler = Command::new("gcc");
        compiler.arg(width).args(COMPILER_FLAGS).arg("-I").arg(root.join("lib"));
        compiler.arg(format!("-Wa,-I{}", root.join("lib").display()));
        run(compiler.arg(&source).arg("-o").arg(&object))?;
        objects.push(object);
    }
    let image = folder.join("image.bin");
    let mut linker = Command::new("ld");
    linker
        .args(["-m", emulation, "-z", "noexecstack", "--oformat", "binary", "-T"])
        .arg(root.join("lib/image.ld"));
    run(linker.args(&objects).arg("-o").arg(&image))?;
    fs::read(&image).with_context(|| format!("cannot read {}", image.display()))
}

fn run(command: &mut Command) -> Result<()> {
    let tool = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| {
        format!("cannot run {tool}; the guest tests need gcc and binutils (apt install gcc)")
    })?;
    if !output.status.success() {
        bail!("{tool} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
