//! SFTP version 3 over bytes, for both sides: a server for standard clients, and a client of other servers.
//!
//! The format is that of draft-ietf-secsh-filexfer-02 with the extensions in OpenSSH's `PROTOCOL`. Paths, names and
//! handles are bytes and are not interpreted here. The code is pure: no I/O, no clock, no runtime.
//!
//! A side appends what it receives to a buffer and takes [`Packet`]s off its front. A server decodes a [`Hello`], then
//! [`Request`]s, and writes [`Reply`]s; [`DataReply`] and [`NameReply`] write long ones in place. A client does the
//! reverse. An error of [`Packet::take`] ends the channel; an [`Invalid`] request has an id and can be answered.

mod attributes;
mod extension;
mod fault;
mod hello;
mod long_name;
mod packet;
mod pairs;
mod reply;
mod request;
mod status;
mod wire;

pub use attributes::{Attributes, Owner, Times, kind_of, permissions};
pub use extension::{Extended, Extension, ServerLimits, StatVfs};
pub use fault::{Fault, Invalid};
pub use hello::{Hello, VERSION};
pub use long_name::long_name;
pub use packet::{DATA_MAX, HANDLE_MAX, PACKET_MAX, PAGE_LEN, Packet, PacketError, SEND_MAX, TooLong};
pub use pairs::Pairs;
pub use reply::{DataReply, NameEntry, NameReply, Reply};
pub use request::{OpenFlags, Request};
pub use status::Status;
