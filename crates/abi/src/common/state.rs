//! Processor state categories, interrupt-controller and nested state.

use crate::layout::Enumeration;
use crate::layout::Record;
use crate::layout::block;
use crate::layout::enumeration;
use crate::layout::record;

enumeration! {
    /// Vendor form of the nested state.
    pub struct WHV_NESTED_STATE_TYPE {
        WHvNestedStateTypeVmx = 0,
        WHvNestedStateTypeSvm = 1,
    }
}

block! {
    /// Nested enlightenments in use.
    pub struct WHV_NESTED_ENLIGHTENMENTS_CONTROL: 8 bytes, align 4 {
        Features, set_Features: u32 = 0;
        Features_AsUINT32, set_Features_AsUINT32: u32 = 0;
        Features_DirectHypercall, set_Features_DirectHypercall: u32 = 0 bits 0, 1;
        Features_VirtualizationException, set_Features_VirtualizationException: u32 = 0 bits 1, 1;
        Features_Reserved, set_Features_Reserved: u32 = 0 bits 2, 30;
        HypercallControls, set_HypercallControls: u32 = 4;
        HypercallControls_AsUINT32, set_HypercallControls_AsUINT32: u32 = 4;
        HypercallControls_InterPartitionCommunication, set_HypercallControls_InterPartitionCommunication: u32 = 4 bits 0, 1;
        HypercallControls_Reserved, set_HypercallControls_Reserved: u32 = 4 bits 1, 31;
    }
}

block! {
    /// Nested state, VMX form.
    pub struct WHV_X64_VMX_NESTED_STATE: 8192 bytes, align 4096 {
        Vendor, set_Vendor: WHV_NESTED_STATE_TYPE = 0;
        Flags, set_Flags: u32 = 4;
        Flags_GuestMode, set_Flags_GuestMode: u32 = 4 bits 0, 1;
        Flags_Vmxon, set_Flags_Vmxon: u32 = 4 bits 1, 1;
        Flags_CurrentVmcsValid, set_Flags_CurrentVmcsValid: u32 = 4 bits 2, 1;
        Flags_VmEntryPending, set_Flags_VmEntryPending: u32 = 4 bits 3, 1;
        Flags_VmcsEnlightened, set_Flags_VmcsEnlightened: u32 = 4 bits 4, 1;
        Flags_EnlightenedVmEntry, set_Flags_EnlightenedVmEntry: u32 = 4 bits 5, 1;
        Flags_Reserved, set_Flags_Reserved: u32 = 4 bits 6, 26;
        NestedEnlightenmentsControl, set_NestedEnlightenmentsControl: WHV_NESTED_ENLIGHTENMENTS_CONTROL = 8;
        Pdpt, set_Pdpt: [u64; 4] = 16;
        VmxonRegionGpa, set_VmxonRegionGpa: u64 = 48;
        VmcsGpa, set_VmcsGpa: u64 = 56;
        CurrentEnlightenedVmcs, set_CurrentEnlightenedVmcs: u64 = 64;
        VirtualApicRegs, set_VirtualApicRegs: [u8; 80] = 72;
        VirtualApicRegs_Tpr, set_VirtualApicRegs_Tpr: u32 = 72;
        VirtualApicRegs_Ppr, set_VirtualApicRegs_Ppr: u32 = 76;
        VirtualApicRegs_Isr, set_VirtualApicRegs_Isr: [u32; 8] = 80;
        VirtualApicRegs_Irr, set_VirtualApicRegs_Irr: [u32; 8] = 112;
        VirtualApicRegs_IcrLow, set_VirtualApicRegs_IcrLow: u32 = 144;
        VirtualApicRegs_IcrHigh, set_VirtualApicRegs_IcrHigh: u32 = 148;
        Reserved, set_Reserved: [u8; 3944] = 152;
        VmcsBytes, set_VmcsBytes: [u8; 4096] = 4096;
    }
}

