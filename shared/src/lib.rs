//! The ferry protocol, version 1: the messages between client and server, and how they are transported.
//!
//! The *words* ([`limits`], [`version`], [`feature`], [`name`], [`path`], [`entry`], [`digest`], [`refusal`],
//! [`message`], [`frame`]) are pure: no I/O, no clock, no runtime. The *carriage* transports them: [`link`] sends
//! frames over any async stream, [`blocks`] converts files to digested blocks and back, and [`bucket`] limits bytes
//! to a rate. [`text_file`] reads files that people edit, and [`digest_cache`] remembers digests, on either side. `docs/protocol.md` describes the same
//! protocol in prose. [`sftp`] is the other protocol: that of standard clients and of servers of other kinds.

pub mod binding;
pub mod blocks;
pub mod bucket;
pub mod chunks;
pub mod delta;
pub mod digest;
pub mod digest_cache;
pub mod disk;
pub mod entry;
pub mod feature;
pub mod fingerprint;
pub mod frame;
pub mod limits;
pub mod link;
pub mod message;
pub mod name;
mod pack;
pub mod packing;
pub mod path;
pub mod pool;
pub mod refusal;
pub mod secret;
pub mod sftp;
pub mod socket;
pub mod text_file;
pub mod version;
mod wire_bytes;
