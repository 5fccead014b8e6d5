//! Newtypes for the address kinds and indices of the contract.

use std::fmt;

/// Declares one number-like newtype.
macro_rules! newtype {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub struct $name(pub $inner);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:#x})"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }

        impl From<$inner> for $name {
            fn from(value: $inner) -> Self {
                Self(value)
            }
        }
    };
}

newtype! {
    /// A guest physical address in bytes.
    Gpa(u64)
}
newtype! {
    /// A guest linear address in bytes (segment base already added).
    Gva(u64)
}
newtype! {
    /// The index of a virtual processor inside its partition.
    VpIndex(u32)
}
newtype! {
    /// A point of guest time, in nanoseconds since the partition's time began.
    GuestNs(u64)
}

/// Bytes in a page, for every rule of the platform and whatever the host's page size is.
pub const PAGE_SIZE: u64 = 4096;

impl Gpa {
    /// The number of the page this address lies in.
    pub const fn page(self) -> u64 {
        self.0 / PAGE_SIZE
    }

    /// The offset inside that page, in bytes.
    pub const fn page_offset(self) -> u64 {
        self.0 % PAGE_SIZE
    }

    /// The sum, or `None` on overflow.
    pub fn checked_add(self, bytes: u64) -> Option<Self> {
        self.0.checked_add(bytes).map(Self)
    }
}
