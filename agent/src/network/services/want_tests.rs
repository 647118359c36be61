//! Tests of want.
