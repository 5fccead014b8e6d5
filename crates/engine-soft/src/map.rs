//! The guest physical memory map: an immutable, sorted table of slots.
//!
//! A change makes a new table; processors keep the one they have until they are told to fetch the new one, so a table
//! that somebody still reads is never altered. What is written at any time (dirty bits, code words) lives in atomics
//! that the tables share.
//!
//! In front of what clients mapped lie pages of the engine's own (overlays), and doorbells: both hide what is mapped
//! beneath, which changes with every map and unmap as if they were not there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use openwhp_engine::HostRange;
use openwhp_engine::MapFlags;
use openwhp_engine::PAGE_SIZE;

use crate::doorbells::Doorbells;
use crate::overlay::OverlayPage;
use crate::residency;
use crate::vp_shared::lock;
use crate::zeroed::Zeroed;

/// A bit per page, set and cleared by anybody.
#[derive(Debug)]
pub(crate) struct PageBits(Zeroed<AtomicU64>);

impl PageBits {
    fn new(pages: u64) -> Option<Self> {
        Zeroed::new(usize::try_from(pages.div_ceil(64)).ok()?).map(Self)
    }

    fn word(&self, page: u64) -> Option<(&AtomicU64, u64)> {
        Some((self.0.get((page / 64) as usize)?, 1 << (page % 64)))
    }

    pub(crate) fn get(&self, page: u64) -> bool {
        self.word(page).is_some_and(|(word, bit)| word.load(Ordering::SeqCst) & bit != 0)
    }

    pub(crate) fn set(&self, page: u64) {
        if let Some((word, bit)) = self.word(page) {
            word.fetch_or(bit, Ordering::SeqCst);
        }
    }

    pub(crate) fn take(&self, page: u64) -> bool {
        self.word(page).is_some_and(|(word, bit)| word.fetch_and(!bit, Ordering::SeqCst) & bit != 0)
    }
}

/// Code words of a host range: see `openwhp_x86::env::RamPage::code`. Mappings of the same host memory share them, so
/// that code is noticed to change through any alias.
#[derive(Debug)]
pub(crate) struct CodeWords {
    host: usize,
    words: Zeroed<AtomicU32>,
    /// Pages whose protection is complete: no processor keeps a right to write them silently.
    guarded: PageBits,
}

impl CodeWords {
    fn new(host: usize, pages: u64) -> Option<Self> {
        let words = Zeroed::new(usize::try_from(pages).ok()?)?;
        Some(Self { host, words, guarded: PageBits::new(pages)? })
    }

    /// Index of the word of a host page, if all of `pages` pages from there are covered.
    fn covers(&self, host: usize, pages: u64) -> Option<u64> {
        let first = host.checked_sub(self.host)? as u64 / PAGE_SIZE;
        let end = first.checked_add(pages)?;
        (end <= self.words.len() as u64).then_some(first)
    }
}

/// What the pages of one mapping remember.
#[derive(Debug)]
struct PageState {
    /// Host address of the first page.
    host: usize,
    dirty: Option<PageBits>,
    populated: PageBits,
    /// Pins by page.
    pins: Mutex<BTreeMap<u64, u32>>,
}

impl PageState {
    fn new(host: usize, pages: u64, is_tracked: bool) -> Option<Self> {
        let dirty = if is_tracked { Some(PageBits::new(pages)?) } else { None };
        Some(Self { host, dirty, populated: PageBits::new(pages)?, pins: Mutex::default() })
    }

    fn host_of(&self, page: u64) -> usize {
        self.host + (page * PAGE_SIZE) as usize
    }

    /// Ends all pins of the pages `[start, end)`.
    fn release_pins(&self, start: u64, end: u64) {
        let mut pins = lock(&self.pins);
        let gone: Vec<u64> = pins.range(start..end).map(|(&page, _)| page).collect();
        for page in gone {
            pins.remove(&page);
            residency::unpin(self.host_of(page));
        }
    }
}

