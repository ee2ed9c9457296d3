//! Replies: from the server to the client.

use bytes::Bytes;

use super::{
    attributes::Attributes,
    fault::{Fault, Invalid},
    packet::{Draft, Packet, TooLong, kind},
    status::Status,
    wire::{handle, put_length, put_string, put_u32, string, u32},
};

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The outcome of a request.
    Status {
        /// The outcome.
        status: Status,
        /// A text for people.
        message: Bytes,
    },
    /// An open file or folder.
    Handle(Bytes),
    /// Bytes of a file; a server writes them in place with [`DataReply`].
    Data(Bytes),
    /// Names; a server writes a listing in place with [`NameReply`].
    Name(Vec<NameEntry>),
    /// The attributes of a file.
    Attributes(Attributes),
    /// The reply of an extension: [`super::StatVfs`] or [`super::ServerLimits`].
    Extended(Bytes),
}

/// A name with its attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameEntry {
    /// A name in a listing, otherwise a path.
    pub name: Bytes,
    /// A line for people, as in the output of `ls -l`.
    pub long_name: Bytes,
    /// The attributes.
    pub attributes: Attributes,
}

impl Reply {
    /// A status.
    #[must_use]
    pub fn status(status: Status, message: impl Into<Bytes>) -> Self {
        Self::Status { status, message: message.into() }
    }

    /// One name without attributes, which answers requests for a path.
    #[must_use]
    pub fn path(path: Bytes) -> Self {
        Self::Name(vec![NameEntry { name: path.clone(), long_name: path, attributes: Attributes::default() }])
    }

    /// Decodes a server's packet: the id of the request and the reply. Bytes after the known fields are ignored.
    ///
    /// # Errors
    /// [`Invalid`]: the request has failed, and the next packet can be read.
    pub fn decode(packet: Packet) -> Result<(u32, Self), Invalid> {
        let Packet { kind, number: id, mut body } = packet;
        match Self::take(kind, &mut body) {
            Ok(reply) => Ok((id, reply)),
            Err(fault) => Err(Invalid { id, fault }),
        }
    }

    fn take(kind: u8, from: &mut Bytes) -> Result<Self, Fault> {
        Ok(match kind {
            // Some servers of this version leave the message out, as version 2 did.
            kind::STATUS => Self::Status { status: u32(from)?.into(), message: string(from).unwrap_or_default() },
            kind::HANDLE => Self::Handle(handle(from)?),
            kind::DATA => Self::Data(string(from)?),
            kind::NAME => {
                let count = u32(from)?;
                // Not allocated by the count: it may promise names that are not there.
                (0..count).map(|_| name(from)).collect::<Result<_, _>>().map(Self::Name)?
            }
            kind::ATTRS => Self::Attributes(Attributes::take(from)?),
            kind::EXTENDED_REPLY => Self::Extended(std::mem::take(from)),
            other => return Err(Fault::UnknownType(other)),
        })
    }

    /// Appends the reply as a packet.
    ///
    /// # Errors
    /// [`TooLong`]: it does not fit into a packet.
    pub fn put(&self, out: &mut Vec<u8>, id: u32) -> Result<(), TooLong> {
        let draft = Draft::begin(out, self.kind(), id);
        match self {
            Self::Status { status, message } => {
                put_u32(out, status.code());
                put_string(out, message);
                put_string(out, b"");
            }
            Self::Handle(bytes) | Self::Data(bytes) => put_string(out, bytes),
            Self::Name(names) => {
                put_length(out, names.len());
                names.iter().for_each(|entry| put_name(out, &entry.name, &entry.long_name, &entry.attributes));
            }
            Self::Attributes(attributes) => attributes.put(out),
            Self::Extended(body) => out.extend_from_slice(body),
        }
        draft.end(out)
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::Status { .. } => kind::STATUS,
            Self::Handle(_) => kind::HANDLE,
            Self::Data(_) => kind::DATA,
            Self::Name(_) => kind::NAME,
            Self::Attributes(_) => kind::ATTRS,
            Self::Extended(_) => kind::EXTENDED_REPLY,
        }
    }
}

