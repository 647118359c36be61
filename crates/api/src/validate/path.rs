//! Where in an object a check stands: a chain on the stack that costs nothing until it is written out.

use std::fmt;

#[derive(Clone, Copy)]
enum Part<'a> {
    Name(&'a str),
    Index(usize),
    Key(&'a str),
}

/// A field path such as `spec.containers[0].image`.
#[derive(Clone, Copy)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    part: Part<'a>,
}

impl<'a> Path<'a> {
    /// A path of one field; an empty name is the whole object, written `[]`.
    pub const fn root(name: &'a str) -> Self {
        Path { parent: None, part: Part::Name(name) }
    }

    /// A field of this object.
    pub const fn child(&'a self, name: &'a str) -> Path<'a> {
        Path { parent: Some(self), part: Part::Name(name) }
    }

    /// An element of this list.
    pub const fn index(&'a self, index: usize) -> Path<'a> {
        Path { parent: Some(self), part: Part::Index(index) }
    }

    /// An entry of this map.
    pub const fn key(&'a self, key: &'a str) -> Path<'a> {
        Path { parent: Some(self), part: Part::Key(key) }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match (self.part, self.parent) {
            (Part::Name(""), None) => f.write_str("[]"),
            (Part::Name(name), None) => f.write_str(name),
            (Part::Name(name), Some(_)) => write!(f, ".{name}"),
            (Part::Index(index), _) => write!(f, "[{index}]"),
            (Part::Key(key), _) => write!(f, "[{key}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Path;

    #[test]
    fn paths_write_themselves() {
        let spec = Path::root("spec");
        let containers = spec.child("containers");
        let first = containers.index(0);
        assert_eq!(first.child("image").to_string(), "spec.containers[0].image");
        assert_eq!(spec.child("limits").key("cpu").to_string(), "spec.limits[cpu]");
    }
}
