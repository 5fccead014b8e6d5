//! Where host pages are: in memory, elsewhere, or locked into it.

#![expect(unsafe_code, reason = "asks the host about address ranges, and locks pages into memory")]

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;

use openwhp_engine::PAGE_SIZE;

use crate::vp_shared::lock;

const PAGE: usize = PAGE_SIZE as usize;

/// True if the host page is in memory, so that touching it waits for nothing. Also true if the host cannot tell.
pub(crate) fn is_resident(host: usize) -> bool {
    let mut state = 0_u8;
    let start = std::ptr::without_provenance_mut(host & !(PAGE - 1));
    // SAFETY: one byte is written for the one page asked about; an address that is not mapped is an error.
    let result = unsafe { libc::mincore(start, PAGE, &raw mut state) };
    result != 0 || state & 1 != 0
}

/// Asks the host to start reading a range in.
pub(crate) fn prefetch(host: usize, len: usize) {
    // SAFETY: advice of this kind changes no content.
    unsafe { libc::madvise(std::ptr::without_provenance_mut(host), len, libc::MADV_WILLNEED) };
}

/// Tells pages that must be read from a disk from those that need only be made.
pub(crate) struct DiskPages {
    /// Host ranges backed by files that are not memory themselves.
    files: Vec<(usize, usize)>,
    pagemap: Option<File>,
}

impl DiskPages {
    /// Takes the present state of the process.
    pub(crate) fn new() -> Self {
        let list = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        let files = list.lines().filter_map(file_range).collect();
        Self { files, pagemap: File::open("/proc/self/pagemap").ok() }
    }

    /// True if touching the page would read from a disk.
    pub(crate) fn contains(&self, host: usize) -> bool {
        if is_resident(host) {
            return false;
        }
        let is_in_file = self.files.iter().any(|(start, end)| (*start..*end).contains(&host));
        is_in_file || self.is_swapped(host)
    }

    fn is_swapped(&self, host: usize) -> bool {
        let mut entry = [0; 8];
        let at = (host / PAGE * 8) as u64;
        let read = self.pagemap.as_ref().map(|file| file.read_exact_at(&mut entry, at));
        matches!(read, Some(Ok(()))) && u64::from_le_bytes(entry) >> 62 & 1 != 0
    }
}

/// The range of a mapping of a file on a disk.
fn file_range(line: &str) -> Option<(usize, usize)> {
    let mut words = line.splitn(6, ' ');
    let (start, end) = words.next()?.split_once('-')?;
    let path = words.nth(4)?.trim_start();
    let is_memory = ["/memfd:", "/dev/zero", "/dev/shm/", "/SYSV", "["].iter().any(|p| path.starts_with(p));
    let is_file = path.starts_with('/') && !is_memory;
    let address = |text| usize::from_str_radix(text, 16).ok();
    if is_file { Some((address(start)?, address(end)?)) } else { None }
}

/// How often each host page is pinned by partitions of this process. Locks of the host do not nest.
static LOCKED: Mutex<BTreeMap<usize, u32>> = Mutex::new(BTreeMap::new());

/// Locks a host page into memory, as far as the host's limits allow; once for each call.
pub(crate) fn pin(host: usize) {
    let mut locked = lock(&LOCKED);
    let count = locked.entry(host).or_default();
    *count += 1;
    if *count == 1 {
        // SAFETY: locking a page changes no content. A refusal (RLIMIT_MEMLOCK) leaves it resident for now.
        unsafe { libc::mlock(std::ptr::without_provenance(host), PAGE) };
    }
}

/// Undoes one [`pin`].
pub(crate) fn unpin(host: usize) {
    let mut locked = lock(&LOCKED);
    let Some(count) = locked.get_mut(&host) else { return };
    *count -= 1;
    if *count == 0 {
        locked.remove(&host);
        // SAFETY: unlocking a page changes no content; pages that are gone are an error without effect.
        unsafe { libc::munlock(std::ptr::without_provenance(host), PAGE) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_on_disks_are_told_from_memory() {
        let range = |path: &str| file_range(&format!("1000-3000 rw-s 00000000 08:01 42 {path}"));
        assert_eq!(range("                  /var/guest.img"), Some((0x1000, 0x3000)));
        assert_eq!(range("/memfd:guest (deleted)"), None);
        assert_eq!(range("[heap]"), None);
        assert_eq!(file_range("1000-3000 rw-p 00000000 00:00 0 "), None);
    }

    #[test]
    fn own_fresh_memory_needs_no_disk() {
        let memory = vec![1_u8; 3 * PAGE];
        let page = (memory.as_ptr() as usize).next_multiple_of(PAGE);
        assert!(is_resident(page));
        assert!(!DiskPages::new().contains(page));
    }
}
