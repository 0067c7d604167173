//! Certificate authorities, identities and how they are read from disk.
