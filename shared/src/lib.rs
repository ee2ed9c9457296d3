//! The ferry protocol, version 1: what a client and a server say, and how it is carried.
//!
//! The *words* ([`limits`], [`version`], [`feature`], [`name`], [`path`], [`entry`], [`digest`],
//! [`refusal`], [`message`], [`frame`]) are pure: no I/O, no clock, no runtime.
//! The *carriage* moves them: [`link`] sends frames over any async stream and
//! [`blocks`] turns files into digested blocks and back, [`bucket`] holds bytes back to a rate.
//! [`text_file`] reads what people edit by hand, on either side.
//! `docs/protocol.md` is the same protocol in prose.

pub mod binding;
pub mod blocks;
pub mod bucket;
pub mod digest;
pub mod entry;
pub mod feature;
pub mod fingerprint;
pub mod frame;
pub mod limits;
pub mod link;
pub mod message;
pub mod name;
pub mod path;
pub mod pool;
pub mod refusal;
pub mod secret;
pub mod socket;
pub mod text_file;
pub mod version;
mod wire_bytes;
