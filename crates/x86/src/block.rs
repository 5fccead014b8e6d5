//! Decoded blocks and the caches that find them.
#![expect(
    unsafe_code,
    reason = "blocks are shared between the cache and the run loop without reference counts"
)]

use crate::mem::host;
use crate::op::Op;
use iced_x86::Instruction;
use rustc_hash::FxHashMap;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;

/// A page of code as the fetch side sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CodePage {
    /// Guest-physical page address.
    pub(crate) gpa: u64,
    /// Host address of the page.
    pub(crate) host: u64,
    /// Version word of the page.
    pub(crate) code: *const AtomicU32,
}

// SAFETY: the version word is atomic and kept alive by the environment until `flush_map`; the rest are numbers.
unsafe impl Send for CodePage {}

/// A straight run of decoded instructions.
#[derive(Debug)]
pub(crate) struct Block {
    /// Operations in order.
    pub(crate) ops: Box<[Op]>,
    /// Full instructions, by [`Op::idx`].
    pub(crate) insns: Box<[Instruction]>,
    /// RIP of the first instruction.
    pub(crate) rip: u64,
    /// RIP behind the last instruction.
    pub(crate) end_rip: u64,
    /// Bytes covered.
    pub(crate) len: u32,
    /// The bytes it was decoded from.
    pub(crate) source: Box<[u8]>,
    /// First page.
    pub(crate) page: CodePage,
    /// Version of the first page when the bytes were read.
    pub(crate) seen: std::cell::Cell<u32>,
    /// Guest-physical address of the second page, for an instruction that straddles.
    pub(crate) second: Option<(CodePage, u32)>,
}

/// Identity of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BlockKey {
    pub(crate) gpa: u64,
    pub(crate) la: u64,
    pub(crate) rip: u64,
    pub(crate) mode: u32,
}

/// A reference to a block of the cache; valid until [`BlockCache::clear`] and the next [`BlockCache::collect`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockRef(NonNull<Block>);

impl BlockRef {
    /// A reference to a block that no cache owns.
    ///
    /// # Safety
    /// `block` stays where it is until the reference has been used for the last time.
    pub(crate) unsafe fn lend(block: &Block) -> BlockRef {
        BlockRef(NonNull::from(block))
    }

    /// The block.
    #[inline(always)]
    pub(crate) fn get<'a>(self) -> &'a Block {
        // SAFETY: blocks are freed in `collect` only, which the run loop calls when it holds no reference.
        unsafe { self.0.as_ref() }
    }
}

/// Bits of a jump cache key that tell runs apart: the owner of the memory may have changed code in between.
pub(crate) const RUN_BITS: u64 = 0x7fff_0000;
/// Set in the key of an entry that the run loop does not take by itself, because its block depends on base and limit of
/// the code segment, which the key does not tell. No mode key has this bit.
const CHECKED: u64 = 1 << 15;

/// Slots of the jump cache.
const JUMP_SLOTS: usize = 65536;
/// Blocks after which the cache starts anew.
const MAX_BLOCKS: usize = 100_000;

/// What the run loop needs of a block, in one cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Entry {
    la: u64,
    key: u64,
    /// Version word of the block's page.
    code: *const AtomicU32,
    /// First operation.
    pub(crate) ops: *const Op,
    /// RIP behind the last instruction.
    pub(crate) end_rip: u64,
    /// The block itself.
    pub(crate) block: Option<BlockRef>,
    /// Version when the bytes were last compared.
    seen: u32,
    /// Operations.
    pub(crate) count: u32,
}

impl Entry {
    const EMPTY: Entry = Entry {
        la: 0,
        key: u64::MAX,
        code: std::ptr::null(),
        ops: std::ptr::null(),
        end_rip: 0,
        block: None,
        seen: 0,
        count: 0,
    };

    /// The entry of a block as it is now.
    pub(crate) fn of(block: BlockRef) -> Entry {
        let b = block.get();
        Entry {
            la: 0,
            key: u64::MAX,
            code: b.page.code,
            ops: b.ops.as_ptr(),
            end_rip: b.end_rip,
            block: Some(block),
            seen: b.seen.get(),
            count: b.ops.len() as u32,
        }
    }
}

