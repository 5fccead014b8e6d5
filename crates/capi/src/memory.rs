//! Guest memory: mapping, dirty pages, advice, direct access.

#![expect(unsafe_code, reason = "exports C functions and maps the caller's memory")]

use std::ffi::c_void;
use std::os::fd::BorrowedFd;

use openwhp::AccessError;
use openwhp::AccessType;
use openwhp::Gpa;
use openwhp::MapFlags;
use openwhp::PAGE_SIZE;
use openwhp::Partition;
use openwhp::PopulateFlags;
use openwhp_abi::hresult::E_ACCESSDENIED;
use openwhp_abi::hresult::E_HANDLE;
use openwhp_abi::hresult::WHV_E_INSUFFICIENT_BUFFER;
use openwhp_abi::windows::HANDLE;
use openwhp_abi::x64::*;

use crate::boundary::Input;
use crate::boundary::Outcome;
use crate::boundary::Output;
use crate::boundary::exports;
use crate::error::Failure;
use crate::handles;

exports! {
    /// Backs guest memory with memory of the caller.
    fn WHvMapGpaRange(
        partition: WHV_PARTITION_HANDLE,
        source: *mut c_void,
        gpa: u64,
        size: u64,
        flags: WHV_MAP_GPA_RANGE_FLAGS,
    ) {
        map(&handles::set_up(partition)?, source, gpa, size, flags)
    }

    /// Backs guest memory with memory of a process: the caller, or another that shares files with it.
    fn WHvMapGpaRange2(
        partition: WHV_PARTITION_HANDLE,
        process: HANDLE,
        source: *mut c_void,
        gpa: u64,
        size: u64,
        flags: WHV_MAP_GPA_RANGE_FLAGS,
    ) {
        let partition = handles::set_up(partition)?;
        match other_process(process.address())? {
            None => map(&partition, source, gpa, size, flags),
            Some(descriptor) => map_other(&partition, descriptor, source, gpa, size, flags),
        }
    }

    /// Removes what is mapped in a range; holes are fine.
    fn WHvUnmapGpaRange(partition: WHV_PARTITION_HANDLE, gpa: u64, size: u64) {
        Ok(handles::set_up(partition)?.unmap(Gpa(gpa), size)?)
    }

    /// Reads and clears the dirty bits of a range.
    fn WHvQueryGpaRangeDirtyBitmap(
        partition: WHV_PARTITION_HANDLE,
        gpa: u64,
        range_size: u64,
        bitmap: *mut u64 [size / 8],
        size: u32,
    ) {
        let partition = handles::set_up(partition)?;
        let bitmap = bitmap.required_unless_empty()?;
        query_dirty(&partition, Gpa(gpa), range_size, bitmap)
    }

    /// Populates, pins or unpins guest memory.
    fn WHvAdviseGpaRange(
        partition: WHV_PARTITION_HANDLE,
        ranges: *const WHV_MEMORY_RANGE_ENTRY [count],
        count: u32,
        advice: WHV_ADVISE_GPA_RANGE_CODE,
        buffer: *const c_void [size],
        size: u32,
    ) {
        let partition = handles::set_up(partition)?;
        let ranges = ranges.required_unless_empty()?;
        if ranges.is_empty() {
            return Err(Failure::invalid("advice about no range"));
        }
        let advice = Advice::new(advice, buffer)?;
        for range in ranges.iter() {
            advice.apply(&partition, Gpa(range.GuestAddress), range.SizeInBytes)?;
        }
        Ok(())
    }

    /// Reads up to 16 bytes of guest memory.
    fn WHvReadGpaRange(
        partition: WHV_PARTITION_HANDLE,
        vp_index: u32,
        gpa: u64,
        controls: WHV_ACCESS_GPA_CONTROLS,
        data: *mut c_void [size],
        size: u32,
    ) {
        let partition = handles::set_up(partition)?;
        let data = data.required()?;
        check_controls(&controls)?;
        handles::processor(&partition, vp_index)?;
        let mut bytes = [0; WHV_READ_WRITE_GPA_RANGE_MAX_SIZE as usize];
        let bytes = direct_size(data.len()).map(|size| &mut bytes[..size])?;
        partition.read_gpa(Gpa(gpa), bytes).map_err(direct_failure)?;
        data.put_bytes(bytes);
        Ok(())
    }

    /// Writes up to 16 bytes of guest memory.
    fn WHvWriteGpaRange(
        partition: WHV_PARTITION_HANDLE,
        vp_index: u32,
        gpa: u64,
        controls: WHV_ACCESS_GPA_CONTROLS,
        data: *const c_void [size],
        size: u32,
    ) {
        let partition = handles::set_up(partition)?;
        let data = data.required()?;
        check_controls(&controls)?;
        handles::processor(&partition, vp_index)?;
        direct_size(data.len())?;
        partition.write_gpa(Gpa(gpa), &data.bytes()).map_err(direct_failure)
    }
}

fn map(
    partition: &Partition,
    source: Output<c_void>,
    gpa: u64,
    size: u64,
    flags: WHV_MAP_GPA_RANGE_FLAGS,
) -> Outcome {
    let host = std::ptr::with_exposed_provenance_mut(source.address());
    let flags = MapFlags::from_bits_retain(flags.0);
    // SAFETY: the caller of the C function gives this range of its memory to the guest until it is unmapped, and
    // accesses it by the rules of C only.
    Ok(unsafe { partition.map_raw(host, Gpa(gpa), size, flags) }?)
}

