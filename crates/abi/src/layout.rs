//! How the types of this crate are declared and described.
//!
//! `record!`, `block!` and `enumeration!` declare one type each and a table of what they declared, so that tests
//! and tools can compare layouts without a second list.

use core::mem::align_of;
use core::mem::size_of;

use zerocopy::FromBytes;
use zerocopy::Immutable;
use zerocopy::IntoBytes;

/// One member of a structure or union.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name in the header; members of named inline records as `Outer_Inner`.
    pub name: &'static str,
    /// Offset of the member, or of a bit field's storage unit, in bytes.
    pub offset: usize,
    /// Size of the member, or of a bit field's storage unit, in bytes.
    pub size: usize,
    /// Position in the storage unit and width of a bit field.
    pub bits: Option<(u32, u32)>,
}

/// Size, alignment and members of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Name in the header.
    pub name: &'static str,
    /// Size in bytes.
    pub size: usize,
    /// Alignment in bytes.
    pub align: usize,
    /// Members in the order of the header.
    pub fields: &'static [Field],
}

impl Record {
    /// A type without members: alias, handle, enumeration or function pointer.
    pub(crate) const fn plain<T>(name: &'static str) -> Self {
        Self { name, size: size_of::<T>(), align: align_of::<T>(), fields: &[] }
    }
}

/// Names and values of one enumeration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enumeration {
    /// Name in the header.
    pub name: &'static str,
    /// Enumerators in the order of the header, as 32-bit patterns.
    pub members: &'static [(&'static str, u32)],
}

