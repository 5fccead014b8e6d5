//! Pages of the engine's own that lie in front of guest memory: the hypercall page, message and event pages, clocks.
//!
//! A page never moves and lives as long as anybody may use it: every map that shows it holds it.

use std::fmt;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use openwhp_engine::MapFlags;
use openwhp_engine::PAGE_SIZE;

use crate::map::Slot;
use crate::zeroed::Zeroed;

/// Words of a page.
const WORDS: usize = (PAGE_SIZE / 4) as usize;

/// A page of the engine's own. The guest's accesses beyond its rights fault.
pub(crate) struct OverlayPage {
    words: Zeroed<AtomicU32>,
    slot: Slot,
}

impl OverlayPage {
    /// A page of zeroes with these rights for the guest; `None` if the host has no memory for it.
    pub(crate) fn new(rights: MapFlags) -> Option<Self> {
        let words = Zeroed::in_pages(WORDS)?;
        let slot = Slot::single(words.as_ptr() as usize, rights)?;
        Some(Self { words, slot })
    }

    /// Where it is on the host.
    pub(crate) fn host(&self) -> usize {
        self.slot.host
    }

    /// It, as the memory of a guest page.
    pub(crate) fn slot(&self, page: u64) -> Slot {
        self.slot.at(page)
    }

    /// The word at a byte offset, which is a multiple of 4 below the page's size. Guests may change it at any time;
    /// what is changed through it must not be code.
    pub(crate) fn word(&self, offset: usize) -> &AtomicU32 {
        &self.words[(offset / 4) % WORDS]
    }

    /// Copies bytes in, as far as they fit into the page.
    pub(crate) fn write(&self, offset: usize, bytes: &[u8]) {
        let offset = offset.min(WORDS * 4);
        let bytes = &bytes[..bytes.len().min(WORDS * 4 - offset)];
        crate::guest::write(self.host() + offset, bytes);
        self.slot.note_write(0);
    }

    /// Copies bytes out, as far as the page has them.
    pub(crate) fn read(&self, offset: usize, bytes: &mut [u8]) {
        let offset = offset.min(WORDS * 4);
        let count = bytes.len().min(WORDS * 4 - offset);
        crate::guest::read(self.host() + offset, &mut bytes[..count]);
    }

    /// Fills the page with zeroes.
    pub(crate) fn clear(&self) {
        for word in self.words.iter() {
            word.store(0, Ordering::SeqCst);
        }
        self.slot.note_write(0);
    }
}

