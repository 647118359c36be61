//! One execution: a set of templates, the state that its templates share, and how it fails.
use crate::exec::limits::{Limits, MissingKey};
use crate::exec::trace::Trace;
use crate::hash::Hashing;
use crate::parse::parser::{STACK_RED_ZONE, STACK_SEGMENT};
use crate::parse::tree::{At, Tree};
use crate::quote;
use crate::set::Set;
use crate::string::{Str, lossy};
use crate::value::Value;
use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

/// Why an execution failed, in Go's words: `template: FILE:LINE:COLUMN: executing "NAME" at <…>: …`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// The template that was executed.
    pub template: Str,
    /// The whole message.
    pub text: String,
    /// Was a limit reached or did the probe say stop? The message names which.
    pub exhausted: bool,
}

/// Where a limit is reached, a message shows no more than this of the node: it may be a whole template.
const CONTEXT_BYTES_MAX: usize = 80;
/// The stack is looked at once in so many levels of nesting: these take a fraction of the red zone.
const STACK_LEVELS: u32 = 4;
/// A message that is longer is not wrapped again: each of many nested calls would copy it.
const MESSAGE_BYTES_MAX: usize = 512 << 10;

pub(crate) type Result<T> = std::result::Result<T, Box<Failure>>;

/// Asked now and then whether to go on; an error is the reason why not.
pub type Probe<'a> = Box<dyn FnMut() -> std::result::Result<(), String> + 'a>;

/// How templates are executed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// See `MissingKey`.
    pub missing_key: MissingKey,
    /// See `Limits`.
    pub limits: Limits,
    /// Is it recorded where each piece of the output comes from?
    pub trace: bool,
    /// What Go's message calls the set where a template is not in it; Helm's sets are called `gotpl`.
    pub set_name: &'static str,
}

/// Executes templates of a set, one after another, with common limits.
pub struct Execution<'a> {
    pub(crate) set: &'a Set,
    pub(crate) options: Options,
    pub(crate) host: &'a mut dyn Any,
    pub(crate) probe: Option<Probe<'a>>,
    pub(crate) out: Vec<u8>,
    pub(crate) vars: Vec<Variable>,
    pub(crate) spare: Vec<Vec<Value>>,
    pub(crate) spare_typed: Vec<Vec<Typed>>,
    pub(crate) layer: Option<Rc<Layer>>,
    pub(crate) parsed: Vec<Parsed>,
    pub(crate) parsed_by_source: HashMap<(Str, Str), u32, Hashing>,
    pub(crate) depth: u32,
    pub(crate) call_depth: u32,
    /// Nesting of what takes stack, by which it is decided when to look at how much is left.
    pub(crate) level: u32,
    pub(crate) steps: u64,
    pub(crate) next_probe: u64,
    pub(crate) made_bytes: u64,
    pub(crate) exhausted: bool,
    pub(crate) places: BTreeMap<(Str, u32), u32>,
    pub(crate) trace: Option<Trace>,
}

/// A value and whether its static type is `interface {}`: Go tells a nil in an interface from nothing at all.
#[derive(Clone, Default)]
pub(crate) struct Typed {
    pub(crate) value: Value,
    pub(crate) interface: bool,
}

impl Typed {
    pub(crate) fn plain(value: Value) -> Typed {
        Typed { value, interface: false }
    }

    /// The zero `reflect.Value`.
    pub(crate) fn is_invalid(&self) -> bool {
        self.value.is_nil() && !self.interface
    }

    /// The static type's name.
    pub(crate) fn type_name(&self) -> &str {
        if self.interface { "interface {}" } else { self.value.type_name() }
    }
}

pub(crate) struct Variable {
    pub(crate) id: u32,
    pub(crate) value: Typed,
}

/// Templates that a source parsed at run time added, seen by its own execution only.
pub(crate) struct Layer {
    pub(crate) parent: Option<Rc<Layer>>,
    pub(crate) trees: Rc<Vec<Arc<Tree>>>,
}

pub(crate) struct Parsed {
    pub(crate) main: Arc<Tree>,
    pub(crate) trees: Rc<Vec<Arc<Tree>>>,
}

/// A template found by name.
pub(crate) enum Found<'a> {
    Base(&'a Tree),
    Added(Arc<Tree>),
}

impl Found<'_> {
    pub(crate) fn tree(&self) -> &Tree {
        match self {
            Found::Base(tree) => tree,
            Found::Added(tree) => tree,
        }
    }
}

/// One template while it is executed: where it stands, and where its variables begin.
pub(crate) struct Frame<'t> {
    pub(crate) tree: &'t Tree,
    pub(crate) at: At,
    pub(crate) base: usize,
    /// The number of the template's file in the trace.
    pub(crate) file: u32,
}

