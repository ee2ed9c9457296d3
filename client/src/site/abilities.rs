//! The abilities of the kinds of sites.

/// The abilities of a site. If an ability is missing, the engine uses the best alternative that keeps its guarantees,
/// or refuses the job before its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// Queries cost no round trip.
    pub near: bool,
    /// The site computes digests of its files, and compares received content with the digest of the sent content.
    pub digest: bool,
    /// How a file replaces another.
    pub replace: Replace,
    /// The site can replace or remove a file on the condition that it is still in a known state.
    pub only_if_unchanged: bool,
    /// How an interrupted upload resumes.
    pub resume: Resume,
    /// The site can rename files.
    pub rename: bool,
    /// Whether the site has real folders.
    pub folders: Folders,
    /// The site can copy files itself.
    pub server_copy: bool,
    /// The site can search itself.
    pub search: bool,
    /// The site reports a quota.
    pub quota: bool,
    /// The site lists unfinished uploads.
    pub unfinished: bool,
    /// Users can create accounts themselves.
    pub register: bool,
    /// Users can change their password.
    pub password: bool,
    /// The site's files have permission bits.
    pub mode_bits: bool,
    /// The site reads and makes symbolic links.
    pub links: bool,
    /// How the site stores the dates of files.
    pub mtime: Dates,
    /// The characters allowed in names.
    pub names: Names,
    /// The maximum number of open sessions.
    pub connections: usize,
    /// An upload starts with the size of the file, before the site reports the blocks that it has.
    pub size_first: bool,
    /// The site sends blocks as deltas against a file that is described to it.
    pub deltas: bool,
}

/// How a file replaces another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replace {
    /// Atomically: there is always either the old or the new file.
    Atomic,
    /// By renaming: for a moment there may be no file.
    ByRename,
    /// The old file is overwritten.
    InPlace,
}

/// The basis on which an interrupted upload resumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// The blocks whose digests are equal.
    Blocks,
    /// An offset that is trusted.
    Offset,
    /// Complete parts that were uploaded.
    Parts,
    /// None: the upload starts again.
    None,
}

/// Whether a site has real folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folders {
    /// Folders are created, listed and removed.
    Real,
    /// Folders exist while they have content.
    Implied,
}

/// How a site stores the dates of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dates {
    /// As set.
    Exact,
    /// In whole seconds.
    Seconds,
    /// The site sets the dates itself.
    None,
}

/// The characters allowed in names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Any bytes.
    Bytes,
    /// UTF-8 only.
    Utf8,
}

/// How the content of the target was verified against the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// Not verified.
    None,
    /// The sizes are equal; the site provides no digest.
    Size,
    /// The target was read back and is equal.
    ReadBack,
    /// The digests are equal.
    Digest,
}

impl Proof {
    /// Whether the verification is sufficient to remove the source of a move.
    #[must_use]
    pub fn allows_removal(self) -> bool {
        self >= Self::ReadBack
    }
}

impl Abilities {
    /// All abilities; those of the ferry protocol and of this computer are defined as exceptions from it.
    pub const ALL: Self = Self {
        near: false,
        digest: true,
        replace: Replace::Atomic,
        only_if_unchanged: true,
        resume: Resume::Blocks,
        rename: true,
        folders: Folders::Real,
        server_copy: true,
        search: true,
        quota: true,
        unfinished: true,
        register: true,
        password: true,
        mode_bits: true,
        links: true,
        mtime: Dates::Exact,
        names: Names::Bytes,
        connections: usize::MAX,
        size_first: false,
        deltas: false,
    };
}
