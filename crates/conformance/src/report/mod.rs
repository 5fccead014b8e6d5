//! What a run of the cases says: about every case, and about every part of the interface.
//!
//! [`run`] runs each case in a process of its own; [`inventory`] lists what the interface consists of, [`documented`]
//! the errors of each function; [`standing`] puts them together, [`table`] prints them.

pub mod documented;
pub mod inventory;
pub mod run;
pub mod standing;
pub mod table;