impl Drop for PageState {
    fn drop(&mut self) {
        self.release_pins(0, u64::MAX);
    }
}

/// One run of guest pages backed by one run of host pages.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    /// First guest page number.
    pub(crate) page: u64,
    /// Number of pages.
    pub(crate) pages: u64,
    /// Host address of the first page.
    pub(crate) host: usize,
    /// Rights.
    pub(crate) flags: MapFlags,
    state: Arc<PageState>,
    /// Page of `state` that belongs to the first page of this slot.
    state_page: u64,
    code: Arc<CodeWords>,
    code_page: u64,
}

impl Slot {
    /// A slot of one page at no place yet; its memory must outlive the slot.
    pub(crate) fn single(host: usize, flags: MapFlags) -> Option<Slot> {
        let state = Arc::new(PageState::new(host, 1, false)?);
        let code = Arc::new(CodeWords::new(host, 1)?);
        Some(Slot { page: 0, pages: 1, host, flags, state, state_page: 0, code, code_page: 0 })
    }

    /// A slot of one page, at a place.
    pub(crate) fn at(&self, page: u64) -> Slot {
        Slot { page, ..self.clone() }
    }

    fn end(&self) -> u64 {
        self.page + self.pages
    }

    /// Host address of a page of this slot.
    pub(crate) fn host_of(&self, page: u64) -> usize {
        self.host + ((page - self.page) * PAGE_SIZE) as usize
    }

    /// The code word of a page of this slot.
    pub(crate) fn code_word(&self, page: u64) -> &AtomicU32 {
        let index = self.code_page + (page - self.page);
        &self.code.words[(index as usize).min(self.code.words.len() - 1)]
    }

    /// True if the page is marked as code and every processor has honoured that.
    pub(crate) fn is_guarded(&self, page: u64) -> bool {
        self.code_word(page).load(Ordering::SeqCst) & 1 != 0
            && self.code.guarded.get(self.code_page + (page - self.page))
    }

    /// Marks the page as code; not yet guarded.
    pub(crate) fn mark_code(&self, page: u64) {
        self.code.guarded.take(self.code_page + (page - self.page));
        self.code_word(page).fetch_or(1, Ordering::SeqCst);
    }

    /// Every processor has honoured the mark.
    pub(crate) fn set_guarded(&self, page: u64) {
        self.code.guarded.set(self.code_page + (page - self.page));
    }

    /// Tells processors that bytes of the page changed behind their backs: decoded code is checked again.
    pub(crate) fn note_write(&self, page: u64) {
        let word = self.code_word(page);
        if word.load(Ordering::SeqCst) & 1 != 0 {
            word.fetch_add(2, Ordering::SeqCst);
        }
    }

    pub(crate) fn is_tracked(&self) -> bool {
        self.state.dirty.is_some()
    }

    /// True if a write to the page must be announced.
    pub(crate) fn is_clean(&self, page: u64) -> bool {
        self.state.dirty.as_ref().is_some_and(|bits| !bits.get(self.state_page + (page - self.page)))
    }

    pub(crate) fn mark_dirty(&self, page: u64) {
        if let Some(bits) = &self.state.dirty {
            bits.set(self.state_page + (page - self.page));
        }
    }

    pub(crate) fn take_dirty(&self, page: u64) -> bool {
        self.state.dirty.as_ref().is_some_and(|bits| bits.take(self.state_page + (page - self.page)))
    }

    pub(crate) fn is_populated(&self, page: u64) -> bool {
        self.state.populated.get(self.state_page + (page - self.page))
    }

    pub(crate) fn mark_populated(&self, page: u64) {
        self.state.populated.set(self.state_page + (page - self.page));
    }

    pub(crate) fn forget_populated(&self, page: u64) {
        self.state.populated.take(self.state_page + (page - self.page));
    }

    /// How often the page is pinned.
    pub(crate) fn pins(&self, page: u64) -> u32 {
        lock(&self.state.pins).get(&(self.state_page + (page - self.page))).copied().unwrap_or(0)
    }

