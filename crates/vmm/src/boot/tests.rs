//! Tests of recognition and loading, on images made here.

use openwhp::GuestMemory;
use openwhp::RegisterName as Name;
use openwhp_devices::GuestRam;

use super::*;
use crate::layout;

fn ram(mib: u64) -> Ram {
    Ram::new(GuestMemory::new(mib << 20).expect("host memory"))
}

fn payload(kernel: Vec<u8>) -> Payload {
    Payload { kernel, initrd: Some(vec![0x5a; 5000]), command_line: "quiet x=1".to_owned() }
}

fn put(image: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    image.resize(image.len().max(at + bytes.len()), 0);
    image[at..at + bytes.len()].copy_from_slice(bytes);
}

/// A bzImage with one setup sector whose protected-mode part is `body`.
fn bzimage(is_64: bool, body: &[u8]) -> Vec<u8> {
    let mut image = vec![0; 1024];
    put(&mut image, 0x1f1, &[1]);
    put(&mut image, 0x202, b"HdrS");
    put(&mut image, 0x206, &0x020f_u16.to_le_bytes());
    put(&mut image, 0x211, &[1]);
    put(&mut image, 0x214, &0x10_0000_u32.to_le_bytes());
    put(&mut image, 0x22c, &0x7fff_ffff_u32.to_le_bytes());
    put(&mut image, 0x234, &[1]);
    put(&mut image, 0x236, &u16::from(is_64).to_le_bytes());
    put(&mut image, 0x238, &2047_u32.to_le_bytes());
    put(&mut image, 0x258, &0x100_0000_u64.to_le_bytes());
    put(&mut image, 0x260, &0x80_0000_u32.to_le_bytes());
    put(&mut image, 1024, body);
    image
}

/// A 32-bit ELF file with a multiboot header, loaded at 1 MiB.
fn multiboot() -> Vec<u8> {
    let mut image = b"\x7fELF\x01\x01\x01".to_vec();
    put(&mut image, 24, &0x10_000c_u32.to_le_bytes());
    put(&mut image, 28, &52_u32.to_le_bytes());
    put(&mut image, 42, &32_u16.to_le_bytes());
    put(&mut image, 44, &1_u16.to_le_bytes());
    let words = [1_u32, 0x1000, 0x10_0000, 0x10_0000, 16, 0x2000, 7, 0x1000];
    for (index, word) in words.iter().enumerate() {
        put(&mut image, 52 + 4 * index, &word.to_le_bytes());
    }
    for (index, word) in
        [0x1bad_b002_u32, 3, 0u32.wrapping_sub(0x1bad_b002 + 3), 0x1234_5678].iter().enumerate()
    {
        put(&mut image, 0x1000 + 4 * index, &word.to_le_bytes());
    }
    image
}

/// A 64-bit ELF file with a PVH note, loaded at 1 MiB.
fn pvh(with_note: bool) -> Vec<u8> {
    let mut image = b"\x7fELF\x02\x01\x01".to_vec();
    put(&mut image, 24, &0x10_0000_u64.to_le_bytes());
    put(&mut image, 32, &64_u64.to_le_bytes());
    put(&mut image, 54, &56_u16.to_le_bytes());
    put(&mut image, 56, &if with_note { 2_u16 } else { 1 }.to_le_bytes());
    let header = |kind: u32, offset: u64, gpa: u64, file: u64, memory: u64| {
        let mut bytes = [kind.to_le_bytes(), 5_u32.to_le_bytes()].concat();
        for word in [offset, gpa, gpa, file, memory, 4] {
            bytes.extend(word.to_le_bytes());
        }
        bytes
    };
    put(&mut image, 64, &header(1, 0x1000, 0x10_0000, 4, 0x3000));
    put(&mut image, 120, &header(4, 0x200, 0, 20, 20));
    for (index, word) in [4_u32, 4, 18, u32::from_le_bytes(*b"Xen\0"), 0x10_0010].iter().enumerate() {
        put(&mut image, 0x200 + 4 * index, &word.to_le_bytes());
    }
    put(&mut image, 0x1000, b"code");
    image
}

/// The multiboot file with its header gone and a PVH note in its place.
fn pvh_32() -> Vec<u8> {
    let mut image = multiboot();
    put(&mut image, 0x1000, &[0; 12]);
    put(&mut image, 44, &2_u16.to_le_bytes());
    for (index, word) in [4_u32, 0x200, 0, 0, 40, 40, 4, 4].iter().enumerate() {
        put(&mut image, 84 + 4 * index, &word.to_le_bytes());
    }
    let name = u32::from_le_bytes(*b"Xen\0");
    for (index, word) in [4_u32, 4, 3, name, 9, 4, 4, 18, name, 0x10_0008].iter().enumerate() {
        put(&mut image, 0x200 + 4 * index, &word.to_le_bytes());
    }
    image
}

fn register(loaded: &Loaded, name: Name) -> u64 {
    loaded.registers.iter().find(|(found, _)| *found == name).expect("the register is set").1.low()
}

fn bytes(ram: &Ram, gpa: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    GuestRam::read(ram, gpa, &mut bytes).expect("inside of guest memory");
    bytes
}

fn word(ram: &Ram, gpa: u64) -> u32 {
    u32::from_le_bytes(bytes(ram, gpa, 4).try_into().expect("four bytes"))
}

