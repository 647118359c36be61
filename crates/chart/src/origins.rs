//! What a render recorded to where each line of a file comes from, worked out when it is first asked for.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use masthead_gotmpl::exec::trace::{Origin, Trace};
use masthead_gotmpl::map::Map;
use masthead_gotmpl::string::Str;
use masthead_gotmpl::value::Value;

use crate::line_origin::LineOrigin;

/// How deep maps are numbered.
const DEPTH_MAX: u32 = 64;

/// The maps of the values by the numbers they carry, from 1: each with the number of the map around it and its key there.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    maps: Vec<(u32, Str)>,
}

impl Keys {
    /// Numbers a chart's values and all maps in them that have no number yet.
    pub fn number(&mut self, values: &Map) {
        self.map(values, 0, &Str::from("Values"), 0);
    }

    fn map(&mut self, map: &Map, outer: u32, key: &Str, depth: u32) {
        if depth > DEPTH_MAX || map.path_id() != 0 {
            return;
        }
        self.maps.push((outer, key.clone()));
        let own = self.maps.len() as u32;
        map.set_path_id(own);
        for (key, value) in map.entries().iter() {
            if let Value::Map(inner) = value {
                self.map(inner, own, key, depth + 1);
            }
        }
    }

    /// `.Values.a.b`; empty where there is no such map.
    fn path(&self, number: u32, key: &Str) -> String {
        let mut keys = vec![key];
        let mut number = number;
        while let Some((outer, key)) = (number as usize).checked_sub(1).and_then(|at| self.maps.get(at)) {
            keys.push(key);
            number = *outer;
        }
        if keys.len() == 1 {
            return String::new();
        }
        keys.iter().rev().fold(String::new(), |path, key| path + "." + &key.to_str_lossy())
    }
}

/// Where the lines of one rendered file come from.
#[derive(Debug)]
pub(crate) struct Origins {
    /// The file: `chart/templates/x.yaml`.
    pub path: String,
    /// What the engine wrote.
    text: Vec<u8>,
    trace: Trace,
    keys: Arc<Keys>,
    lines: OnceLock<Vec<LineOrigin>>,
    /// Lines that were asked for one by one.
    asked: AtomicU32,
}

/// Lines that are worked out one by one; whoever asks for more gets them all at once.
const SINGLE_MAX: u32 = 4;

impl Origins {
    pub fn new(path: String, text: Vec<u8>, trace: Trace, keys: Arc<Keys>) -> Origins {
        Origins { path, text, trace, keys, lines: OnceLock::new(), asked: AtomicU32::new(0) }
    }

    /// One line of the file, from 0.
    pub fn line(&self, number: usize) -> Option<LineOrigin> {
        if self.lines.get().is_some() || self.asked.fetch_add(1, Ordering::Relaxed) >= SINGLE_MAX {
            return self.lines().get(number).cloned();
        }
        self.trace.line(&self.text, number).map(|origin| self.origin(origin))
    }

    fn origin(&self, origin: Origin) -> LineOrigin {
        let key = if origin.path == 0 { String::new() } else { self.keys.path(origin.path, &origin.key) };
        LineOrigin { template: origin.template, line: origin.line, key }
    }

    /// One entry a line of the file.
    pub fn lines(&self) -> &[LineOrigin] {
        self.lines.get_or_init(|| self.trace.lines(&self.text).into_iter().map(|origin| self.origin(origin)).collect())
    }
}