    /// Pins the page once more; its first pin locks it into the host's memory.
    pub(crate) fn pin(&self, page: u64) {
        let mut pins = lock(&self.state.pins);
        let count = pins.entry(self.state_page + (page - self.page)).or_default();
        if *count == 0 {
            residency::pin(self.host_of(page));
        }
        *count = count.saturating_add(1);
    }

    /// Undoes one pin.
    pub(crate) fn unpin(&self, page: u64) {
        let index = self.state_page + (page - self.page);
        let mut pins = lock(&self.state.pins);
        let Some(count) = pins.get_mut(&index) else { return };
        *count -= 1;
        if *count == 0 {
            pins.remove(&index);
            residency::unpin(self.host_of(page));
        }
    }

    /// The part of the slot inside `[start, end)`, which must not be empty.
    fn cut(&self, start: u64, end: u64) -> Slot {
        let skip = start - self.page;
        Slot {
            page: start,
            pages: end - start,
            host: self.host_of(start),
            state_page: self.state_page + skip,
            code_page: self.code_page + skip,
            ..self.clone()
        }
    }
}

/// A page of the engine's own in front of guest memory.
#[derive(Clone, Debug)]
struct Overlay {
    slot: Slot,
    page: Arc<OverlayPage>,
}

/// What a processor finds at a guest page.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found<'m> {
    /// Memory that a client mapped.
    Memory(&'m Slot),
    /// A page of the engine's own.
    Overlay(&'m Slot),
    /// Doorbells; unmapped otherwise.
    Doorbells,
    /// Nothing.
    Nothing,
}

/// The whole map.
#[derive(Clone, Debug, Default)]
pub(crate) struct GpaMap {
    slots: Vec<Slot>,
    /// Ascending by page; of those at one page, the last one counts.
    overlays: Vec<Overlay>,
    doorbells: Doorbells,
}

impl GpaMap {
    /// What a processor finds at a page.
    pub(crate) fn look(&self, page: u64) -> Found<'_> {
        if let Some(slot) = self.overlay(page) {
            return Found::Overlay(slot);
        }
        if self.doorbells.has_page(page) {
            return Found::Doorbells;
        }
        self.mapped(page).map_or(Found::Nothing, Found::Memory)
    }

    /// The memory that a processor finds at a page.
    pub(crate) fn find(&self, page: u64) -> Option<&Slot> {
        match self.look(page) {
            Found::Memory(slot) | Found::Overlay(slot) => Some(slot),
            Found::Doorbells | Found::Nothing => None,
        }
    }

    fn overlay(&self, page: u64) -> Option<&Slot> {
        let after = self.overlays.partition_point(|overlay| overlay.slot.page <= page);
        let slot = &self.overlays.get(after.checked_sub(1)?)?.slot;
        (slot.page == page).then_some(slot)
    }

    /// The map with `overlay` in front of a page and nowhere else, or nowhere at all; `None` if it is so already.
    pub(crate) fn with_overlay(&self, overlay: &Arc<OverlayPage>, page: Option<u64>) -> Option<GpaMap> {
        let is_it = |other: &Overlay| Arc::ptr_eq(&other.page, overlay);
        let now = self.overlays.iter().find(|other| is_it(other)).map(|other| other.slot.page);
        let is_on_top =
            page.and_then(|page| self.overlay(page)).is_some_and(|slot| slot.host == overlay.host());
        if now == page && (page.is_none() || is_on_top) {
            return None;
        }
        let mut map = self.clone();
        map.overlays.retain(|other| !is_it(other));
        if let Some(page) = page {
            let at = map.overlays.partition_point(|other| other.slot.page <= page);
            map.overlays.insert(at, Overlay { slot: overlay.slot(page), page: overlay.clone() });
        }
        Some(map)
    }

    /// The doorbells.
    pub(crate) fn doorbells(&self) -> &Doorbells {
        &self.doorbells
    }

    /// The map with other doorbells.
    pub(crate) fn with_doorbells(&self, doorbells: Doorbells) -> GpaMap {
        GpaMap { doorbells, ..self.clone() }
    }

    /// The slot that clients mapped at a page, whatever lies in front of it.
    pub(crate) fn mapped(&self, page: u64) -> Option<&Slot> {
        let after = self.slots.partition_point(|slot| slot.page <= page);
        let slot = self.slots.get(after.checked_sub(1)?)?;
        (page < slot.end()).then_some(slot)
    }

    /// The map without the pages `[start, end)`.
    pub(crate) fn without(&self, start: u64, end: u64) -> GpaMap {
        let mut slots = Vec::with_capacity(self.slots.len() + 2);
        for slot in &self.slots {
            if slot.page < start {
                slots.push(slot.cut(slot.page, slot.end().min(start)));
            }
            if slot.end() > end {
                slots.push(slot.cut(slot.page.max(end), slot.end()));
            }
        }
        GpaMap { slots, overlays: self.overlays.clone(), doorbells: self.doorbells.clone() }
    }

    /// The map with `host` at `page`, replacing what was there; `None` if there is no memory for its tables.
    pub(crate) fn with(&self, host: HostRange, page: u64, flags: MapFlags) -> Option<GpaMap> {
        let pages = host.len() as u64 / PAGE_SIZE;
        let mut map = self.without(page, page + pages);
        let shared = self.slots.iter().find_map(|slot| {
            let first = slot.code.covers(host.start(), pages)?;
            Some((slot.code.clone(), first))
        });
        let (code, code_page) = match shared {
            Some(shared) => shared,
            None => (Arc::new(CodeWords::new(host.start(), pages)?), 0),
        };
        let is_tracked = flags.contains(MapFlags::TRACK_DIRTY);
        let state = Arc::new(PageState::new(host.start(), pages, is_tracked)?);
        let slot = Slot { page, pages, host: host.start(), flags, state, state_page: 0, code, code_page };
        let at = map.slots.partition_point(|other| other.page < page);
        map.slots.insert(at, slot);
        Some(map)
    }

    /// Ends the pins of pages that clients mapped in `[start, end)`.
    pub(crate) fn release_pins(&self, start: u64, end: u64) {
        for slot in &self.slots {
            let (from, to) = (slot.page.max(start), slot.end().min(end));
            if from < to {
                let skip = slot.state_page.wrapping_sub(slot.page);
                slot.state.release_pins(from.wrapping_add(skip), to.wrapping_add(skip));
            }
        }
    }

    /// Calls `visit` with the host range of every stretch that clients mapped in `[start, end)`.
    pub(crate) fn each_run(&self, start: u64, end: u64, visit: impl Fn(usize, usize)) {
        for slot in &self.slots {
            let (from, to) = (slot.page.max(start), slot.end().min(end));
            if from < to {
                visit(slot.host_of(from), ((to - from) * PAGE_SIZE) as usize);
            }
        }
    }

    /// Number of mapped pages.
    pub(crate) fn pages(&self) -> u64 {
        self.slots.iter().map(|slot| slot.pages).sum()
    }

    /// Pages of 4 KiB, 2 MiB and 1 GiB that would map all of it: the largest that addresses of both sides allow.
    pub(crate) fn pages_by_size(&self) -> [u64; 3] {
        let mut counts = [0; 3];
        for slot in &self.slots {
            let (mut page, mut host, mut left) = (slot.page, slot.host as u64 / 4096, slot.pages);
            while left != 0 {
                let fits = |size: &u64| page % size == 0 && host % size == 0 && left >= *size;
                let (kind, size) = match () {
                    () if fits(&(1 << 18)) => (2, 1 << 18),
                    () if fits(&(1 << 9)) => (1, 1 << 9),
                    () => (0, small_run(page, host, left)),
                };
                counts[kind] += if kind == 0 { size } else { 1 };
                (page, host, left) = (page + size, host + size, left - size);
            }
        }
        counts
    }

    /// Calls `visit` for every page that clients mapped in `[start, end)`, in order; stops at the first page that is not mapped or that
    /// `visit` refuses, and returns its number.
    pub(crate) fn each_page(
        &self,
        start: u64,
        end: u64,
        mut visit: impl FnMut(&Slot, u64) -> bool,
    ) -> Result<(), u64> {
        let mut page = start;
        while page < end {
            let slot = self.mapped(page).ok_or(page)?;
            let stop = slot.end().min(end);
            while page < stop {
                if !visit(slot, page) {
                    return Err(page);
                }
                page += 1;
            }
        }
        Ok(())
    }
}

