//! Building the guest programs of `guests/bench` with their script.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use anyhow::bail;

use crate::archive::Archive;

const NAMES: [&str; 5] = ["init", "kernels", "float", "os", "sql"];

/// A folder with the built programs; removed at the end unless the caller named it.
#[derive(Debug)]
pub(crate) struct Programs {
    folder: PathBuf,
    is_temporary: bool,
}

impl Programs {
    /// Builds everything into `folder`, or into a temporary one.
    pub(crate) fn build(folder: Option<&Path>) -> anyhow::Result<Self> {
        let is_temporary = folder.is_none();
        let folder = folder.map_or_else(
            || std::env::temp_dir().join(format!("openwhp-bench-{}", std::process::id())),
            Path::to_path_buf,
        );
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests/bench/build.sh");
        let programs = Self { folder, is_temporary };
        let status = Command::new("sh")
            .arg(&script)
            .arg(&programs.folder)
            .status()
            .with_context(|| format!("{}", script.display()))?;
        if !status.success() {
            bail!("{} failed: {status}", script.display());
        }
        programs.pack()?;
        Ok(programs)
    }

    /// The file of that name.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Whether that program could be built here.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.path(name).is_file()
    }

    /// The initial file system with all programs.
    pub(crate) fn initramfs(&self) -> PathBuf {
        self.path("initramfs.cpio")
    }

    fn pack(&self) -> anyhow::Result<()> {
        let mut archive = Archive::new();
        for name in NAMES.iter().filter(|name| self.has(name)) {
            let path = self.path(name);
            let contents = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            archive.add_program(name, &contents);
        }
        let path = self.initramfs();
        std::fs::write(&path, archive.finish()).with_context(|| format!("cannot write {}", path.display()))
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        if self.is_temporary {
            // What cannot be removed is left in the temporary folder; there is nobody to tell.
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}