/// All blocks of a processor and the direct-mapped cache in front.
pub(crate) struct BlockCache {
    jumps: Box<[Entry]>,
    map: FxHashMap<BlockKey, BlockRef>,
    dead: Vec<BlockRef>,
}

// SAFETY: the references are owned by this cache; raw host pointers are addresses of guest memory.
unsafe impl Send for BlockCache {}

impl std::fmt::Debug for BlockCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BlockCache {{ blocks: {} }}", self.map.len())
    }
}

#[inline(always)]
fn jump_slot(la: u64) -> usize {
    ((la ^ (la >> 13)) as usize) & (JUMP_SLOTS - 1)
}

impl BlockCache {
    pub(crate) fn new() -> BlockCache {
        BlockCache {
            jumps: vec![Entry::EMPTY; JUMP_SLOTS].into_boxed_slice(),
            map: FxHashMap::default(),
            dead: Vec::new(),
        }
    }

    /// Fast lookup; `key` holds generation, run, mode and privilege.
    #[inline(always)]
    pub(crate) fn jump(&self, la: u64, key: u64) -> Option<Entry> {
        let j = &self.jumps[jump_slot(la)];
        if j.la == la && j.key == key && host::version(j.code) == j.seen { Some(*j) } else { None }
    }

    /// A block that was found here before, and whether this run has compared its bytes; an earlier run's must be before
    /// they are used. Base and limit of the code segment are the caller's to check.
    #[inline]
    pub(crate) fn known(&self, la: u64, key: u64) -> Option<(BlockRef, bool)> {
        let j = &self.jumps[jump_slot(la)];
        let difference = (j.key ^ key) & !CHECKED;
        let is_same = j.la == la && difference & !RUN_BITS == 0 && host::version(j.code) == j.seen;
        if is_same { Some((j.block?, difference == 0)) } else { None }
    }

    /// Remembers a block. If the mode `is_flat`, the key tells all that the block depends on.
    pub(crate) fn enter_jump(&mut self, la: u64, key: u64, is_flat: bool, block: BlockRef) {
        let key = if is_flat { key } else { key | CHECKED };
        self.jumps[jump_slot(la)] = Entry { la, key, ..Entry::of(block) };
    }

    /// Lookup by identity.
    pub(crate) fn find(&self, key: &BlockKey) -> Option<BlockRef> {
        self.map.get(key).copied()
    }

    /// Adds or replaces a block.
    pub(crate) fn insert(&mut self, key: BlockKey, block: Block) -> BlockRef {
        if self.map.len() >= MAX_BLOCKS {
            self.clear();
        }
        let la = key.la;
        let r = BlockRef(NonNull::from(Box::leak(Box::new(block))));
        if let Some(old) = self.map.insert(key, r) {
            self.dead.push(old);
            // The block can be in one slot only: a sum of base and RIP above 4 GiB has the slot of its low half.
            let j = &mut self.jumps[jump_slot(la)];
            if j.block.is_some_and(|b| b.0 == old.0) {
                *j = Entry::EMPTY;
            }
        }
        r
    }

    /// Keeps a block that is not to be found again until the next collection.
    pub(crate) fn transient(&mut self, block: Block) -> BlockRef {
        let r = BlockRef(NonNull::from(Box::leak(Box::new(block))));
        self.dead.push(r);
        r
    }

    /// Forgets every block.
    pub(crate) fn clear(&mut self) {
        self.dead.extend(self.map.drain().map(|(_, b)| b));
        self.jumps.fill(Entry::EMPTY);
    }

    /// Frees forgotten blocks; no [`BlockRef`] to one of them may be in use.
    #[inline]
    pub(crate) fn collect(&mut self) {
        if !self.dead.is_empty() {
            self.collect_slow();
        }
    }

    #[cold]
    fn collect_slow(&mut self) {
        for b in self.dead.drain(..) {
            // SAFETY: `b` came from `Box::leak`, left the map and the jump cache, and is in `dead` once.
            drop(unsafe { Box::from_raw(b.0.as_ptr()) });
        }
    }
}

impl Drop for BlockCache {
    fn drop(&mut self) {
        self.clear();
        self.collect();
    }
}