/// Small pages up to the next place where a 2 MiB page may begin on both sides, or to the end.
fn small_run(page: u64, host: u64, left: u64) -> u64 {
    if page % 512 == host % 512 { (512 - page % 512).min(left) } else { left }
}

#[cfg(test)]
#[expect(unsafe_code, reason = "makes host ranges that are never touched")]
mod tests {
    use super::*;

    fn host(start: usize, pages: usize) -> HostRange {
        // SAFETY: the map only computes with the addresses.
        unsafe { HostRange::new(start, pages * PAGE_SIZE as usize) }
    }

    fn map(base: &GpaMap, host: HostRange, page: u64, flags: MapFlags) -> GpaMap {
        base.with(host, page, flags).expect("tables")
    }

    fn layout(map: &GpaMap) -> Vec<(u64, u64, usize)> {
        map.slots.iter().map(|slot| (slot.page, slot.pages, slot.host)).collect()
    }

    const RW: MapFlags = MapFlags::READ.union(MapFlags::WRITE);

    #[test]
    fn mapping_inside_a_mapping_splits_it() {
        let whole = map(&GpaMap::default(), host(0x10_0000, 8), 16, RW);
        let map = map(&whole, host(0x90_0000, 2), 18, RW);
        assert_eq!(layout(&map), [(16, 2, 0x10_0000), (18, 2, 0x90_0000), (20, 4, 0x10_4000)]);
        assert_eq!(map.find(21).map(|slot| slot.host_of(21)), Some(0x10_5000));
        assert_eq!(map.pages(), 8);
    }

