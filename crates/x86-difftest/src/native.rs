//! Executes a case on the host processor.
//!
//! Code, frame and memory of the cases live at fixed addresses below 2 GiB, so that the stub can reach its frame
//! without a base register: every general register belongs to the tested instruction, RSP included. Signals run on
//! their own stack; the handler notes the exception and resumes at the stub's exit.
#![expect(unsafe_code, reason = "maps executable memory, runs it, and catches its signals")]

use crate::case::BASE;
use crate::case::CODE;
use crate::case::Case;
use crate::case::End;
use crate::case::READ_ONLY;
use crate::case::SCRATCH;
use crate::case::SCRATCH_LEN;
use crate::case::State;
use iced_x86::code_asm::*;
use openwhp_x86::state::VectorState;
use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

const FRAME: u64 = BASE + 0x1000;
const XAREA: u64 = BASE + 0x2000;
const STUBS: u64 = BASE + 0x4000;
/// Pages from [`BASE`] to the frame's end and the stubs.
const FRONT_LEN: usize = 0x5000;

/// XSAVE components compared: x87, SSE, AVX, opmask, ZMM.
const COMPONENTS: u64 = 0xe7;

/// What stub and handler share.
#[repr(C)]
struct Frame {
    gpr: [u64; 16],
    flags: u64,
    target: u64,
    host_rsp: u64,
    host_mxcsr: u64,
    /// Where the handler resumes.
    exit: u64,
    trapped: u64,
    vector: u64,
    cr2: u64,
    /// Far pointer to compatibility-mode code: offset, selector.
    far: u64,
}

static TAKEN: AtomicBool = AtomicBool::new(false);

/// The host side. At most one exists at a time, on the thread that made it.
#[derive(Debug)]
pub struct Native {
    entry: [usize; 3],
    exit: [u64; 3],
    offsets: Offsets,
    components: u64,
    _not_send: std::marker::PhantomData<*mut u8>,
}

/// Where the components lie in the host's XSAVE area.
#[derive(Clone, Copy, Debug)]
struct Offsets {
    ymm: usize,
    k: usize,
    zmm_high: usize,
    zmm_16: usize,
}

fn check(ok: bool, what: &str) -> io::Result<()> {
    if ok { Ok(()) } else { Err(io::Error::other(format!("{what}: {}", io::Error::last_os_error()))) }
}

fn map(at: u64, len: usize, prot: i32) -> io::Result<()> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    // SAFETY: an anonymous mapping that replaces nothing.
    let p = unsafe { libc::mmap(at as *mut libc::c_void, len, prot, flags, -1, 0) };
    check(p as u64 == at, "mmap")
}

