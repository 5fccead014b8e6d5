//! Hardware task switches.
