//! Debug exceptions around stack segment loads, and what bases and debug registers may hold.

use super::*;

/// Causes and return addresses of the debug exceptions that the code gets, stepped from its first instruction.
fn debug_exceptions(m: &mut Machine, most: usize) -> Vec<(u64, u64)> {
    m.cpu.intercepts.exceptions = 1 << DB;
    let mut found = Vec::new();
    while found.len() < most {
        let CpuExit::Exception { event, param } = m.run(20) else { break };
        m.cpu.s.rip += if event.kind == EventKind::Exception { 0 } else { u64::from(event.length) };
        found.push((param, m.cpu.s.rip - CODE));
    }
    found
}

#[test]
fn the_single_step_trap_behind_a_stack_segment_load_is_lost() {
    const BS: u64 = 1 << 14;
    const BD: u64 = 1 << 13;
    // mov ss, ax; nop; nop
    let mut m = long(&[0x8e, 0xd0, 0x90, 0x90]);
    m.cpu.s.gpr[RAX] = DATA0.into();
    m.cpu.s.sys_flags |= rflags::TF;
    m.cpu.refresh();
    assert_eq!(debug_exceptions(&mut m, 2), [(BS, 3), (BS, 4)]);
    // mov ss, ax; int1; int1
    let mut m = long(&[0x8e, 0xd0, 0xf1, 0xf1]);
    m.cpu.s.gpr[RAX] = DATA0.into();
    m.cpu.s.sys_flags |= rflags::TF;
    m.cpu.refresh();
    assert_eq!(debug_exceptions(&mut m, 2), [(0, 3), (0, 4)]);
    // mov ss, ax; mov dr6, rcx with DR7.GD
    let mut m = long(&[0x8e, 0xd0, 0x0f, 0x23, 0xf1]);
    m.cpu.s.gpr[RAX] = DATA0.into();
    m.cpu.s.sys_flags |= rflags::TF;
    m.cpu.s.dr7 |= 1 << 13;
    m.cpu.refresh();
    assert_eq!(debug_exceptions(&mut m, 1), [(BD, 2)]);
}

#[test]
fn int1_tells_of_a_watchpoint_that_a_stack_segment_load_met() {
    // mov ss, [rbx]; int1; nop
    let mut m = long(&[0x8e, 0x13, 0xf1, 0x90]);
    m.ram.put::<2>(PAGE, DATA0.into());
    m.cpu.s.gpr[RBX] = PAGE;
    m.cpu.s.dr[1] = PAGE;
    // Four bytes, reads and writes.
    m.cpu.s.dr7 = 0x00f0_0408;
    m.cpu.refresh();
    assert_eq!(debug_exceptions(&mut m, 2), [(2, 3)]);
}

#[test]
fn bases_are_canonical_by_the_width_of_the_processor() {
    const WIDE: u64 = 0xffaa_aaaa_aaaa_aaaa;
    const NARROW: u64 = 0xffff_aaaa_aaaa_aaaa;
    const NEITHER: u64 = 0xaaaa_aaaa_aaaa_aaaa;
    // Codes: lgdt [rbx]; wrmsr (FS base); wrfsbase rdx; mov dr0, rdx
    let cases: [(&[u8], bool); 4] = [
        (&[0x0f, 0x01, 0x13], false),
        (&[0x0f, 0x30], false),
        (&[0xf3, 0x48, 0x0f, 0xae, 0xd2], false),
        (&[0x0f, 0x23, 0xc2], true),
    ];
    for (code, takes_any) in cases {
        for (value, is_taken) in [(NARROW, true), (WIDE, true), (NEITHER, takes_any)] {
            let mut m = long(code);
            assert_ne!(m.cpu.model.cr4_mask() & cr4::LA57, 0);
            m.cpu.s.cr4 |= cr4::FSGSBASE;
            m.cpu.refresh();
            m.ram.put::<2>(PAGE, 0xfff);
            m.ram.put::<8>(PAGE + 2, value);
            m.cpu.s.gpr[RBX] = PAGE;
            m.cpu.s.gpr[RCX] = 0xc000_0100;
            let is_wrmsr = code == [0x0f, 0x30];
            (m.cpu.s.gpr[RAX], m.cpu.s.gpr[RDX]) =
                if is_wrmsr { (value & 0xffff_ffff, value >> 32) } else { (0, value) };
            let fault = m.fault();
            assert_eq!(fault.is_none(), is_taken, "{code:x?} {value:#x}: {fault:?}");
        }
    }
}

#[test]
fn code_breakpoints_behind_a_stack_segment_load_depend_on_the_vendor() {
    for (vendor, hits) in [(Vendor::Intel, vec![]), (Vendor::Amd, vec![(1, 2)])] {
        // mov ss, ax; nop; nop; nop with a breakpoint at the first nop
        let mut m = long(&[0x8e, 0xd0, 0x90, 0x90, 0x90]);
        m.cpu.model.vendor = vendor;
        m.cpu.s.gpr[RAX] = DATA0.into();
        m.cpu.s.dr[0] = CODE + 2;
        m.cpu.s.dr7 |= 2;
        m.cpu.refresh();
        assert_eq!(debug_exceptions(&mut m, 1), hits);
    }
}