impl<'a> Execution<'a> {
    /// Executes templates of a set. `host` is what functions reach by `Call::host`.
    pub fn new(set: &'a Set, options: Options, host: &'a mut dyn Any) -> Execution<'a> {
        Execution {
            set,
            options,
            host,
            probe: None,
            out: Vec::new(),
            vars: Vec::new(),
            spare: Vec::new(),
            spare_typed: Vec::new(),
            layer: None,
            parsed: Vec::new(),
            parsed_by_source: HashMap::default(),
            depth: 0,
            call_depth: 0,
            level: 0,
            steps: 0,
            next_probe: options.limits.probe_steps.min(options.limits.steps),
            made_bytes: 0,
            exhausted: false,
            places: BTreeMap::new(),
            trace: options.trace.then(Trace::default),
        }
    }

    /// Has a closure asked every `probe_steps` whether to go on: how wall time is bounded without a clock here.
    pub fn with_probe(mut self, probe: Probe<'a>) -> Execution<'a> {
        self.probe = Some(probe);
        self
    }

    /// Executes a template by name: `ExecuteTemplate`.
    pub fn execute(&mut self, name: &[u8], dot: Value) -> std::result::Result<Vec<u8>, Failure> {
        self.out = Vec::with_capacity(4096);
        self.depth = 0;
        self.call_depth = 0;
        if let Some(trace) = &mut self.trace {
            trace.reset();
        }
        let done = match self.find(name) {
            None => Err(Box::new(no_template(name, self.options.set_name))),
            Some(found) => self.run(found.tree(), dot),
        };
        self.vars.clear();
        self.layer = None;
        let out = std::mem::take(&mut self.out);
        done.map(|()| out).map_err(|failure| *failure)
    }

    /// Where the pieces of the last output came from, if that is traced.
    pub fn trace(&self) -> Option<&Trace> {
        self.trace.as_ref()
    }

    /// The record of the last output, to be made sense of later; the next output gets one of its own.
    pub fn take_trace(&mut self) -> Option<Trace> {
        self.trace.as_mut().map(std::mem::take)
    }

    /// Steps taken so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Runs what nests, with more stack where there is little left.
    #[inline]
    pub(crate) fn deeper<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> T {
        let level = self.level;
        self.level = level + 1;
        let done = match level.is_multiple_of(STACK_LEVELS) {
            true => stacker::maybe_grow(STACK_RED_ZONE, STACK_SEGMENT, || run(self)),
            false => run(self),
        };
        self.level = level;
        done
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<Found<'a>> {
        let mut layer = self.layer.as_ref();
        while let Some(here) = layer {
            if let Some(tree) = here.trees.iter().find(|tree| tree.name.as_bytes() == name) {
                return Some(Found::Added(Arc::clone(tree)));
            }
            layer = here.parent.as_ref();
        }
        self.set.find(name).map(|tree| Found::Base(tree))
    }

    /// One more step: fails if that is one too many.
    #[inline]
    pub(crate) fn step(&mut self, frame: &Frame<'_>) -> Result<()> {
        self.steps += 1;
        if self.steps >= self.next_probe { self.probe(frame) } else { Ok(()) }
    }

    #[cold]
    fn probe(&mut self, frame: &Frame<'_>) -> Result<()> {
        self.check_steps().or_else(|text| {
            self.exhausted = true;
            self.fail(frame, &text)
        })
    }

    pub(crate) fn check_steps(&mut self) -> std::result::Result<(), String> {
        let limits = self.options.limits;
        if self.steps >= limits.steps {
            return Err(format!("exceeded the limit of {} steps", limits.steps));
        }
        self.next_probe = (self.steps + limits.probe_steps).min(limits.steps);
        self.probe.as_mut().map_or(Ok(()), |probe| probe())
    }

    /// Accounts for a text that was made.
    pub(crate) fn made(&mut self, bytes: usize) -> std::result::Result<(), String> {
        let limits = self.options.limits;
        self.made_bytes += bytes as u64;
        if bytes > limits.output_bytes {
            self.exhausted = true;
            return Err(format!("exceeded the limit of {} bytes for one text", limits.output_bytes));
        }
        if self.made_bytes > limits.made_bytes {
            self.exhausted = true;
            return Err(format!("exceeded the limit of {} bytes for all texts", limits.made_bytes));
        }
        Ok(())
    }

    /// Fails if the output is too long by now.
    #[inline]
    pub(crate) fn check_output(&mut self, frame: &Frame<'_>) -> Result<()> {
        if self.out.len() > self.options.limits.output_bytes {
            self.exhausted = true;
            let text = format!("exceeded the limit of {} bytes of output", self.options.limits.output_bytes);
            return self.fail(frame, &text);
        }
        Ok(())
    }

    /// Fails with what a function said.
    #[cold]
    pub(crate) fn fail_call<T>(&self, frame: &Frame<'_>, name: &str, text: String) -> Result<T> {
        if text.len() > MESSAGE_BYTES_MAX {
            return Err(Box::new(Failure { template: frame.tree.name.clone(), text, exhausted: self.exhausted }));
        }
        self.fail(frame, &format!("error calling {name}: {text}"))
    }

    /// Fails at the node where the frame stands.
    #[cold]
    pub(crate) fn fail<T>(&self, frame: &Frame<'_>, text: &str) -> Result<T> {
        let tree = frame.tree;
        let (line, column) = tree.location(tree.pos(frame.at));
        let mut context = tree.show(frame.at);
        if self.exhausted && context.len() > CONTEXT_BYTES_MAX {
            context.truncate(CONTEXT_BYTES_MAX);
            context.extend_from_slice(b"...");
        }
        let name = quote::quote(tree.name.as_bytes());
        let text =
            format!("template: {}:{line}:{column}: executing {name} at <{}>: {text}", tree.file.name, lossy(&context));
        Err(Box::new(Failure { template: tree.name.clone(), text, exhausted: self.exhausted }))
    }
}

pub(crate) fn no_template(name: &[u8], set_name: &str) -> Failure {
    let text = format!(
        "template: no template {} associated with template {}",
        quote::quote(name),
        quote::quote(set_name.as_bytes())
    );
    Failure { template: Str::new(name), text, exhausted: false }
}
