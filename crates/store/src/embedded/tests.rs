//! What the embedded store must hold when things go wrong.