#[test]
fn images_are_recognised() {
    assert_eq!(recognise(&bzimage(true, b"x")), Ok(Protocol::Linux64));
    assert_eq!(recognise(&bzimage(false, b"x")), Ok(Protocol::Linux32));
    assert_eq!(recognise(&multiboot()), Ok(Protocol::Multiboot));
    assert_eq!(recognise(&pvh(true)), Ok(Protocol::Pvh));
    for wrong in [&b""[..], b"#!/bin/sh", b"\x1f\x8bzz", b"\x7fELF\x01", b"MZ", &[0; 4096]] {
        assert!(matches!(recognise(wrong), Err(LoadError::Unknown(_))));
    }
}

#[test]
fn a_64_bit_bzimage_is_entered_in_long_mode() {
    let ram = ram(64);
    let loaded = load(&payload(bzimage(true, b"kernel")), &ram).expect("it fits");
    assert_eq!(register(&loaded, Name::RIP), 0x10_0200);
    assert_eq!(register(&loaded, Name::RSI), layout::ZERO_PAGE);
    assert_eq!(register(&loaded, Name::EFER), 0x500);
    assert_eq!(bytes(&ram, 0x10_0000, 6), b"kernel");
    assert_eq!(bytes(&ram, layout::COMMAND_LINE, 10), b"quiet x=1\0");
    let (start, len) = (word(&ram, layout::ZERO_PAGE + 0x218), word(&ram, layout::ZERO_PAGE + 0x21c));
    assert_eq!(len, 5000);
    assert_eq!(bytes(&ram, u64::from(start), 4), [0x5a; 4]);
    assert!(u64::from(start) + 5000 <= 64 << 20);
    assert_eq!(bytes(&ram, layout::ZERO_PAGE + 0x1e8, 1)[0], 5);
    // The last page directory maps the last 2 MiB below 4 GiB to themselves.
    assert_eq!(word(&ram, layout::PAGE_TABLES + 0x5ff8), 0xffe0_0083);
}

#[test]
fn a_32_bit_bzimage_is_entered_in_protected_mode() {
    let ram = ram(64);
    let loaded = load(&payload(bzimage(false, b"kernel")), &ram).expect("it fits");
    assert_eq!(register(&loaded, Name::RIP), 0x10_0000);
    assert_eq!(register(&loaded, Name::CR0) & 0x8000_0001, 1);
}

#[test]
fn too_little_memory_says_how_much_is_needed() {
    let refused = load(&payload(bzimage(true, b"kernel")), &ram(20)).expect_err("24 MiB are needed");
    let expected = LoadError::TooLittleMemory { what: "the kernel", needed: 24, given: 20 };
    assert_eq!(refused, expected);
    let mut large = payload(bzimage(true, b"kernel"));
    large.initrd = Some(vec![1; 9 << 20]);
    assert!(matches!(load(&large, &ram(32)), Err(LoadError::TooLittleMemory { .. })));
}

#[test]
fn a_long_command_line_is_refused() {
    let mut long = payload(bzimage(true, b"kernel"));
    long.command_line = "x".repeat(2048);
    assert_eq!(load(&long, &ram(64)).expect_err("too long"), LoadError::CommandLine { len: 2048, max: 2047 });
}

#[test]
fn multiboot_passes_its_information() {
    let ram = ram(16);
    let loaded = load(&payload(multiboot()), &ram).expect("it fits");
    assert_eq!(register(&loaded, Name::RIP), 0x10_000c);
    assert_eq!(register(&loaded, Name::RAX), 0x2bad_b002);
    let info = register(&loaded, Name::RBX);
    assert_eq!(word(&ram, info) & 0x4d, 0x4d);
    assert_eq!(word(&ram, 0x10_000c), 0x1234_5678);
    let module = word(&ram, info + 24);
    let (start, end) = (word(&ram, u64::from(module)), word(&ram, u64::from(module) + 4));
    assert_eq!(end - start, 5000);
}

#[test]
fn pvh_passes_its_information() {
    let ram = ram(16);
    let loaded = load(&payload(pvh(true)), &ram).expect("it fits");
    assert_eq!(register(&loaded, Name::RIP), 0x10_0010);
    let info = register(&loaded, Name::RBX);
    assert_eq!(word(&ram, info), 0x336e_c578);
    assert_eq!(bytes(&ram, 0x10_0000, 4), b"code");
    assert_eq!(recognise(&pvh_32()), Ok(Protocol::Pvh));
    let loaded = load(&payload(pvh_32()), &ram).expect("it fits");
    assert_eq!(register(&loaded, Name::RIP), 0x10_0008);
    assert_eq!(word(&ram, 0x10_000c), 0x1234_5678);
    let refused = load(&payload(pvh(false)), &ram).expect_err("no entry");
    assert!(matches!(refused, LoadError::Unknown(_)));
}

#[test]
fn cut_and_scrambled_images_are_refused_or_loaded_but_never_panic() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let ram = ram(32);
    let images = [bzimage(true, b"kernel"), multiboot(), pvh(true), pvh_32()];
    let mut refused = 0;
    for image in &images {
        for len in (0..image.len()).step_by(37) {
            refused += u32::from(load(&payload(image[..len].to_vec()), &ram).is_err());
        }
        for _ in 0..300 {
            let mut scrambled = image.clone();
            for _ in 0..4 {
                let at = random() as usize % scrambled.len().min(0x300);
                scrambled[at] = random() as u8;
            }
            refused += u32::from(load(&payload(scrambled), &ram).is_err());
        }
    }
    assert!(refused > 0);
}
