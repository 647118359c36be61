//! The named bounds of the image store.

/// Bounds on what an image may be; every error about one names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one manifest, index or image config (Docker's registry uses 4 MiB).
    pub manifest_bytes: u64,
    /// Layers of one image; overlayfs and Docker stop at 127.
    pub layers_count: u64,
    /// Bytes of one compressed layer.
    pub layer_bytes: u64,
    /// Bytes of one layer once unpacked, holes of sparse files included.
    pub layer_unpacked_bytes: u64,
    /// Entries of one layer.
    pub layer_files: u64,
    /// Bytes of one extended header (long name, PAX record) in a layer.
    pub header_bytes: u64,
    /// Entries of an image index.
    pub index_entries: u64,
    /// Indexes inside indexes.
    pub index_depth: u64,
    /// Bytes of an archive given to import, unpacked.
    pub archive_bytes: u64,
    /// Entries of an archive given to import.
    pub archive_files: u64,
    /// Layers downloaded at a time for one pull.
    pub parallel_downloads: usize,
}

impl Default for Limits {
    fn default() -> Self {
        const GIB: u64 = 1 << 30;
        Self {
            manifest_bytes: 4 << 20,
            layers_count: 127,
            layer_bytes: 16 * GIB,
            layer_unpacked_bytes: 32 * GIB,
            layer_files: 1_000_000,
            header_bytes: 1 << 20,
            index_entries: 1_000,
            index_depth: 2,
            archive_bytes: 64 * GIB,
            archive_files: 10_000,
            parallel_downloads: 3,
        }
    }
}