impl fmt::Debug for OverlayPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OverlayPage").field("rights", &self.slot.flags).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[expect(unsafe_code, reason = "gives guests memory of the test")]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use openwhp_engine::Capabilities;
    use openwhp_engine::Engine;
    use openwhp_engine::EngineMemory;
    use openwhp_engine::EngineVp;
    use openwhp_engine::Exit;
    use openwhp_engine::ExitReason;
    use openwhp_engine::Gpa;
    use openwhp_engine::HostRange;
    use openwhp_engine::MemoryAccess;
    use openwhp_engine::PartitionConfig;
    use openwhp_engine::VpIndex;
    use openwhp_x86::state::CS;

    use super::*;
    use crate::SoftEngine;
    use crate::partition::SoftPartition;
    use crate::vp::SoftVp;

    const RWX: MapFlags = MapFlags::READ.union(MapFlags::WRITE).union(MapFlags::EXECUTE);
    const RW: MapFlags = MapFlags::READ.union(MapFlags::WRITE);
    const RX: MapFlags = MapFlags::READ.union(MapFlags::EXECUTE);
    /// Where code starts.
    const CODE: u64 = 0x1000;

    fn partition(processors: u32) -> SoftPartition {
        let engine = SoftEngine::new();
        let capabilities: &Capabilities = engine.capabilities();
        let partition = SoftPartition::new(PartitionConfig::new(processors, capabilities), None);
        let memory = Zeroed::<AtomicU32>::in_pages(16 * WORDS).expect("memory");
        // SAFETY: the memory is leaked, and nobody else uses it.
        let range = unsafe { HostRange::new(Box::leak(Box::new(memory)).as_ptr() as usize, 16 * 4096) };
        partition.map(range, Gpa(0), RWX).expect("mapped");
        partition
    }

    /// A processor about to run code at 0x1000 in real mode, with DS at 0.
    fn processor(partition: &SoftPartition, index: u32) -> SoftVp {
        let mut vp = partition.make_vp(VpIndex(index)).expect("a processor");
        vp.cpu.s.seg[CS].base = 0;
        vp.cpu.s.seg[CS].selector = 0;
        vp.cpu.s.rip = CODE;
        vp.cpu.refresh();
        vp
    }

    fn run(vp: &mut SoftVp) -> ExitReason {
        let mut exit = Exit::default();
        vp.run(&mut exit).expect("runs");
        exit.reason
    }

    #[test]
    fn an_overlay_asked_for_is_there_before_the_next_instruction_and_can_be_executed() {
        let partition = partition(1);
        // mov byte [0x2000], 7; hlt - and in the overlay: mov byte [0x3000], 9; hlt.
        partition.write(Gpa(CODE), &[0xC6, 0x06, 0, 0x20, 7, 0xF4]).expect("written");
        let mut vp = processor(&partition, 0);
        let code = Arc::new(OverlayPage::new(RX).expect("a page"));
        code.write(0, &[0xC6, 0x06, 0, 0x30, 9, 0xF4]);
        vp.env().lay_overlay(&code, Some(1));
        assert_eq!(run(&mut vp), ExitReason::Halt);
        let mut seen = [0; 2];
        partition.read(Gpa(0x2000), &mut seen[..1]).expect("mapped");
        partition.read(Gpa(0x3000), &mut seen[1..]).expect("mapped");
        assert_eq!(seen, [0, 9], "the overlay's code ran");
        // Its code changes under the processor, then it goes.
        code.write(4, &[5]);
        vp.cpu.s.rip = CODE;
        assert_eq!(run(&mut vp), ExitReason::Halt);
        partition.read(Gpa(0x3000), &mut seen[1..]).expect("mapped");
        assert_eq!(seen[1], 5);
        vp.env().lay_overlay(&code, None);
        vp.cpu.s.rip = CODE;
        assert_eq!(run(&mut vp), ExitReason::Halt);
        partition.read(Gpa(0x2000), &mut seen[..1]).expect("mapped");
        assert_eq!(seen[0], 7, "what lies beneath came back");
    }

    #[test]
    fn stores_go_to_the_overlay_and_forbidden_ones_fault() {
        let partition = partition(1);
        // mov byte [0x2000], 7; hlt
        partition.write(Gpa(CODE), &[0xC6, 0x06, 0, 0x20, 7, 0xF4]).expect("written");
        // The handler of #GP: hlt at 0x500.
        partition.write(Gpa(13 * 4), &[0, 5, 0, 0]).expect("written");
        partition.write(Gpa(0x500), &[0xF4]).expect("written");
        let mut vp = processor(&partition, 0);
        let page = Arc::new(OverlayPage::new(RW).expect("a page"));
        vp.env().lay_overlay(&page, Some(2));
        assert_eq!(run(&mut vp), ExitReason::Halt);
        assert_eq!(page.word(0).load(Ordering::SeqCst), 7);
        let mut seen = [0; 4];
        partition.read(Gpa(0x2000), &mut seen).expect("clients see it too");
        assert_eq!(seen[0], 7);
        page.clear();
        page.read(0, &mut seen);
        assert_eq!(seen, [0; 4]);
        let fixed = Arc::new(OverlayPage::new(RX).expect("a page"));
        vp.env().lay_overlay(&fixed, Some(2));
        vp.cpu.s.rip = CODE;
        assert_eq!(run(&mut vp), ExitReason::Halt);
        assert_eq!(vp.cpu.s.rip, 0x501, "#GP was delivered");
        assert!(partition.write(Gpa(0x2000), &[1]).is_err());
        // Without memory beneath, the page behaves as the map says once the overlays are gone.
        partition.unmap(Gpa(0x2000), 0x1000).expect("unmapped");
        for overlay in [&fixed, &page] {
            vp.env().lay_overlay(overlay, None);
        }
        vp.cpu.s.rip = CODE;
        let ExitReason::MemoryAccess(MemoryAccess { is_gpa_unmapped: true, .. }) = run(&mut vp) else {
            panic!("the store leaves");
        };
    }

    #[test]
    fn running_processors_see_an_overlay_when_the_call_returns() {
        let partition = partition(2);
        // l: inc dword [0x2000]; jmp l
        partition.write(Gpa(CODE), &[0x66, 0xFF, 0x06, 0, 0x20, 0xEB, 0xF9]).expect("written");
        let page = Arc::new(OverlayPage::new(RW).expect("a page"));
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let remotes = [0, 1].map(|index| {
                let mut vp = processor(&partition, index);
                let remote = vp.remote();
                let is_done = &is_done;
                scope.spawn(move || {
                    while !is_done.load(Ordering::SeqCst) {
                        assert_eq!(run(&mut vp), ExitReason::Canceled);
                    }
                });
                remote
            });
            let counter = || {
                let mut bytes = [0; 4];
                let _change = crate::vp_shared::lock(&partition.shared.change);
                let map = partition.shared.map();
                crate::guest::read(map.mapped(2).expect("mapped").host_of(2), &mut bytes);
                u32::from_le_bytes(bytes)
            };
            for _ in 0..50 {
                partition.shared.change_overlay(&page, Some(2));
                let beneath = counter();
                let start = page.word(0).load(Ordering::SeqCst);
                while page.word(0).load(Ordering::SeqCst) == start {
                    std::thread::yield_now();
                }
                assert_eq!(counter(), beneath, "nobody writes beneath");
                partition.shared.change_overlay(&page, None);
                let above = page.word(0).load(Ordering::SeqCst);
                while counter() == beneath {
                    std::thread::yield_now();
                }
                assert_eq!(page.word(0).load(Ordering::SeqCst), above);
            }
            is_done.store(true, Ordering::SeqCst);
            remotes.iter().for_each(|remote| remote.cancel());
        });
    }

    #[test]
    fn processors_that_move_overlays_at_once_do_not_wait_for_each_other() {
        let partition = partition(2);
        // l: inc byte [0x2000]; hlt; jmp l
        partition.write(Gpa(CODE), &[0xFE, 0x06, 0, 0x20, 0xF4, 0xEB, 0xF9]).expect("written");
        std::thread::scope(|scope| {
            for index in 0..2 {
                let mut vp = processor(&partition, index);
                scope.spawn(move || {
                    let page = Arc::new(OverlayPage::new(RW).expect("a page"));
                    for round in 0..200 {
                        vp.env().lay_overlay(&page, (round % 2 == 0).then_some(2 + u64::from(index)));
                        assert_eq!(run(&mut vp), ExitReason::Halt);
                    }
                });
            }
        });
    }
}
