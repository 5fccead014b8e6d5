//! Pages that are not plain memory: doorbells, and pages of the platform's own.

use crate::CpuExit;
use crate::cpu::vector;
use crate::env::BusFailed;
use crate::env::EmulationBus;
use crate::mem::Access;
use crate::state::*;
use crate::testing::CODE;
use crate::testing::Kind;
use crate::testing::Machine;

/// A doorbell page, and the page behind it.
const BELL: u64 = 0x3_0000;

fn machine(code: &[u8]) -> Machine {
    let mut m = Machine::long_mode(code);
    m.env().special.insert(BELL, Kind::Doorbell);
    m.env().rings = Some(0x11);
    m.cpu.s.gpr[RDI] = BELL + 8;
    m.cpu.s.gpr[RAX] = 0x11;
    m
}

#[test]
fn a_plain_store_of_each_size_rings_and_completes() {
    // mov [rdi], al; mov [rdi], ax; mov [rdi], eax; mov [rdi], rax; mov byte [rdi], 0x11; mov dword [rdi], 0x11
    let code: &[u8] = &[
        0x88, 0x07, 0x66, 0x89, 0x07, 0x89, 0x07, 0x48, 0x89, 0x07, 0xC6, 0x07, 0x11, 0xC7, 0x07, 0x11, 0, 0,
        0,
    ];
    let mut m = machine(code);
    m.steps(6);
    let rung: Vec<_> = m.env().rung.iter().map(|&(gpa, len, _)| (gpa, len)).collect();
    assert_eq!(rung, [1, 2, 4, 8, 1, 4].map(|len| (BELL + 8, len)));
    assert_eq!(m.cpu.s.rip, CODE + code.len() as u64);
    assert_eq!(m.ram.get::<8>(BELL + 8), 0, "nothing is written beneath");
}

#[test]
fn other_accesses_to_a_doorbell_page_leave_as_if_unmapped() {
    let exit = |code: &[u8], at: u64| {
        let mut m = machine(code);
        m.cpu.s.gpr[RDI] = at;
        let exit = m.run(1);
        assert!(m.env().rung.is_empty());
        assert_eq!(m.cpu.s.rip, CODE);
        exit
    };
    let leaves = |gpa: u64, access: Access| CpuExit::Memory { gpa, gva: Some(gpa), access, unmapped: true };
    let at = BELL + 8;
    // Another value; a load; a read-modify-write; an exchange; a locked addition.
    assert_eq!(exit(&[0xC6, 0x07, 0x12], at), leaves(at, Access::Write));
    assert_eq!(exit(&[0x8B, 0x07], at), leaves(at, Access::Read));
    assert_eq!(exit(&[0x83, 0x07, 0x11], at), leaves(at, Access::Read));
    assert_eq!(exit(&[0x87, 0x07], at), leaves(at, Access::Read));
    assert_eq!(exit(&[0xF0, 0x01, 0x07], at), leaves(at, Access::Read));
    // 16 bytes at once.
    assert_eq!(exit(&[0x0F, 0x29, 0x07], at & !15), leaves(at & !15, Access::Write));
    // Across the end and the start of the page.
    assert_eq!(exit(&[0x89, 0x07], BELL - 2), leaves(BELL, Access::Write));
    assert_eq!(exit(&[0x89, 0x07], BELL + 0xFFE), leaves(BELL + 0xFFE, Access::Write));
}

#[test]
fn code_is_not_fetched_from_a_doorbell_page() {
    // jmp rdi
    let mut m = machine(&[0xFF, 0xE7]);
    let at = BELL + 8;
    let exit = CpuExit::Memory { gpa: at, gva: Some(at), access: Access::Execute, unmapped: true };
    assert_eq!(m.run(2), exit);
}

#[derive(Default)]
struct Bus(Vec<(u64, Vec<u8>)>);