/// The other process that a handle means; `None` for the calling one: null, -1 and its own pidfd.
fn other_process(handle: usize) -> Outcome<Option<i32>> {
    if handle == 0 || handle == usize::MAX {
        return Ok(None);
    }
    let no_process = || Failure::new(E_HANDLE, format!("process handle {handle:#x} is no pidfd"));
    let descriptor = i32::try_from(handle).map_err(|_| no_process())?;
    let info =
        std::fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}")).map_err(|_| no_process())?;
    let pid = info.lines().find_map(|line| line.strip_prefix("Pid:")).ok_or_else(no_process)?;
    Ok((pid.trim() != std::process::id().to_string()).then_some(descriptor))
}

fn map_other(
    partition: &Partition,
    descriptor: i32,
    source: Output<c_void>,
    gpa: u64,
    size: u64,
    flags: WHV_MAP_GPA_RANGE_FLAGS,
) -> Outcome {
    // SAFETY: the caller keeps its process handle, an open descriptor, open for the length of the call.
    let process = unsafe { BorrowedFd::borrow_raw(descriptor) };
    let flags = MapFlags::from_bits_retain(flags.0);
    Ok(partition.map_process_memory(process, source.address() as u64, Gpa(gpa), size, flags)?)
}

fn query_dirty(partition: &Partition, gpa: Gpa, range_size: u64, bitmap: Output<u64>) -> Outcome {
    if bitmap.is_null() {
        return Ok(partition.query_dirty(gpa, range_size, None)?);
    }
    let words = bitmap.len();
    let needed = (range_size / PAGE_SIZE).div_ceil(64);
    let Some(needed) = usize::try_from(needed).ok().filter(|needed| *needed <= words) else {
        let text = format!("the bitmap has {words} words, {needed} are needed");
        return Err(Failure::new(WHV_E_INSUFFICIENT_BUFFER, text));
    };
    let mut found = vec![0; needed];
    partition.query_dirty(gpa, range_size, Some(&mut found))?;
    for (index, word) in found.into_iter().enumerate() {
        bitmap.put(index, word);
    }
    Ok(())
}

/// One kind of advice with its parameters.
enum Advice {
    Populate(AccessType, PopulateFlags),
    Pin,
    Unpin,
}

impl Advice {
    fn new(code: WHV_ADVISE_GPA_RANGE_CODE, buffer: Input<c_void>) -> Outcome<Self> {
        match code {
            WHvAdviseGpaRangeCodePopulate => Self::populate(buffer.required_unless_empty()?),
            WHvAdviseGpaRangeCodePin if buffer.is_empty() => Ok(Self::Pin),
            WHvAdviseGpaRangeCodeUnpin if buffer.is_empty() => Ok(Self::Unpin),
            WHvAdviseGpaRangeCodePin | WHvAdviseGpaRangeCodeUnpin => {
                Err(Failure::invalid("pinning takes no parameters"))
            }
            other => Err(Failure::invalid(format!("advice {} is not known", other.0))),
        }
    }

    fn populate(buffer: Input<c_void>) -> Outcome<Self> {
        let size = size_of::<WHV_ADVISE_GPA_RANGE_POPULATE>();
        let parameters = buffer.elements::<WHV_ADVISE_GPA_RANGE_POPULATE>().get(0);
        let Some(parameters) = parameters.filter(|_| buffer.len() == size) else {
            return Err(Failure::invalid(format!("populate takes {size} bytes, not {}", buffer.len())));
        };
        let flags = PopulateFlags::from_bits(parameters.Flags.AsUINT32());
        let flags = flags.ok_or_else(|| Failure::invalid("undefined populate flags"))?;
        let access = match parameters.AccessType {
            WHvMemoryAccessRead => AccessType::Read,
            WHvMemoryAccessWrite => AccessType::Write,
            WHvMemoryAccessExecute => AccessType::Execute,
            other => return Err(Failure::invalid(format!("access type {} is not 0, 1 or 2", other.0))),
        };
        Ok(Self::Populate(access, flags))
    }

    fn apply(&self, partition: &Partition, gpa: Gpa, size: u64) -> Outcome {
        match self {
            Self::Populate(access, flags) => partition.populate(gpa, size, *access, *flags)?,
            Self::Pin => partition.pin(gpa, size)?,
            Self::Unpin => partition.unpin(gpa, size)?,
        }
        Ok(())
    }
}

fn check_controls(controls: &WHV_ACCESS_GPA_CONTROLS) -> Outcome {
    let cache_types = [
        WHvCacheTypeUncached,
        WHvCacheTypeWriteCombining,
        WHvCacheTypeWriteThrough,
        WHvCacheTypeWriteProtected,
        WHvCacheTypeWriteBack,
    ];
    if !cache_types.contains(&controls.CacheType()) {
        return Err(Failure::invalid(format!("cache type {} is not known", controls.CacheType().0)));
    }
    let vtl = controls.InputVtl();
    if vtl.TargetVtl() != 0 || vtl.Reserved() != 0 || controls.Reserved() != 0 || controls.Reserved1() != 0 {
        return Err(Failure::invalid("the access names another trust level or sets reserved bits"));
    }
    Ok(())
}

fn direct_size(size: usize) -> Outcome<usize> {
    if (1..=WHV_READ_WRITE_GPA_RANGE_MAX_SIZE as usize).contains(&size) {
        return Ok(size);
    }
    Err(Failure::invalid(format!("{size} bytes cannot be accessed at once, only 1 to 16")))
}

/// Direct access does not tell unmapped pages from forbidden ones.
fn direct_failure(error: AccessError) -> Failure {
    match error {
        AccessError::NotFound { .. } => Failure::new(E_ACCESSDENIED, error.to_string()),
        other => other.into(),
    }
}
