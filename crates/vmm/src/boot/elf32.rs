//! 32-bit ELF kernels: their segments and their PVH note. 64-bit ones are the loader crate's business.
//!
//! # Source
//! System V ABI "Object Files", Intel386 supplement.

use super::LoadError;
use super::Ram;

const LOAD: u32 = 1;
const NOTE: u32 = 4;
/// Type of the note that names a kernel's 32-bit entry point.
const NOTE_PVH: u32 = 18;

/// One piece of a kernel: where it is in the file, where it goes, how much memory it takes.
pub(super) struct Segment {
    pub(super) offset: usize,
    pub(super) file_len: usize,
    pub(super) gpa: u64,
    pub(super) memory_len: u64,
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

/// The program headers of a kind, each as eight words.
fn headers(image: &[u8], kind: u32) -> Option<Vec<[u32; 8]>> {
    if !image.starts_with(b"\x7fELF\x01\x01") {
        return None;
    }
    let table = u32_at(image, 28)? as usize;
    let (size, count) = (usize::from(u16_at(image, 42)?), usize::from(u16_at(image, 44)?));
    let mut found = Vec::new();
    for index in 0..count {
        let at = table.checked_add(index * size)?;
        let mut words = [0; 8];
        for (position, word) in words.iter_mut().enumerate() {
            *word = u32_at(image, at.checked_add(4 * position)?)?;
        }
        if words[0] == kind {
            found.push(words);
        }
    }
    Some(found)
}

/// Entry point and segments.
pub(super) fn segments(image: &[u8]) -> Option<(u64, Vec<Segment>)> {
    let segments: Vec<_> = headers(image, LOAD)?
        .into_iter()
        .map(|[_, offset, _, gpa, file_len, memory_len, ..]| Segment {
            offset: offset as usize,
            file_len: file_len as usize,
            gpa: u64::from(gpa),
            memory_len: u64::from(memory_len.max(file_len)),
        })
        .collect();
    (!segments.is_empty()).then_some((u64::from(u32_at(image, 24)?), segments))
}

/// Entry point that a PVH note names.
pub(super) fn pvh_entry(image: &[u8]) -> Option<u64> {
    headers(image, NOTE)?.into_iter().find_map(|[_, offset, _, _, len, ..]| {
        let notes = image.get(offset as usize..(offset as usize).checked_add(len as usize)?)?;
        pvh_note(notes)
    })
}

fn pvh_note(mut notes: &[u8]) -> Option<u64> {
    loop {
        let (name_len, len, kind) =
            (u32_at(notes, 0)? as usize, u32_at(notes, 4)? as usize, u32_at(notes, 8)?);
        let value = 12_usize.checked_add(name_len.checked_next_multiple_of(4)?)?;
        if kind == NOTE_PVH && notes.get(12..16) == Some(b"Xen\0") && len >= 4 {
            return u32_at(notes, value).map(u64::from);
        }
        notes = notes.get(value.checked_add(len.checked_next_multiple_of(4)?)?..)?;
    }
}

/// Writes segments to memory; returns the end of the highest, or `None` when the file is cut off.
pub(super) fn put(image: &[u8], segments: &[Segment], ram: &Ram) -> Result<Option<u64>, LoadError> {
    let end = segments.iter().map(|segment| segment.gpa + segment.memory_len).max().unwrap_or(0);
    if end > ram.low() {
        return Err(ram.too_little("the kernel", end));
    }
    for segment in segments {
        match image.get(segment.offset..segment.offset.saturating_add(segment.file_len)) {
            Some(bytes) => ram.put(segment.gpa, bytes)?,
            None => return Ok(None),
        }
    }
    Ok(Some(end))
}
