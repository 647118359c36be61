//! Plans as their readers see them, held against committed files; `MASTHEAD_BLESS=1` writes the files anew.

mod layout;
mod plans;