fn name(from: &mut Bytes) -> Result<NameEntry, Fault> {
    Ok(NameEntry { name: string(from)?, long_name: string(from)?, attributes: Attributes::take(from)? })
}

fn put_name(out: &mut Vec<u8>, name: &[u8], long_name: &[u8], attributes: &Attributes) {
    put_string(out, name);
    put_string(out, long_name);
    attributes.put(out);
}

/// A data reply that is written in place: [`DataReply::begin`], then the data is appended to the same buffer, then
/// [`DataReply::end`].
#[derive(Debug)]
#[must_use = "a packet without its length breaks the stream"]
pub struct DataReply(Draft);

impl DataReply {
    /// Appends the head.
    pub fn begin(out: &mut Vec<u8>, id: u32) -> Self {
        let draft = Draft::begin(out, kind::DATA, id);
        put_u32(out, 0);
        Self(draft)
    }

    /// Completes the head by the length of the data that was appended since.
    ///
    /// # Errors
    /// [`TooLong`]: it does not fit into a packet; nothing of it is left.
    pub fn end(self, out: &mut Vec<u8>) -> Result<(), TooLong> {
        let length = self.len(out);
        self.0.patch(out, 0, u32::try_from(length).unwrap_or(u32::MAX));
        self.0.end(out)
    }

    /// The length of the data so far.
    #[must_use]
    pub fn len(&self, out: &[u8]) -> usize {
        self.0.len(out).saturating_sub(5 + 4)
    }

    /// Whether there is no data so far.
    #[must_use]
    pub fn is_empty(&self, out: &[u8]) -> bool {
        self.len(out) == 0
    }

    /// Removes the head and the data, so that another reply can be written.
    pub fn abandon(self, out: &mut Vec<u8>) {
        self.0.abandon(out);
    }

    /// Appends the head of a reply whose `length` bytes of data follow from elsewhere.
    ///
    /// # Errors
    /// [`TooLong`]: it does not fit into a packet.
    pub fn put_head(out: &mut Vec<u8>, id: u32, length: usize) -> Result<(), TooLong> {
        let draft = Draft::begin(out, kind::DATA, id);
        put_length(out, length);
        draft.end_before(out, length)
    }
}

/// A name reply that is written in place, name by name, up to a length.
#[derive(Debug)]
#[must_use = "a packet without its length breaks the stream"]
pub struct NameReply {
    draft: Draft,
    count: u32,
    most: usize,
}

impl NameReply {
    /// Appends the head of a packet that shall have at most `most` bytes; [`super::PAGE_LEN`] suits every client.
    pub fn begin(out: &mut Vec<u8>, id: u32, most: usize) -> Self {
        let draft = Draft::begin(out, kind::NAME, id);
        put_u32(out, 0);
        Self { draft, count: 0, most }
    }

    /// Appends a name, or returns `false` if it does not fit any more. The first one always fits.
    pub fn push(&mut self, out: &mut Vec<u8>, name: &[u8], long_name: &[u8], attributes: &Attributes) -> bool {
        let before = out.len();
        put_name(out, name, long_name, attributes);
        let fits = self.count == 0 || self.draft.len(out) <= self.most;
        if fits {
            self.count += 1;
        } else {
            out.truncate(before);
        }
        fits
    }

    /// The number of names so far.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Completes the head.
    ///
    /// # Errors
    /// [`TooLong`]: it does not fit into a packet; nothing of it is left.
    pub fn end(self, out: &mut Vec<u8>) -> Result<(), TooLong> {
        self.draft.patch(out, 0, self.count);
        self.draft.end(out)
    }

    /// Removes the packet, so that another reply can be written.
    pub fn abandon(self, out: &mut Vec<u8>) {
        self.draft.abandon(out);
    }
}
