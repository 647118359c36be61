//! The control plane and the command line of Masthead.
