//! A small real-mode machine for the tests: 64 KiB of memory at 0, code at 0x1000, stack below 0x8000, and the
//! interrupt table at 0.

#![allow(dead_code, reason = "each test file uses a part of it")]

use openwhp::Exit;
use openwhp::ExitReason;
use openwhp::Gpa;
use openwhp::GuestMemory;
use openwhp::MapFlags;
use openwhp::Partition;
use openwhp::PartitionBuilder;
use openwhp::Processor;
use openwhp::RegisterName as Name;
use openwhp::SegmentRegister;
use openwhp::TableRegister;
use openwhp::VpIndex;

pub(crate) const RWX: MapFlags = MapFlags::READ.union(MapFlags::WRITE).union(MapFlags::EXECUTE);
pub(crate) const CODE: u64 = 0x1000;
pub(crate) const HANDLER: u64 = 0x3000;

pub(crate) struct Machine {
    pub(crate) partition: Partition,
    pub(crate) memory: GuestMemory,
    pub(crate) vp: Processor,
}

pub(crate) fn data_segment(base: u64) -> SegmentRegister {
    SegmentRegister { base, limit: 0xFFFF, selector: (base >> 4) as u16, attributes: 0x93 }
}

pub(crate) fn code_segment(base: u64) -> SegmentRegister {
    SegmentRegister { base, limit: 0xFFFF, selector: (base >> 4) as u16, attributes: 0x9B }
}

/// Puts a processor into real mode at a flat address.
pub(crate) fn real_mode(vp: &Processor, rip: u64) {
    let data = data_segment(0);
    vp.set_registers(&[
        (Name::CS, code_segment(0).into()),
        (Name::DS, data.into()),
        (Name::ES, data.into()),
        (Name::SS, data.into()),
        (Name::IDTR, TableRegister { base: 0, limit: 0x3FF }.into()),
        (Name::RSP, 0x8000.into()),
        (Name::RFLAGS, 2.into()),
        (Name::RIP, rip.into()),
    ])
    .expect("registers");
}

impl Machine {
    pub(crate) fn with(builder: PartitionBuilder, code: &[u8]) -> Machine {
        let partition = builder.build().expect("partition");
        let memory = GuestMemory::new(0x1_0000).expect("memory");
        memory.write(CODE, code).expect("code");
        partition.map(&memory, 0, Gpa(0), 0x1_0000, RWX).expect("map");
        let vp = partition.create_vp(VpIndex(0)).expect("processor");
        real_mode(&vp, CODE);
        Machine { partition, memory, vp }
    }

    pub(crate) fn new(code: &[u8]) -> Machine {
        Self::with(Partition::builder().processors(1), code)
    }

    /// Points an interrupt vector at code.
    pub(crate) fn handler(&self, vector: u8, at: u64, code: &[u8]) {
        self.memory.write(u64::from(vector) * 4, &(at as u32).to_le_bytes()).expect("vector");
        self.memory.write(at, code).expect("handler");
    }

    pub(crate) fn run(&self) -> Exit {
        self.vp.run().expect("run")
    }

    pub(crate) fn get(&self, name: Name) -> u64 {
        self.vp.register(name).expect("register").low()
    }

    pub(crate) fn set(&self, name: Name, value: u64) {
        self.vp.set_registers(&[(name, value.into())]).expect("register");
    }

    pub(crate) fn byte(&self, at: u64) -> u8 {
        let mut byte = [0];
        self.memory.read(at, &mut byte).expect("memory");
        byte[0]
    }

    /// Steps over the instruction of an exit that gives its length.
    pub(crate) fn skip(&self, exit: &Exit) {
        self.set(Name::RIP, exit.vp.rip + u64::from(exit.vp.instruction_length));
    }

    /// Runs to the next OUT and returns its port and data.
    pub(crate) fn next_out(&self) -> (u16, u64) {
        let exit = self.run();
        let ExitReason::IoPort(io) = exit.reason else { panic!("no port access: {exit:?}") };
        self.skip(&exit);
        (io.port, io.rax & (u64::MAX >> (64 - 8 * u32::from(io.size))))
    }
}