/// Declares an enumeration: a newtype over the C `int`'s bits, and one constant per enumerator.
macro_rules! enumeration {
    (
        $(#[$doc:meta])*
        pub struct $name:ident { $($(#[$member_doc:meta])* $member:ident = $value:literal,)* }
    ) => {
        $(#[$doc])*
        #[repr(transparent)]
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)]
        pub struct $name(pub u32);

        $(
            #[doc = concat!("Enumerator of [`", stringify!($name), "`].")]
            #[doc = ""]
            $(#[$member_doc])*
            pub const $member: $name = $name($value);
        )*

        impl $name {
            /// Enumerators, for tests and tools.
            pub const ENUMERATION: crate::layout::Enumeration = crate::layout::Enumeration {
                name: stringify!($name),
                members: &[$((stringify!($member), $value)),*],
            };
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match Self::ENUMERATION.members.iter().find(|member| member.1 == self.0) {
                    Some((name, _)) => f.write_str(name),
                    None => write!(f, "{}({:#x})", stringify!($name), self.0),
                }
            }
        }
    };
}

/// Declares a structure without overlap. `align N` raises the alignment; `pointers` marks one that holds pointers
/// and therefore has no zero value.
macro_rules! record {
    ($(#[$doc:meta])* pub struct $name:ident { $($field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[repr(C)]
        #[derive(Clone, Copy, PartialEq, Eq)]
        #[derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)]
        pub struct $name {
            $(
                #[doc = concat!("Member `", stringify!($field), "`.")]
                pub $field: $type,
            )*
        }

        impl Default for $name {
            #[inline]
            fn default() -> Self {
                zerocopy::FromZeros::new_zeroed()
            }
        }

        record!(@describe $name { $($field: $type,)* });
    };
    ($(#[$doc:meta])* pointers pub struct $name:ident { $($field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[repr(C)]
        #[derive(Clone, Copy)]
        pub struct $name {
            $(
                #[doc = concat!("Member `", stringify!($field), "`.")]
                pub $field: $type,
            )*
        }

        record!(@describe $name { $($field: $type,)* });
    };
    (@describe $name:ident { $($field:ident: $type:ty,)* }) => {
        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.debug_struct(stringify!($name))$(.field(stringify!($field), &self.$field))*.finish()
            }
        }

        impl $name {
            /// Layout, for tests and tools.
            pub const RECORD: crate::layout::Record = crate::layout::Record {
                name: stringify!($name),
                size: core::mem::size_of::<Self>(),
                align: core::mem::align_of::<Self>(),
                fields: &[$(crate::layout::Field {
                    name: stringify!($field),
                    offset: core::mem::offset_of!(Self, $field),
                    size: core::mem::size_of::<$type>(),
                    bits: None,
                }),*],
            };
        }
    };
}

/// Declares a union, or a structure with bit fields or unnamed unions, as a byte block with accessors.
macro_rules! block {
    (
        $(#[$doc:meta])*
        pub struct $name:ident: $size:literal bytes, align $align:literal {
            $($get:ident, $set:ident: $type:ty = $offset:literal $(bits $low:literal, $width:literal)?;)*
        }
    ) => {
        $(#[$doc])*
        #[repr(C, align($align))]
        #[derive(Clone, Copy, PartialEq, Eq)]
        #[derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)]
        pub struct $name {
            bytes: [u8; $size],
        }

        impl $name {
            /// Layout, for tests and tools.
            pub const RECORD: crate::layout::Record = crate::layout::Record {
                name: stringify!($name),
                size: core::mem::size_of::<Self>(),
                align: core::mem::align_of::<Self>(),
                fields: &[$(crate::layout::Field {
                    name: stringify!($get),
                    offset: $offset,
                    size: core::mem::size_of::<$type>(),
                    bits: block!(@bits $($low, $width)?),
                }),*],
            };

            $(block!(@accessors $get, $set: $type = $offset $(bits $low, $width)?);)*
        }

        impl Default for $name {
            #[inline]
            fn default() -> Self {
                Self { bytes: [0; $size] }
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.debug_struct(stringify!($name))$(.field(stringify!($get), &self.$get()))*.finish()
            }
        }
    };
    (@bits) => { None };
    (@bits $low:literal, $width:literal) => { Some(($low, $width)) };
    (@accessors $get:ident, $set:ident: $type:ty = $offset:literal) => {
        #[doc = concat!("Reads `", stringify!($get), "`, at byte ", stringify!($offset), ".")]
        #[inline]
        pub fn $get(&self) -> $type {
            crate::layout::load(&self.bytes, $offset)
        }

        #[doc = concat!("Writes `", stringify!($get), "`, at byte ", stringify!($offset), ".")]
        #[inline]
        pub fn $set(&mut self, value: $type) {
            crate::layout::store(&mut self.bytes, $offset, &value);
        }
    };
    (@accessors $get:ident, $set:ident: $type:ty = $offset:literal bits $low:literal, $width:literal) => {
        #[doc = concat!(
            "Reads `", stringify!($get), "`: ", stringify!($width), " bits from bit ", stringify!($low),
            " of the unit at byte ", stringify!($offset), "."
        )]
        #[inline]
        pub fn $get(&self) -> $type {
            let word: $type = crate::layout::load(&self.bytes, $offset);
            (word >> $low) & (<$type>::MAX >> (<$type>::BITS - $width))
        }

        #[doc = concat!("Writes `", stringify!($get), "`; bits of `value` beyond the field are dropped.")]
        #[inline]
        pub fn $set(&mut self, value: $type) {
            let mask = (<$type>::MAX >> (<$type>::BITS - $width)) << $low;
            let word: $type = crate::layout::load(&self.bytes, $offset);
            crate::layout::store(&mut self.bytes, $offset, &((word & !mask) | ((value << $low) & mask)));
        }
    };
}

pub(crate) use block;
pub(crate) use enumeration;
pub(crate) use record;

/// Reads a member out of a block. Offsets are constants that the layout tests check to lie inside.
#[inline]
pub(crate) fn load<T: FromBytes>(bytes: &[u8], offset: usize) -> T {
    bytes
        .get(offset..)
        .and_then(|tail| T::read_from_prefix(tail).ok())
        .map_or_else(T::new_zeroed, |(value, _)| value)
}

/// Writes a member into a block.
#[inline]
pub(crate) fn store<T: IntoBytes + Immutable>(bytes: &mut [u8], offset: usize, value: &T) {
    let source = value.as_bytes();
    if let Some(target) = bytes.get_mut(offset..).and_then(|tail| tail.get_mut(..source.len())) {
        target.copy_from_slice(source);
    }
}
