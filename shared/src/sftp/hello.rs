//! The first packet of each side: its version, and the extensions of the server.

use super::{
    extension::Extension,
    fault::{Fault, Invalid},
    packet::{Draft, Packet, TooLong, kind},
    pairs::Pairs,
};

/// The version of the protocol.
pub const VERSION: u32 = 3;

/// The first packet of a side: INIT from the client, VERSION from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The highest version of the client, or the version that the server chose.
    pub version: u32,
    /// Extensions by name, with their version as text.
    pub extensions: Pairs,
}

impl Hello {
    /// The hello of a server with these extensions.
    #[must_use]
    pub fn with(extensions: &[Extension]) -> Self {
        let extensions = extensions.iter().map(|extension| (extension.name(), extension.version())).collect();
        Self { version: VERSION, extensions }
    }

    /// Whether the server offers this extension in the version that is known here.
    #[must_use]
    pub fn offers(&self, extension: Extension) -> bool {
        self.extensions.get(extension.name().as_bytes()).is_some_and(|version| version == extension.version())
    }

    /// Decodes a client's INIT.
    ///
    /// # Errors
    /// [`Invalid`]: it is another packet or malformed. Its number is no id, so the channel must be closed.
    pub fn decode_init(packet: Packet) -> Result<Self, Invalid> {
        Self::decode(packet, kind::INIT)
    }

    /// Decodes a server's VERSION.
    ///
    /// # Errors
    /// [`Invalid`]: it is another packet or malformed.
    pub fn decode_version(packet: Packet) -> Result<Self, Invalid> {
        Self::decode(packet, kind::VERSION)
    }

    fn decode(packet: Packet, expected: u8) -> Result<Self, Invalid> {
        let invalid = |fault| Invalid { id: packet.number, fault };
        if packet.kind != expected {
            return Err(invalid(Fault::UnknownType(packet.kind)));
        }
        let extensions = Pairs::all_of(packet.body).map_err(invalid)?;
        Ok(Self { version: packet.number, extensions })
    }

    /// Appends it as a client's INIT.
    ///
    /// # Errors
    /// [`TooLong`]: there are too many extensions.
    pub fn put_init(&self, out: &mut Vec<u8>) -> Result<(), TooLong> {
        self.put(out, kind::INIT)
    }

    /// Appends it as a server's VERSION.
    ///
    /// # Errors
    /// [`TooLong`]: there are too many extensions.
    pub fn put_version(&self, out: &mut Vec<u8>) -> Result<(), TooLong> {
        self.put(out, kind::VERSION)
    }

    fn put(&self, out: &mut Vec<u8>, kind: u8) -> Result<(), TooLong> {
        let draft = Draft::begin(out, kind, self.version);
        self.extensions.put(out);
        draft.end(out)
    }
}
