//! A writer for the archive format that Linux unpacks as its first file system.
//!
//! # Source
//! Linux documentation, "initramfs buffer format" (cpio "newc").

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const CONSOLE: u32 = 0o020_600;

/// An archive under construction.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    /// An archive with the console device that the first process needs for its output.
    pub(crate) fn new() -> Self {
        let mut archive = Self::default();
        archive.add("dev", DIRECTORY, (0, 0), &[]);
        archive.add("dev/console", CONSOLE, (5, 1), &[]);
        archive
    }

    /// Adds an executable file.
    pub(crate) fn add_program(&mut self, name: &str, contents: &[u8]) {
        self.add(name, PROGRAM, (0, 0), contents);
    }

    /// The finished archive.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.add("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }

    fn add(&mut self, name: &str, mode: u32, device: (u32, u32), contents: &[u8]) {
        self.entries += 1;
        let size = u32::try_from(contents.len()).unwrap_or(u32::MAX);
        let name_size = u32::try_from(name.len() + 1).unwrap_or(u32::MAX);
        // inode, mode, uid, gid, links, mtime, size, device of the file, device it names, name size, checksum
        let fields = [self.entries, mode, 0, 0, 1, 0, size, 0, 0, device.0, device.1, name_size, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(contents);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::Archive;

    #[test]
    fn entries_are_aligned_and_end_with_the_trailer() {
        let mut archive = Archive::new();
        archive.add_program("init", b"12345");
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 4, 0);
        let starts: Vec<usize> =
            bytes.windows(6).enumerate().filter(|(_, w)| *w == b"070701").map(|(at, _)| at).collect();
        assert_eq!(starts.len(), 4);
        assert!(starts.iter().all(|at| at % 4 == 0));
        let program = &bytes[starts[2]..starts[3]];
        assert_eq!(&program[54..62], b"00000005");
        assert_eq!(&program[110..115], b"init\0");
        assert_eq!(&program[116..121], b"12345");
        assert!(bytes[starts[3]..].windows(10).any(|w| w == b"TRAILER!!!"));
    }
}
