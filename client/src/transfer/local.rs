//! The local disk as the engine needs it: safe names, folders that cannot be left, parts.

pub(super) mod ancestors;
pub(super) mod flush;
pub(super) mod folder;
pub(super) mod identity;
pub(super) mod name;
pub(super) mod part;
pub(super) mod system;
