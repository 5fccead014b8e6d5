//! Disk images: plain files, locked against a second run, written in order, flushed when the guest says so.

use std::fs::File;
use std::fs::OpenOptions;
use std::fs::TryLockError;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use openwhp_devices::virtio::block::BlockBackend;
use openwhp_devices::virtio::block::SECTOR_BYTES;

/// A disk as the command line names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskOptions {
    /// The image.
    pub path: PathBuf,
    /// The guest may not write.
    pub is_read_only: bool,
}

/// Why a disk cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiskError {
    /// The file cannot be opened.
    #[error("cannot open disk {}: {error}{hint}", path.display())]
    Open {
        /// The image.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
        /// What may help.
        hint: &'static str,
    },
    /// Another run uses the image.
    #[error("disk {} is in use by another run; only runs with readonly=on can share a disk", path.display())]
    Locked {
        /// The image.
        path: PathBuf,
    },
    /// The file is no image.
    #[error("disk {}: {reason}", path.display())]
    Unusable {
        /// The image.
        path: PathBuf,
        /// Why not.
        reason: &'static str,
    },
}

/// An open, locked image. Clones share the file.
#[derive(Clone, Debug)]
pub struct Disk {
    file: Arc<File>,
    sectors: u64,
    is_read_only: bool,
}

impl Disk {
    /// Opens and locks an image; nothing is written.
    ///
    /// # Errors
    /// [`DiskError`] says which file and why.
    pub fn open(options: &DiskOptions) -> Result<Self, DiskError> {
        let path = options.path.clone();
        let unusable = |reason| DiskError::Unusable { path: options.path.clone(), reason };
        let opened = OpenOptions::new().read(true).write(!options.is_read_only).open(&path);
        let file = opened.map_err(|error| {
            let is_refused = error.kind() == io::ErrorKind::PermissionDenied && !options.is_read_only;
            let hint = if is_refused { "; readonly=on needs no permission to write" } else { "" };
            DiskError::Open { path: path.clone(), error, hint }
        })?;
        let metadata =
            file.metadata().map_err(|error| DiskError::Open { path: path.clone(), error, hint: "" })?;
        if metadata.is_dir() {
            return Err(unusable("it is a directory"));
        }
        let locked = if options.is_read_only { file.try_lock_shared() } else { file.try_lock() };
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DiskError::Locked { path }),
            Err(TryLockError::Error(error)) => return Err(DiskError::Open { path, error, hint: "" }),
        }
        // A block device has no length of its own in its metadata; its end can be sought.
        let len = io::Seek::seek(&mut &file, io::SeekFrom::End(0)).map_err(|error| DiskError::Open {
            path: path.clone(),
            error,
            hint: "",
        })?;
        if len < SECTOR_BYTES {
            return Err(unusable("it is smaller than one sector of 512 bytes"));
        }
        if !len.is_multiple_of(SECTOR_BYTES) {
            return Err(unusable("its length is not a multiple of 512 bytes"));
        }
        Ok(Self { file: Arc::new(file), sectors: len / SECTOR_BYTES, is_read_only: options.is_read_only })
    }
}

impl BlockBackend for Disk {
    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(bytes, offset)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(len: u64) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.as_file().set_len(len).expect("room for a small file");
        file
    }

    fn options(path: &std::path::Path, is_read_only: bool) -> DiskOptions {
        DiskOptions { path: path.to_owned(), is_read_only }
    }

    #[test]
    fn a_disk_is_used_by_one_writer_or_many_readers() {
        let file = image(4096);
        let writer = Disk::open(&options(file.path(), false)).expect("free");
        let refused = Disk::open(&options(file.path(), false)).expect_err("in use");
        assert!(matches!(refused, DiskError::Locked { .. }));
        assert!(Disk::open(&options(file.path(), true)).is_err());
        drop(writer);
        let reader = Disk::open(&options(file.path(), true)).expect("free");
        assert!(Disk::open(&options(file.path(), true)).is_ok());
        assert!(Disk::open(&options(file.path(), false)).is_err());
        drop(reader);
    }

    #[test]
    fn unusable_images_are_refused_with_a_reason() {
        let missing = Disk::open(&options("/nonexistent/disk".as_ref(), false)).expect_err("missing");
        assert!(missing.to_string().contains("/nonexistent/disk"));
        for len in [0, 511, 513] {
            let file = image(len);
            assert!(matches!(Disk::open(&options(file.path(), false)), Err(DiskError::Unusable { .. })));
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert!(Disk::open(&options(folder.path(), true)).is_err());
    }

    #[test]
    fn what_is_written_is_in_the_file() {
        let file = image(4096);
        let mut disk = Disk::open(&options(file.path(), false)).expect("free");
        disk.write_at(512, b"hello").expect("inside of the file");
        disk.flush().expect("a file system that syncs");
        let bytes = std::fs::read(file.path()).expect("readable");
        assert_eq!(&bytes[512..517], b"hello");
        assert_eq!(bytes.len(), 4096);
    }
}
