//! One set of debug registers for two users: the debugger's breakpoints first, the guest's in what is left.
//!
//! While the debugger has any, DR7.GD makes each of the guest's accesses to the registers an exit, so the guest goes
//! on reading and writing its own values (Intel SDM 3B "Debug Registers").

/// DR7: bit that is always set.
pub const DR7_ONE: u64 = 1 << 10;
/// DR7: accesses to debug registers trap.
pub const DR7_GD: u64 = 1 << 13;
/// DR6 bits that read one.
pub const DR6_ONES: u64 = 0xffff_0ff0;
/// DR6: an access to a debug register.
pub const DR6_BD: u64 = 1 << 13;
/// DR6: a single step.
pub const DR6_BS: u64 = 1 << 14;

/// The guest's own values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestRegisters {
    /// DR0 to DR3.
    pub addresses: [u64; 4],
    /// DR6.
    pub dr6: u64,
    /// DR7.
    pub dr7: u64,
}

impl Default for GuestRegisters {
    /// The values after INIT.
    fn default() -> Self {
        Self { addresses: [0; 4], dr6: DR6_ONES, dr7: DR7_ONE }
    }
}

impl GuestRegisters {
    /// Reads DR `number`, 0 to 3, 6 or 7.
    #[must_use]
    pub fn read(&self, number: usize) -> u64 {
        match number {
            0..=3 => self.addresses[number],
            6 => self.dr6,
            _ => self.dr7,
        }
    }

    /// Writes DR `number`, keeping the bits that are fixed.
    pub fn write(&mut self, number: usize, value: u64) {
        match number {
            0..=3 => self.addresses[number] = value,
            6 => self.dr6 = value & 0xe00f | DR6_ONES,
            _ => self.dr7 = value & 0xffff_2bff | DR7_ONE,
        }
    }

    /// Notes the causes of a debug exception that is delivered to the guest.
    pub fn deliver(&mut self, causes: u64) {
        self.dr6 = self.dr6 & !0xf | causes & 0xe00f;
        self.dr7 &= !DR7_GD;
    }
}

/// What a debug register watches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Execution.
    Execute,
    /// Writes.
    Write,
    /// Reads and writes.
    Access,
}

/// Why the debugger has a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// A breakpoint.
    Break,
    /// A watchpoint, by its number in the debugger's list.
    Watch(usize),
    /// The entry of a handler, for a step into it or to lend the registers again.
    Temporary,
}

/// One register the debugger wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Linear address, aligned to `len`.
    pub address: u64,
    /// 1, 2, 4 or 8 bytes; 1 for execution.
    pub len: u8,
    /// Kind.
    pub kind: Kind,
    /// Why.
    pub tag: Tag,
}

/// Whom a register belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Owner {
    /// Nobody.
    #[default]
    Free,
    /// The debugger.
    Debugger(Tag),
    /// The guest's register of this number.
    Guest(usize),
}

/// Values for the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merged {
    /// DR0 to DR3.
    pub addresses: [u64; 4],
    /// DR7.
    pub dr7: u64,
    /// Whom each belongs to.
    pub owners: [Owner; 4],
}

/// Puts both users' wishes into one set. What the guest has beyond the places that are left does not trap.
#[must_use]
pub fn merge(guest: &GuestRegisters, wanted: &[Wanted]) -> Merged {
    let mut merged = Merged { addresses: [0; 4], dr7: DR7_ONE | DR7_GD, owners: [Owner::Free; 4] };
    let mut slot = 0;
    for want in wanted.iter().take(4) {
        let kind = match want.kind {
            Kind::Execute => 0,
            Kind::Write => 1,
            Kind::Access => 3,
        };
        let len = match want.len {
            2 => 1,
            8 => 2,
            4 => 3,
            _ => 0,
        };
        merged.put(slot, want.address, kind | len << 2, Owner::Debugger(want.tag));
        slot += 1;
    }
    for number in (0..4).filter(|number| guest.dr7 >> (number * 2) & 3 != 0) {
        if slot == 4 {
            break;
        }
        let control = guest.dr7 >> (16 + number * 4) & 0xf;
        merged.put(slot, guest.addresses[number], control, Owner::Guest(number));
        slot += 1;
    }
    merged
}

impl Merged {
    fn put(&mut self, slot: usize, address: u64, control: u64, owner: Owner) {
        self.addresses[slot] = address;
        // The global bit: a task switch clears the local ones.
        self.dr7 |= 2 << (slot * 2) | control << (16 + slot * 4);
        self.owners[slot] = owner;
    }
}

/// Cuts a range into aligned pieces that a register can watch each; `None` when more than four are needed.
#[must_use]
pub fn pieces(address: u64, len: u64) -> Option<Vec<(u64, u8)>> {
    let end = address.checked_add(len).filter(|_| len > 0)?;
    let mut list = Vec::new();
    let mut at = address;
    while at < end {
        let fits = |size: &u8| at.is_multiple_of(u64::from(*size)) && at + u64::from(*size) <= end;
        let size = [8, 4, 2, 1].into_iter().find(fits).unwrap_or(1);
        list.push((at, size));
        if list.len() > 4 {
            return None;
        }
        at += u64::from(size);
    }
    Some(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_debugger_comes_first_and_the_guest_gets_the_rest() {
        let mut guest = GuestRegisters { addresses: [0x10, 0x20, 0x30, 0x40], ..GuestRegisters::default() };
        // 1: write of 4 bytes; 3: execution.
        guest.dr7 |= 1 << 2 | 0xd << 20 | 2 << 6;
        let wanted = [
            Wanted { address: 0x1000, len: 1, kind: Kind::Execute, tag: Tag::Break },
            Wanted { address: 0x2000, len: 8, kind: Kind::Access, tag: Tag::Watch(0) },
        ];
        let merged = merge(&guest, &wanted);
        assert_eq!(merged.addresses, [0x1000, 0x2000, 0x20, 0x40]);
        let owners =
            [Owner::Debugger(Tag::Break), Owner::Debugger(Tag::Watch(0)), Owner::Guest(1), Owner::Guest(3)];
        assert_eq!(merged.owners, owners);
        assert_eq!(merged.dr7, DR7_ONE | DR7_GD | 0xaa | 0xb << 20 | 0xd << 24);
        let full = merge(&guest, &[wanted[0]; 4]);
        assert!(full.owners.iter().all(|owner| *owner == Owner::Debugger(Tag::Break)));
    }

    #[test]
    fn ranges_are_cut_into_aligned_pieces() {
        assert_eq!(pieces(0x1000, 8), Some(vec![(0x1000, 8)]));
        assert_eq!(pieces(0x1001, 7), Some(vec![(0x1001, 1), (0x1002, 2), (0x1004, 4)]));
        assert_eq!(pieces(0x1000, 32).map(|list| list.len()), Some(4));
        for (address, len) in [(0x1000, 33), (0x1001, 32), (5, 0), (u64::MAX, 2)] {
            assert_eq!(pieces(address, len), None);
        }
    }

    #[test]
    fn fixed_bits_stay() {
        let mut guest = GuestRegisters::default();
        guest.write(6, 0);
        guest.write(7, u64::MAX);
        assert_eq!((guest.read(6), guest.read(7)), (DR6_ONES, 0xffff_2fff));
        guest.deliver(DR6_BS | 2);
        assert_eq!((guest.dr6, guest.dr7 & DR7_GD), (DR6_ONES | DR6_BS | 2, 0));
    }
}