block! {
    /// Segment as an SVM control block stores it.
    pub struct WHV_SVM_VMCB_SELECTOR: 16 bytes, align 1 {
        Selector, set_Selector: u16 = 0;
        Attrib, set_Attrib: u16 = 2;
        Limit, set_Limit: u32 = 4;
        Base, set_Base: u64 = 8;
    }
}

record! {
    /// Host state behind a nested SVM guest.
    pub struct WHV_SVM_NESTED_HOST_STATE {
        Rip: u64,
        Rsp: u64,
        Rflags: u64,
        Rax: u64,
        Es: WHV_SVM_VMCB_SELECTOR,
        Cs: WHV_SVM_VMCB_SELECTOR,
        Ss: WHV_SVM_VMCB_SELECTOR,
        Ds: WHV_SVM_VMCB_SELECTOR,
        Gdtr: WHV_SVM_VMCB_SELECTOR,
        Idtr: WHV_SVM_VMCB_SELECTOR,
        Efer: u64,
        Cr0: u64,
        Cr3: u64,
        Cr4: u64,
        VirtualTpr: u64,
        Reserved: [u64; 6],
    }
}

block! {
    /// Nested state, SVM form.
    pub struct WHV_X64_SVM_NESTED_STATE: 8192 bytes, align 4096 {
        Vendor, set_Vendor: WHV_NESTED_STATE_TYPE = 0;
        Flags, set_Flags: u32 = 4;
        Flags_GuestMode, set_Flags_GuestMode: u32 = 4 bits 0, 1;
        Flags_VmEntryPending, set_Flags_VmEntryPending: u32 = 4 bits 1, 1;
        Flags_HostSaveGpaValid, set_Flags_HostSaveGpaValid: u32 = 4 bits 2, 1;
        Flags_CurrentVmcbValid, set_Flags_CurrentVmcbValid: u32 = 4 bits 3, 1;
        Flags_Reserved, set_Flags_Reserved: u32 = 4 bits 4, 28;
        NestedEnlightenmentsControl, set_NestedEnlightenmentsControl: WHV_NESTED_ENLIGHTENMENTS_CONTROL = 8;
        HostSaveGpa, set_HostSaveGpa: u64 = 16;
        VmControlMsr, set_VmControlMsr: u64 = 24;
        VirtualTscRatioMsr, set_VirtualTscRatioMsr: u64 = 32;
        VmcbGpa, set_VmcbGpa: u64 = 40;
        HostState, set_HostState: WHV_SVM_NESTED_HOST_STATE = 48;
        Reserved, set_Reserved: [u8; 3832] = 264;
        VmcbBytes, set_VmcbBytes: [u8; 4096] = 4096;
    }
}

block! {
    /// Nested state of either form.
    pub struct WHV_X64_NESTED_STATE: 8192 bytes, align 4096 {
        Vmx, set_Vmx: WHV_X64_VMX_NESTED_STATE = 0;
        Svm, set_Svm: WHV_X64_SVM_NESTED_STATE = 0;
    }
}

/// Layouts of this module, for tests and tools.
pub(super) const RECORDS: &[Record] = &[
    Record::plain::<WHV_NESTED_STATE_TYPE>("WHV_NESTED_STATE_TYPE"),
    WHV_NESTED_ENLIGHTENMENTS_CONTROL::RECORD,
    WHV_X64_VMX_NESTED_STATE::RECORD,
    WHV_SVM_VMCB_SELECTOR::RECORD,
    WHV_SVM_NESTED_HOST_STATE::RECORD,
    WHV_X64_SVM_NESTED_STATE::RECORD,
    WHV_X64_NESTED_STATE::RECORD,
];

/// Enumerations of this module, for tests and tools.
pub(super) const ENUMERATIONS: &[Enumeration] = &[WHV_NESTED_STATE_TYPE::ENUMERATION];
