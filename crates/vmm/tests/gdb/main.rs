//! `openwhp run --gdb`, by the protocol itself and with gdb where there is one.

#![cfg(feature = "gdb")]

mod client;
mod guests;
mod linux;
mod noise;
mod programs;
mod session;
mod several;