extern "C" fn on_signal(_sig: i32, _info: *mut libc::siginfo_t, ctx: *mut libc::c_void) {
    // SAFETY: the kernel passes a ucontext to SA_SIGINFO handlers.
    let regs = unsafe { &mut (*ctx.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let rip = regs[libc::REG_RIP as usize] as u64;
    // SAFETY: the frame is mapped as long as a `Native` exists, and handlers are installed by it alone.
    let frame = unsafe { &mut *(FRAME as *mut Frame) };
    if !(CODE..CODE + 0x1000).contains(&rip) {
        // Not ours: die by the default action when the instruction runs again.
        for sig in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP] {
            // SAFETY: resets to the default action.
            unsafe { libc::signal(sig, libc::SIG_DFL) };
        }
        return;
    }
    frame.trapped = 1;
    frame.vector = regs[libc::REG_TRAPNO as usize] as u64;
    frame.cr2 = regs[libc::REG_CR2 as usize] as u64;
    regs[libc::REG_RIP as usize] = frame.exit as i64;
    // The exit is 64-bit code, also after a fault in compatibility mode.
    let selectors = &mut regs[libc::REG_CSGSFS as usize];
    *selectors = *selectors & !0xffff | i64::from(CODE_64);
}

/// Selectors of user code in the two widths (fixed on Linux), and of flat data.
const CODE_64: u16 = 0x33;
const CODE_32: u16 = 0x23;
const DATA_32: u16 = 0x2b;

/// Assembles entry and exit; gives the code and the exit's offset. `far`: the code is entered in compatibility mode.
fn stub(at: u64, components: Option<u64>, far: bool) -> Result<(Vec<u8>, u64), IcedError> {
    let f = |n: usize| qword_ptr(FRAME + 8 * n as u64);
    let (flags, target, host_rsp, host_mxcsr) = (16, 17, 18, 19);
    let mut a = CodeAssembler::new(64)?;
    let saved = [rbx, rbp, r12, r13, r14, r15];
    let all = [rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15];
    for r in saved {
        a.push(r)?;
    }
    a.mov(f(host_rsp), rsp)?;
    if far {
        a.mov(eax, i32::from(DATA_32))?;
        a.mov(ds, eax)?;
        a.mov(es, eax)?;
    }
    if let Some(c) = components {
        a.stmxcsr(dword_ptr(FRAME + 8 * host_mxcsr))?;
        a.mov(eax, c as u32)?;
        a.xor(edx, edx)?;
        a.xrstor64(ptr(XAREA))?;
    }
    a.push(f(flags))?;
    a.popfq()?;
    for (n, r) in all.into_iter().enumerate() {
        if r != rsp {
            a.mov(r, f(n))?;
        }
    }
    a.mov(rsp, f(4))?;
    if far {
        // JMP m16:32.
        a.db(&[0xff, 0x2c, 0x25])?;
        a.db(&((FRAME + 8 * 24) as u32).to_le_bytes())?;
    } else {
        a.jmp(f(target))?;
    }
    let mut exit = a.create_label();
    a.set_label(&mut exit)?;
    for (n, r) in all.into_iter().enumerate() {
        a.mov(f(n), r)?;
    }
    a.mov(rsp, f(host_rsp))?;
    a.pushfq()?;
    a.pop(f(flags))?;
    a.cld()?;
    if let Some(c) = components {
        a.mov(eax, c as u32)?;
        a.xor(edx, edx)?;
        a.xsave64(ptr(XAREA))?;
        a.fninit()?;
        a.ldmxcsr(dword_ptr(FRAME + 8 * host_mxcsr))?;
    }
    for r in saved.into_iter().rev() {
        a.pop(r)?;
    }
    a.ret()?;
    let out = a.assemble_options(at, iced_x86::BlockEncoderOptions::RETURN_NEW_INSTRUCTION_OFFSETS)?;
    let exit_at = out.label_ip(&exit)?;
    Ok((out.inner.code_buffer, exit_at))
}

impl Native {
    /// Maps the memory, assembles the stubs and installs signal handlers.
    ///
    /// # Errors
    /// The system refused a mapping, or another instance exists.
    pub fn new() -> io::Result<Native> {
        if TAKEN.swap(true, Ordering::AcqRel) {
            return Err(io::Error::other("only one native runner at a time"));
        }
        let rw = libc::PROT_READ | libc::PROT_WRITE;
        map(BASE, FRONT_LEN, rw | libc::PROT_EXEC)?;
        map(SCRATCH, SCRATCH_LEN, rw)?;
        map(READ_ONLY, 0x1000, rw)?;
        let cpuid = |n| std::arch::x86_64::__cpuid_count(0xd, n).ebx as usize;
        let offsets = Offsets { ymm: cpuid(2), k: cpuid(5), zmm_high: cpuid(6), zmm_16: cpuid(7) };
        // SAFETY: XGETBV exists wherever XSAVE is enabled, which every host with AVX has.
        let xcr0 = unsafe { std::arch::x86_64::_xgetbv(0) };
        let components = COMPONENTS & xcr0;
        let (mut entry, mut exit) = ([0; 3], [0; 3]);
        let kinds = [(None, false), (Some(components), false), (None, true)];
        for (n, (comp, far)) in kinds.into_iter().enumerate() {
            let at = STUBS + n as u64 * 0x400;
            let (code, out) = stub(at, comp, far).map_err(io::Error::other)?;
            // SAFETY: the stub page is mapped writable and large enough for both stubs.
            unsafe { std::ptr::copy_nonoverlapping(code.as_ptr(), at as *mut u8, code.len()) };
            (entry[n], exit[n]) = (at as usize, out);
        }
        let stack = vec![0u8; 0x2_0000].leak();
        let alt = libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: stack.len() };
        // SAFETY: the stack is never freed.
        check(unsafe { libc::sigaltstack(&alt, std::ptr::null_mut()) } == 0, "sigaltstack")?;
        // SAFETY: a zeroed sigaction is valid, its fields are set below.
        let mut sa: libc::sigaction = unsafe { std::mem::zeroed() };
        sa.sa_sigaction = on_signal as *const () as usize;
        sa.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
        for sig in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP] {
            // SAFETY: the handler is async-signal-safe: it touches the frame only.
            check(unsafe { libc::sigaction(sig, &sa, std::ptr::null_mut()) } == 0, "sigaction")?;
        }
        Ok(Native { entry, exit, offsets, components, _not_send: std::marker::PhantomData })
    }

    fn protect(&self, prot: i32) {
        // SAFETY: the page was mapped by `new`.
        unsafe { libc::mprotect(READ_ONLY as *mut libc::c_void, 0x1000, prot) };
    }

    /// Executes the case; gives the state after it and how it ended.
    pub fn run(&mut self, case: &Case) -> (State, End) {
        let s = &case.before;
        let which = if case.bits == 32 { 2 } else { usize::from(s.vec.is_some()) };
        self.protect(libc::PROT_READ | libc::PROT_WRITE);
        let mut code = case.bytes.clone();
        if case.bits == 32 {
            // JMP ptr16:32 to the exit.
            code.push(0xea);
            code.extend_from_slice(&(self.exit[which] as u32).to_le_bytes());
            code.extend_from_slice(&CODE_64.to_le_bytes());
        } else {
            // JMP rel32 to the exit.
            let from = case.rip + code.len() as u64 + 5;
            code.push(0xe9);
            code.extend_from_slice(&(self.exit[which].wrapping_sub(from) as u32).to_le_bytes());
        }
        // SAFETY: instruction, jump and memory image fit their mapped pages: `rip` is chosen with room behind it, and
        // the image has the length of scratch plus read-only page.
        unsafe {
            std::ptr::copy_nonoverlapping(code.as_ptr(), case.rip as *mut u8, code.len());
            std::ptr::copy_nonoverlapping(s.mem.as_ptr(), SCRATCH as *mut u8, SCRATCH_LEN + 0x1000);
        }
        self.protect(libc::PROT_READ);
        if let Some(v) = &s.vec {
            self.put_vectors(v);
        }
        // SAFETY: the frame is mapped and used by this thread only.
        let frame = unsafe { &mut *(FRAME as *mut Frame) };
        *frame = Frame {
            gpr: s.gpr,
            flags: s.flags | 2,
            target: case.rip,
            host_rsp: 0,
            host_mxcsr: 0,
            exit: self.exit[which],
            trapped: 0,
            vector: 0,
            cr2: 0,
            far: case.rip | u64::from(CODE_32) << 32,
        };
        // SAFETY: the stub keeps the C ABI: it saves what the callee must keep and restores stack, flags and control
        // words; the instruction between was vetted by the generator to touch the mapped memory only.
        unsafe {
            let f: extern "C" fn() = std::mem::transmute(self.entry[which]);
            f();
        }
        // SAFETY: as above; the compiler must not assume the frame unchanged by the call.
        let frame = unsafe { (FRAME as *const Frame).read_volatile() };
        let mut mem = vec![0; s.mem.len()];
        // SAFETY: scratch and read-only page are mapped and readable.
        unsafe { std::ptr::copy_nonoverlapping(SCRATCH as *const u8, mem.as_mut_ptr(), mem.len()) };
        let end = match frame.trapped {
            0 => End::Done,
            _ => End::Fault(frame.vector as u8, if frame.vector == 14 { frame.cr2 } else { 0 }),
        };
        let vec = s.vec.as_ref().map(|v| self.get_vectors(v));
        (State { gpr: frame.gpr, flags: frame.flags, mem, vec }, end)
    }

    fn area() -> *mut u8 {
        XAREA as *mut u8
    }

    fn put(at: usize, bytes: &[u8]) {
        // SAFETY: offsets come from CPUID for an area of at most two pages, which are mapped.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), Self::area().add(at), bytes.len()) };
    }

    fn get<const N: usize>(at: usize) -> [u8; N] {
        let mut b = [0; N];
        // SAFETY: as `put`.
        unsafe { std::ptr::copy_nonoverlapping(Self::area().add(at), b.as_mut_ptr(), N) };
        b
    }

    fn put_vectors(&self, v: &VectorState) {
        Self::put(0, &[0; 0x1000]);
        let x = &v.x87;
        Self::put(0, &x.fcw.to_le_bytes());
        Self::put(2, &x.fsw.to_le_bytes());
        Self::put(4, &[x.ftw]);
        Self::put(24, &v.mxcsr.to_le_bytes());
        for i in 0..8 {
            Self::put(32 + 16 * i, &x.st[(x.top() + i) & 7][..10]);
        }
        for i in 0..16 {
            Self::put(160 + 16 * i, &v.zmm[i][..16]);
        }
        Self::put(512, &self.components.to_le_bytes());
        if self.components & 4 != 0 {
            for i in 0..16 {
                Self::put(self.offsets.ymm + 16 * i, &v.zmm[i][16..32]);
            }
        }
        if self.components & 0xe0 == 0xe0 {
            for i in 0..8 {
                Self::put(self.offsets.k + 8 * i, &v.k[i].to_le_bytes());
            }
            for i in 0..16 {
                Self::put(self.offsets.zmm_high + 32 * i, &v.zmm[i][32..]);
                Self::put(self.offsets.zmm_16 + 64 * i, &v.zmm[16 + i]);
            }
        }
    }

    fn get_vectors(&self, before: &VectorState) -> Box<VectorState> {
        let mut v = Box::new(before.clone());
        let used = u64::from_le_bytes(Self::get(512));
        // A component in its initial state is not written.
        let x = &mut v.x87;
        if used & 1 != 0 {
            x.fcw = u16::from_le_bytes(Self::get(0));
            x.fsw = u16::from_le_bytes(Self::get(2));
            x.ftw = Self::get::<1>(4)[0];
            for i in 0..8 {
                let top = x.top();
                let mut st = [0; 16];
                st[..10].copy_from_slice(&Self::get::<10>(32 + 16 * i));
                x.st[(top + i) & 7] = st;
            }
        } else {
            *x = Default::default();
        }
        v.mxcsr = u32::from_le_bytes(Self::get(24));
        let (sse, avx, k, high, more) =
            (used & 2 != 0, used & 4 != 0, used & 0x20 != 0, used & 0x40 != 0, used & 0x80 != 0);
        for i in 0..16 {
            let z = &mut v.zmm[i];
            z[..16].copy_from_slice(&if sse { Self::get::<16>(160 + 16 * i) } else { [0; 16] });
            if self.components & 4 != 0 {
                z[16..32].copy_from_slice(&if avx {
                    Self::get::<16>(self.offsets.ymm + 16 * i)
                } else {
                    [0; 16]
                });
            }
        }
        if self.components & 0xe0 == 0xe0 {
            for i in 0..16 {
                v.zmm[i][32..].copy_from_slice(&if high {
                    Self::get::<32>(self.offsets.zmm_high + 32 * i)
                } else {
                    [0; 32]
                });
                v.zmm[16 + i] = if more { Self::get::<64>(self.offsets.zmm_16 + 64 * i) } else { [0; 64] };
            }
            for i in 0..8 {
                v.k[i] = if k { u64::from_le_bytes(Self::get(self.offsets.k + 8 * i)) } else { 0 };
            }
        }
        v
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        for (at, len) in [(BASE, FRONT_LEN), (SCRATCH, SCRATCH_LEN), (READ_ONLY, 0x1000)] {
            // SAFETY: mapped by `new`; nothing refers to it any more.
            unsafe { libc::munmap(at as *mut libc::c_void, len) };
        }
        TAKEN.store(false, Ordering::Release);
    }
}