    #[test]
    fn unmapping_holes_and_parts_keeps_the_rest() {
        let map = map(&GpaMap::default(), host(0x1000, 4), 4, RW).without(0, 5).without(7, 1 << 50);
        assert_eq!(layout(&map), [(5, 2, 0x2000)]);
        assert!(map.find(4).is_none() && map.find(7).is_none());
        assert!(layout(&map.without(0, u64::MAX)).is_empty());
    }

    #[test]
    fn dirty_bits_follow_their_pages_through_splits() {
        let tracked = map(&GpaMap::default(), host(0x1000, 4), 0, RW | MapFlags::TRACK_DIRTY);
        tracked.find(3).expect("mapped").mark_dirty(3);
        let split = map(&tracked, host(0x9000, 1), 1, RW);
        assert!(split.find(2).is_some_and(|slot| slot.is_clean(2)));
        assert!(split.find(3).is_some_and(|slot| slot.take_dirty(3) && slot.is_clean(3)));
        assert!(split.find(1).is_some_and(|slot| !slot.is_tracked()));
    }

    #[test]
    fn aliases_share_code_words() {
        let whole = map(&GpaMap::default(), host(0x1000, 4), 0, RW);
        let map = map(&whole, host(0x3000, 1), 100, RW);
        let word = |page: u64| map.find(page).map(|slot| std::ptr::from_ref(slot.code_word(page)));
        assert_eq!(word(2), word(100));
        assert_ne!(word(1), word(100));
    }

    fn overlay(rights: MapFlags) -> Arc<OverlayPage> {
        Arc::new(OverlayPage::new(rights).expect("a page"))
    }

    fn host_at(map: &GpaMap, page: u64) -> Option<usize> {
        map.find(page).map(|slot| slot.host_of(page))
    }

