//! Files as bytes against the objects and the problems they give, and the cache over several snapshots.
