//! Result codes of the interface.
//!
//! Three families: COM codes, `WHV_E_*`, and hypervisor statuses (`0xC035_0000` plus the status).

/// Result code: non-negative is success.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HRESULT(pub i32);

impl HRESULT {
    /// The code with these bits.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits.cast_signed())
    }

    /// The bits of the code.
    pub const fn bits(self) -> u32 {
        self.0.cast_unsigned()
    }

    /// Whether the call succeeded.
    pub const fn is_success(self) -> bool {
        self.0 >= 0
    }
}

impl core::fmt::Debug for HRESULT {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match NAMES.iter().find(|entry| entry.1 == *self) {
            Some((name, _)) => write!(f, "{name} ({:#010x})", self.bits()),
            None => write!(f, "{:#010x}", self.bits()),
        }
    }
}

macro_rules! hresults {
    ($($(#[$doc:meta])+ $name:ident = $value:literal as $listed:literal;)*) => {
        $($(#[$doc])+ pub const $name: HRESULT = HRESULT::from_bits($value);)*

        /// Every code under the name of its header, for tests and messages.
        pub const NAMES: &[(&str, HRESULT)] = &[$(($listed, $name)),*];
    };
}

hresults! {
    /// Success.
    S_OK = 0x0000_0000 as "S_OK";
    /// Not implemented.
    E_NOTIMPL = 0x8000_4001 as "E_NOTIMPL";
    /// Required pointer is NULL.
    E_POINTER = 0x8000_4003 as "E_POINTER";
    /// Unspecified failure.
    E_FAIL = 0x8000_4005 as "E_FAIL";
    /// Internal inconsistency.
    E_UNEXPECTED = 0x8000_FFFF as "E_UNEXPECTED";
    /// ERROR_ACCESS_DENIED (5).
    E_ACCESSDENIED = 0x8007_0005 as "E_ACCESSDENIED";
    /// ERROR_INVALID_HANDLE (6).
    E_HANDLE = 0x8007_0006 as "E_HANDLE";
    /// Win32 13.
    HRESULT_FROM_WIN32_ERROR_INVALID_DATA = 0x8007_000D as "HRESULT_FROM_WIN32(ERROR_INVALID_DATA)";
    /// ERROR_OUTOFMEMORY (14).
    E_OUTOFMEMORY = 0x8007_000E as "E_OUTOFMEMORY";
    /// Win32 50.
    HRESULT_FROM_WIN32_ERROR_NOT_SUPPORTED = 0x8007_0032 as "HRESULT_FROM_WIN32(ERROR_NOT_SUPPORTED)";
    /// ERROR_INVALID_PARAMETER (87).
    E_INVALIDARG = 0x8007_0057 as "E_INVALIDARG";
    /// Win32 127 (entry point missing; produced by delay-load shims).
    HRESULT_FROM_WIN32_ERROR_PROC_NOT_FOUND = 0x8007_007F as "HRESULT_FROM_WIN32(ERROR_PROC_NOT_FOUND)";
    /// Win32 1168.
    HRESULT_FROM_WIN32_ERROR_NOT_FOUND = 0x8007_0490 as "HRESULT_FROM_WIN32(ERROR_NOT_FOUND)";
    /// Win32 5023.
    HRESULT_FROM_WIN32_ERROR_INVALID_STATE = 0x8007_139F as "HRESULT_FROM_WIN32(ERROR_INVALID_STATE)";
    /// Capability code not known.
    WHV_E_UNKNOWN_CAPABILITY = 0x8037_0300 as "WHV_E_UNKNOWN_CAPABILITY";
    /// Output buffer too small.
    WHV_E_INSUFFICIENT_BUFFER = 0x8037_0301 as "WHV_E_INSUFFICIENT_BUFFER";
    /// Property or counter-set code not known or not available.
    WHV_E_UNKNOWN_PROPERTY = 0x8037_0302 as "WHV_E_UNKNOWN_PROPERTY";
    /// Hypervisor missing or misconfigured.
    WHV_E_UNSUPPORTED_HYPERVISOR_CONFIG = 0x8037_0303 as "WHV_E_UNSUPPORTED_HYPERVISOR_CONFIG";
    /// Partition not configured well enough for setup.
    WHV_E_INVALID_PARTITION_CONFIG = 0x8037_0304 as "WHV_E_INVALID_PARTITION_CONFIG";
    /// No such GPA mapping (or not tracked).
    WHV_E_GPA_RANGE_NOT_FOUND = 0x8037_0305 as "WHV_E_GPA_RANGE_NOT_FOUND";
    /// VP index in use.
    WHV_E_VP_ALREADY_EXISTS = 0x8037_0306 as "WHV_E_VP_ALREADY_EXISTS";
    /// VP index not created.
    WHV_E_VP_DOES_NOT_EXIST = 0x8037_0307 as "WHV_E_VP_DOES_NOT_EXIST";
    /// VP cannot be accessed in its current state.
    WHV_E_INVALID_VP_STATE = 0x8037_0308 as "WHV_E_INVALID_VP_STATE";
    /// Register name not known.
    WHV_E_INVALID_VP_REGISTER_NAME = 0x8037_0309 as "WHV_E_INVALID_VP_REGISTER_NAME";
    /// Processor feature set cannot be offered (note: 0x310 not 0x30A).
    WHV_E_UNSUPPORTED_PROCESSOR_CONFIG = 0x8037_0310 as "WHV_E_UNSUPPORTED_PROCESSOR_CONFIG";
    /// VID: partition object already exists.
    ERROR_VID_PARTITION_ALREADY_EXISTS = 0xC037_0008 as "ERROR_VID_PARTITION_ALREADY_EXISTS";
    /// Hypervisor status 0x0002.
    ERROR_HV_INVALID_HYPERCALL_CODE = 0xC035_0002 as "ERROR_HV_INVALID_HYPERCALL_CODE";
    /// Hypervisor status 0x0003.
    ERROR_HV_INVALID_HYPERCALL_INPUT = 0xC035_0003 as "ERROR_HV_INVALID_HYPERCALL_INPUT";
    /// Hypervisor status 0x0004.
    ERROR_HV_INVALID_ALIGNMENT = 0xC035_0004 as "ERROR_HV_INVALID_ALIGNMENT";
    /// Hypervisor status 0x0005.
    ERROR_HV_INVALID_PARAMETER = 0xC035_0005 as "ERROR_HV_INVALID_PARAMETER";
    /// Hypervisor status 0x0006.
    ERROR_HV_ACCESS_DENIED = 0xC035_0006 as "ERROR_HV_ACCESS_DENIED";
    /// Hypervisor status 0x0007.
    ERROR_HV_INVALID_PARTITION_STATE = 0xC035_0007 as "ERROR_HV_INVALID_PARTITION_STATE";
    /// Hypervisor status 0x0008.
    ERROR_HV_OPERATION_DENIED = 0xC035_0008 as "ERROR_HV_OPERATION_DENIED";
    /// Hypervisor status 0x0009.
    ERROR_HV_UNKNOWN_PROPERTY = 0xC035_0009 as "ERROR_HV_UNKNOWN_PROPERTY";
    /// Hypervisor status 0x000A.
    ERROR_HV_PROPERTY_VALUE_OUT_OF_RANGE = 0xC035_000A as "ERROR_HV_PROPERTY_VALUE_OUT_OF_RANGE";
    /// Hypervisor status 0x000B.
    ERROR_HV_INSUFFICIENT_MEMORY = 0xC035_000B as "ERROR_HV_INSUFFICIENT_MEMORY";
    /// Hypervisor status 0x000D.
    ERROR_HV_INVALID_PARTITION_ID = 0xC035_000D as "ERROR_HV_INVALID_PARTITION_ID";
    /// Hypervisor status 0x000E.
    ERROR_HV_INVALID_VP_INDEX = 0xC035_000E as "ERROR_HV_INVALID_VP_INDEX";
    /// Hypervisor status 0x0010.
    ERROR_HV_NOT_FOUND = 0xC035_0010 as "ERROR_HV_NOT_FOUND";
    /// Hypervisor status 0x0011.
    ERROR_HV_INVALID_PORT_ID = 0xC035_0011 as "ERROR_HV_INVALID_PORT_ID";
    /// Hypervisor status 0x0012.
    ERROR_HV_INVALID_CONNECTION_ID = 0xC035_0012 as "ERROR_HV_INVALID_CONNECTION_ID";
    /// Hypervisor status 0x0013.
    ERROR_HV_INSUFFICIENT_BUFFERS = 0xC035_0013 as "ERROR_HV_INSUFFICIENT_BUFFERS";
    /// Hypervisor status 0x0014.
    ERROR_HV_NOT_ACKNOWLEDGED = 0xC035_0014 as "ERROR_HV_NOT_ACKNOWLEDGED";
    /// Hypervisor status 0x0015.
    ERROR_HV_INVALID_VP_STATE = 0xC035_0015 as "ERROR_HV_INVALID_VP_STATE";
    /// Hypervisor status 0x0017.
    ERROR_HV_INVALID_SAVE_RESTORE_STATE = 0xC035_0017 as "ERROR_HV_INVALID_SAVE_RESTORE_STATE";
    /// Hypervisor status 0x0018.
    ERROR_HV_INVALID_SYNIC_STATE = 0xC035_0018 as "ERROR_HV_INVALID_SYNIC_STATE";
    /// Hypervisor status 0x0019.
    ERROR_HV_OBJECT_IN_USE = 0xC035_0019 as "ERROR_HV_OBJECT_IN_USE";
    /// Hypervisor status 0x001B.
    ERROR_HV_NO_DATA = 0xC035_001B as "ERROR_HV_NO_DATA";
    /// Hypervisor status 0x001C.
    ERROR_HV_INACTIVE = 0xC035_001C as "ERROR_HV_INACTIVE";
    /// Hypervisor status 0x001D.
    ERROR_HV_NO_RESOURCES = 0xC035_001D as "ERROR_HV_NO_RESOURCES";
    /// Hypervisor status 0x001E.
    ERROR_HV_FEATURE_UNAVAILABLE = 0xC035_001E as "ERROR_HV_FEATURE_UNAVAILABLE";
    /// Hypervisor status 0x0020.
    ERROR_HV_PROCESSOR_FEATURE_NOT_SUPPORTED = 0xC035_0020 as "ERROR_HV_PROCESSOR_FEATURE_NOT_SUPPORTED";
    /// Hypervisor status 0x0033.
    ERROR_HV_INSUFFICIENT_BUFFER = 0xC035_0033 as "ERROR_HV_INSUFFICIENT_BUFFER";
    /// Hypervisor status 0x003C.
    ERROR_HV_CPUID_FEATURE_VALIDATION = 0xC035_003C as "ERROR_HV_CPUID_FEATURE_VALIDATION";
    /// Hypervisor status 0x003D.
    ERROR_HV_CPUID_XSAVE_FEATURE_VALIDATION = 0xC035_003D as "ERROR_HV_CPUID_XSAVE_FEATURE_VALIDATION";
    /// Hypervisor status 0x0050.
    ERROR_HV_INVALID_REGISTER_VALUE = 0xC035_0050 as "ERROR_HV_INVALID_REGISTER_VALUE";
    /// Hypervisor status 0x0051.
    ERROR_HV_INVALID_VTL_STATE = 0xC035_0051 as "ERROR_HV_INVALID_VTL_STATE";
    /// Hypervisor status 0x0057.
    ERROR_HV_INVALID_DEVICE_ID = 0xC035_0057 as "ERROR_HV_INVALID_DEVICE_ID";
    /// Hypervisor status 0x0058.
    ERROR_HV_INVALID_DEVICE_STATE = 0xC035_0058 as "ERROR_HV_INVALID_DEVICE_STATE";
}