    #[test]
    fn an_overlay_hides_what_is_mapped_beneath_and_survives_its_changes() {
        let page = overlay(RW);
        let base = map(&GpaMap::default(), host(0x10_0000, 8), 16, RW);
        let covered = base.with_overlay(&page, Some(18)).expect("a change");
        assert!(matches!(covered.look(18), Found::Overlay(slot) if slot.host == page.host()));
        assert_eq!(host_at(&covered, 17), Some(0x10_1000));
        let emptied = covered.without(0, 100);
        assert_eq!(host_at(&emptied, 18), Some(page.host()));
        assert!(emptied.mapped(18).is_none());
        let filled = map(&emptied, host(0x90_0000, 1), 18, RW);
        let bare = filled.with_overlay(&page, None).expect("a change");
        assert_eq!(host_at(&bare, 18), Some(0x90_0000));
        assert_eq!((covered.pages(), bare.pages()), (8, 1));
    }

    #[test]
    fn the_latest_overlay_of_a_page_counts() {
        let (one, two) = (overlay(RW), overlay(RW));
        let map = GpaMap::default().with_overlay(&one, Some(5)).expect("a change");
        let map = map.with_overlay(&two, Some(5)).expect("a change");
        assert_eq!(host_at(&map, 5), Some(two.host()));
        assert!(map.with_overlay(&two, Some(5)).is_none(), "it is on top already");
        let again = map.with_overlay(&one, Some(5)).expect("a change");
        assert_eq!(host_at(&again, 5), Some(one.host()));
        let moved = map.with_overlay(&two, Some(4)).expect("a change");
        assert_eq!((host_at(&moved, 4), host_at(&moved, 5)), (Some(two.host()), Some(one.host())));
        let gone = moved.with_overlay(&one, None).expect("a change");
        assert!(gone.find(5).is_none());
        assert!(gone.with_overlay(&one, None).is_none());
    }

    #[test]
    fn doorbells_lie_between_overlays_and_memory() {
        let base = map(&GpaMap::default(), host(0x10_0000, 8), 0, RW);
        let on =
            openwhp_engine::DoorbellMatch { gpa: openwhp_engine::Gpa(0x2008), length: None, value: None };
        let event =
            openwhp_engine::Event::from(std::os::fd::OwnedFd::from(std::io::pipe().expect("a pipe").1));
        let bells = base.doorbells().with(on, event).expect("no conflict");
        let map = base.with_doorbells(bells);
        assert!(matches!(map.look(2), Found::Doorbells) && map.find(2).is_none());
        assert!(map.find(1).is_some() && map.find(3).is_some());
        let map = map.with_overlay(&overlay(RW), Some(2)).expect("a change");
        assert!(matches!(map.look(2), Found::Overlay(_)));
    }

    #[test]
    fn walking_names_the_first_page_that_fails() {
        let first = map(&GpaMap::default(), host(0x1000, 2), 1, RW);
        let map = map(&first, host(0x8000, 2), 3, RW);
        assert_eq!(map.each_page(1, 5, |_, _| true), Ok(()));
        assert_eq!(map.each_page(1, 6, |_, _| true), Err(5));
        assert_eq!(map.each_page(1, 5, |_, page| page != 4), Err(4));
    }

    #[test]
    fn the_largest_pages_that_fit_are_counted() {
        let aligned = map(&GpaMap::default(), host(0x4000_0000, (1 << 18) + 512 + 3), 1 << 18, RW);
        assert_eq!(aligned.pages_by_size(), [3, 1, 1]);
        let shifted = map(&GpaMap::default(), host(0x4000_1000, 2048), 1 << 18, RW);
        assert_eq!(shifted.pages_by_size(), [2048, 0, 0]);
        let inside = map(&GpaMap::default(), host(0x4000_1000, 1023), 1, RW);
        assert_eq!(inside.pages_by_size(), [511, 1, 0]);
    }
}