impl EmulationBus for Bus {
    fn mmio_read(&mut self, _gpa: u64, data: &mut [u8]) -> Result<(), BusFailed> {
        data.fill(0xAA);
        Ok(())
    }
    fn mmio_write(&mut self, gpa: u64, data: &[u8]) -> Result<(), BusFailed> {
        self.0.push((gpa, data.to_vec()));
        Ok(())
    }
    fn io_read(&mut self, _port: u16, _size: u8) -> Result<u32, BusFailed> {
        Ok(0)
    }
    fn io_write(&mut self, _port: u16, _size: u8, _value: u32) -> Result<(), BusFailed> {
        Ok(())
    }
}

#[test]
fn an_emulated_store_rings_or_goes_to_the_bus() {
    let mut bus = Bus::default();
    let mut m = machine(&[0x89, 0x07, 0x88, 0x27, 0x8A, 0x0F]);
    m.cpu.emulate_one(&mut bus).expect("mov [rdi], eax");
    assert_eq!(m.env().rung.len(), 1);
    m.cpu.emulate_one(&mut bus).expect("mov [rdi], ah");
    m.cpu.emulate_one(&mut bus).expect("mov cl, [rdi]");
    assert_eq!(bus.0, [(BELL + 8, vec![0])]);
    assert_eq!(m.cpu.s.gpr[RCX] as u8, 0xAA);
}

#[test]
fn an_emulated_read_modify_write_goes_to_the_bus_whatever_it_writes() {
    let mut bus = Bus::default();
    // add byte [rdi], 0x11 - 0xAA; inc byte [rdi]
    let mut m = machine(&[0x80, 0x07, 0x11_u8.wrapping_sub(0xAA), 0xFE, 0x07]);
    m.cpu.emulate_one(&mut bus).expect("add");
    m.env().rings = Some(0xAB);
    m.cpu.emulate_one(&mut bus).expect("inc");
    assert_eq!(bus.0, [(BELL + 8, vec![0x11]), (BELL + 8, vec![0xAB])]);
    assert!(m.env().rung.is_empty());
}

#[test]
fn accesses_beyond_the_rights_of_a_guarded_page_fault() {
    // mov al, [rdi]; mov [rdi], al
    let mut m = machine(&[0x8A, 0x07, 0x88, 0x07]);
    m.env().special.insert(BELL, Kind::Guarded);
    assert_eq!(m.fault(), None);
    assert_eq!(m.fault(), Some((vector::GP, Some(0))));
    m.cpu.s.rip = BELL;
    assert_eq!(m.fault(), Some((vector::GP, Some(0))));
}

#[test]
fn an_instruction_that_the_owner_completes_retires_like_any_other() {
    // vmcall; nop
    let mut m = machine(&[0x0F, 0x01, 0xC1, 0x90]);
    m.cpu.intercepts.hypercall = true;
    m.cpu.s.sys_flags |= rflags::TF;
    m.cpu.refresh();
    assert_eq!(m.run(1), CpuExit::Hypercall { length: 3 });
    let before = m.cpu.s.icount;
    m.cpu.retire(3);
    assert_eq!((m.cpu.s.rip, m.cpu.s.icount), (CODE + 3, before + 1));
    let CpuExit::Exception { event, param } = m.run(1) else { panic!("the step traps") };
    assert_eq!((event.vector, param), (vector::DB, 1 << 14));
    assert_eq!(m.cpu.s.rip, CODE + 3);
}

#[test]
fn a_fault_that_the_owner_raises_is_intercepted_or_delivered() {
    let mut m = Machine::real_mode(&[0x0F, 0x01, 0xC1]);
    let CpuExit::Exception { event, .. } = m.cpu.raise_fault(vector::UD, None).expect("intercepted") else {
        panic!("an exception");
    };
    assert_eq!(event.vector, vector::UD);
    assert_eq!(m.cpu.s.rip, CODE);
    m.cpu.intercepts.exceptions = 0;
    m.ram.put::<4>(u64::from(vector::UD) * 4, 0x600);
    assert_eq!(m.cpu.raise_fault(vector::UD, None), None);
    assert_eq!(m.cpu.s.rip, 0x600);
}
